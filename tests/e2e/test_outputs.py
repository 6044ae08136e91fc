"""Options of profilers that write a file for each result: what they are named, what is
overwritten, what is refused before anything runs."""

import json

import pytest

CASES = '''
import time

from pyprofiler import ProfilerCase


def work():
    return sum(range(100))


class Work(ProfilerCase):
    def profile_one(self):
        work()
        open("ran", "w").close()
        time.sleep(0.03)

    def profile_two(self):
        work()
        time.sleep(0.03)
'''
ONE = "work.py::Work::profile_one"
FORCE = {False: [], True: ["-f"]}


def is_chrome(text):
    return len(json.loads(text)["traceEvents"]) > 2


def is_svg(text):
    return text.startswith("<?xml") and text.rstrip().endswith("</svg>")


def is_mprof(text):
    return text.startswith("CMDLINE ") and "\nMEM " in text


# profiler, option: extension, what such a file is
FOLDERS = {
    ("callgraph", "--folder"): (".svg", is_svg),
    ("memory-time", "--plots-directory"): (".svg", is_svg),
    ("memory-time", "--keep-file"): (".dat", is_mprof),
    ("tracer", "--output-file"): (".trace.json", is_chrome),  # "out/" is a folder too
}


@pytest.fixture
def work(project):
    project.write("work.py", CASES)
    return project


@pytest.fixture(params=FOLDERS, ids=lambda pair: pair[1])
def way(request):
    """(profiler, option, extension, check)"""
    return (*request.param, *FOLDERS[request.param])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def ran(project):
    """Did the first case run since this was last asked?"""
    mark = project.path / "ran"
    found = mark.exists()
    mark.unlink(missing_ok=True)
    return found


def test_one_result(work, way):
    profiler, option, extension, check = way
    done = work.run(ONE, profiler, f"{option}=out/")
    assert done.code == 0, done
    (file,) = (work.path / "out").iterdir()
    assert file.name == f"work-Work-profile_one-{profiler}{extension}"
    assert check(file.read_text(encoding="utf-8"))
    assert f"written: out/{file.name}\n" in done.err


def test_several_results(work, way):
    profiler, option, extension, check = way
    done = work.run("work.py", profiler, f"{option}=a/b/out/")
    assert done.code == 0, done
    folder = work.path / "a" / "b" / "out"
    assert names(folder) == [f"work-Work-profile_{n}-{profiler}{extension}"
                             for n in ("one", "two")]
    assert all(check(path.read_text(encoding="utf-8")) for path in folder.iterdir())


def test_existing_files_in_a_folder(work, way):
    """The next number without -f, the same file with it."""
    profiler, option, extension, check = way
    first = f"work-Work-profile_one-{profiler}{extension}"
    second = first.replace(extension, f"-2{extension}")
    (work.path / "out").mkdir()
    (work.path / "out" / first).write_text("mine")
    done = work.run(ONE, profiler, f"{option}=out")
    assert done.code == 0, done
    assert names(work.path / "out") == sorted([first, second])
    assert (work.path / "out" / first).read_text() == "mine"
    assert check((work.path / "out" / second).read_text(encoding="utf-8"))
    done = work.run("-f", ONE, profiler, f"{option}=out")
    assert done.code == 0, done
    assert names(work.path / "out") == sorted([first, second])
    assert check((work.path / "out" / first).read_text(encoding="utf-8"))


@pytest.mark.parametrize("force", FORCE)
def test_folder_that_cannot_be_made(work, way, force):
    profiler, option, _, _ = way
    (work.path / "taken").write_text("a file")
    done = work.run(*FORCE[force], ONE, profiler, f"{option}=taken/out/")
    assert done.code in (3, 4) and option in done.err and "taken" in done.err, done
    assert not ran(work) and (work.path / "taken").read_text() == "a file"


def test_keep_file_without_a_folder(work):
    done = work.run(ONE, "memory-time", "--keep-file")
    assert done.code == 0, done
    kept = work.path / "work-Work-profile_one-memory-time.dat"
    assert is_mprof(kept.read_text(encoding="utf-8"))


def test_two_options_of_one_profiler(work):
    done = work.run(ONE, "memory-time", "--keep-file=out", "--plots-directory=out")
    assert done.code == 0, done
    assert names(work.path / "out") == ["work-Work-profile_one-memory-time.dat",
                                        "work-Work-profile_one-memory-time.svg"] or done


def test_file_of_one_and_of_several_results(work):
    done = work.run("work.py", "tracer", "--output-file", "t.trace.json")
    assert done.code == 0, done
    for name, case in ("t.trace.json", "one"), ("t-2.trace.json", "two"):
        document = json.loads((work.path / name).read_text(encoding="utf-8"))
        assert document["otherData"]["cases"] == [f"work.py::Work::profile_{case}"]


def test_file_that_exists(work):
    target, beside = work.path / "t.json", work.path / "t-2.json"
    target.write_text("mine")
    beside.write_text("also mine")
    done = work.run("work.py", "tracer", "--output-file", "t.json")
    assert done.code == 4 and "--output-file" in done.err and "-f" in done.err, done
    assert not ran(work)
    assert (target.read_text(), beside.read_text()) == ("mine", "also mine")
    done = work.run("-f", "work.py", "tracer", "--output-file", "t.json")
    assert done.code == 0 and ran(work), done
    assert is_chrome(target.read_text(encoding="utf-8"))
    assert is_chrome(beside.read_text(encoding="utf-8"))
    assert not (work.path / "t-3.json").exists()


def test_number_that_is_taken(work):
    """The second result goes past a file that is not ours."""
    (work.path / "t-2.json").write_text("mine")
    done = work.run("work.py", "tracer", "--output-file", "t.json")
    assert done.code == 0, done
    assert (work.path / "t-2.json").read_text() == "mine"
    assert is_chrome((work.path / "t-3.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("force", FORCE)
def test_file_in_a_folder_that_is_not_there(work, force):
    done = work.run(*FORCE[force], ONE, "tracer", "--output-file", "no/such/t.json")
    assert done.code == 4 and "--output-file" in done.err and "no/such" in done.err, done
    assert not ran(work) and not (work.path / "no").exists()


def test_folder_that_the_case_takes_away(work):
    """It is made again; where that is not possible, it is said, and the exit code is 3."""
    work.write("take.py", CASES.replace('open("ran", "w").close()',
                                        'import os; os.rmdir("out")'))
    done = work.run("take.py::Work::profile_one", "tracer", "--output-file", "out/")
    assert done.code == 0 and len(names(work.path / "out")) == 1, done
    work.write("take.py", CASES.replace('open("ran", "w").close()',
                                        'import os; os.rmdir("gone"); open("gone", "w")'))
    done = work.run("take.py::Work::profile_one", "tracer", "--output-file", "gone/")
    assert done.code == 3 and "--output-file: nothing is written" in done.err, done
    assert (work.path / "gone").is_file()


def test_nothing_to_write(work):
    """A case that was skipped before it ran has no trace: no fault of the run."""
    work.write("skip.py", CASES.replace("import ProfilerCase", "import ProfilerCase, skip_case")
               .replace("    def profile_two", "    @skip_case\n    def profile_two"))
    done = work.run("skip.py::Work::profile_two", "tracer", "--output-file", "t.json")
    assert done.code == 0 and not (work.path / "t.json").exists(), done
    assert "--output-file: nothing is written" in done.err


def test_crash_is_written(work):
    """And the exit code stays that of the case."""
    work.write("crash.py", CASES.replace("        work()\n",
                                         "        work()\n        import os; os.abort()\n"))
    done = work.run("crash.py", "tracer", "--output-file", "t.json")
    assert done.code == 1, done
    for name in "t.json", "t-2.json":
        assert "work (" in (work.path / name).read_text(encoding="utf-8")


def test_quiet(work):
    done = work.run("-q", ONE, "tracer", "--output-file", "t.json")
    assert done.code == 0 and "written" not in done.err, done
    assert (work.path / "t.json").exists()
