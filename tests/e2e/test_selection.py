"""Which cases a command line means, and what it says when it means none."""

import json

import pytest

CALLS = "model/calls.py"


@pytest.fixture
def cases(project):
    return project.add("model", "shop")


def ids(outcome):
    return [r["case"] for r in outcome.json["results"]]


@pytest.mark.parametrize("target, expected", [
    (CALLS, ["profile_fib", "profile_sort"]),
    (f"{CALLS}::Calls", ["profile_fib", "profile_sort"]),
    (f"{CALLS}::Calls::profile_sort", ["profile_sort"]),
])
def test_node_ids(cases, target, expected):
    done = cases.run_json(target, "passthrough")
    assert done.code == 0, done
    assert ids(done) == [f"{CALLS}::Calls::{name}" for name in expected]


def test_two_targets_and_no_case_twice(cases):
    done = cases.run_json(f"{CALLS}::Calls", CALLS, "model/marks.py", "passthrough")
    assert ids(done) == [
        f"{CALLS}::Calls::profile_fib",
        f"{CALLS}::Calls::profile_sort",
        "model/marks.py::Marks::profile_marks",
    ]


def test_folder(cases):
    done = cases.run_json("-k", "calls or marks", "model/", "passthrough")
    assert len(ids(done)) == 3


def test_dotted_module_and_relative_imports(each):
    each.add("shop")
    by_module = each.run_json("shop.profile_prices::Prices", "passthrough")
    by_file = each.run_json("shop/profile_prices.py", "passthrough")
    for done in (by_module, by_file):
        assert done.code == 0, done
        assert done.result("profile_total")["output"] == "shop.profile_prices 6 1\n"


def test_ids_are_relative_to_the_repository(cases):
    cases.commit()
    done = cases.run_json("calls.py", "passthrough", cwd=cases.path / "model")
    assert ids(done)[0] == f"{CALLS}::Calls::profile_fib"


@pytest.mark.parametrize("expression, expected", [
    ("fib", ["profile_fib"]),
    ("not fib", ["profile_sort"]),
    ("fib or sort", ["profile_fib", "profile_sort"]),
    ("Calls and (FIB and not sort)", ["profile_fib"]),
])
def test_expression(cases, expression, expected):
    done = cases.run_json("-k", expression, CALLS, "passthrough")
    assert ids(done) == [f"{CALLS}::Calls::{name}" for name in expected]


@pytest.mark.parametrize("flag", ["--list", "--lists", "--collect-only"])
def test_list_runs_nothing(cases, flag):
    cases.write("ran.py", (
        "from pyprofiler import ProfilerCase\n"
        "class Ran(ProfilerCase):\n"
        "    def profile_it(self): open('ran', 'w')\n"
    ))
    done = cases.run(flag, "ran.py")
    assert done.code == 0, done
    assert "ran.py::Ran::profile_it" in done.out
    assert not (cases.path / "ran").exists()


def test_list_command(cases):
    done = cases.run("pyprofiler", "list", "--python", cases.python, CALLS)
    assert done.code == 0, done
    assert done.out.split() == [
        f"{CALLS}::Calls::profile_fib", f"{CALLS}::Calls::profile_sort",
    ]
    done = cases.run(
        "pyprofiler", "list", "--python", cases.python, "--format=json", CALLS)
    listed = json.loads(done.out)
    assert listed["schema"].startswith("pyprofiler/list/")
    assert [c["id"] for c in listed["cases"]] == [
        f"{CALLS}::Calls::profile_fib", f"{CALLS}::Calls::profile_sort",
    ]


@pytest.mark.parametrize("words, says", [
    (["model/cals.py"], "calls.py"),
    ([f"{CALLS}::Cals"], "Calls"),
    ([f"{CALLS}::Calls::profile_fibb"], "profile_fib"),
    ([CALLS, "stopwach"], "stopwatch"),
    ([CALLS, "stopwatch", "--rouds=3"], "rounds"),
    (["--tiemout=3", CALLS], "timeout"),
    ([CALLS, "stopwatch", "--rounds=many"], "many"),
    (["-k", "fib and", CALLS], "fib and"),
    (["no.such.module"], "no.such.module"),
])
def test_mistakes_are_errors_with_suggestions(cases, words, says):
    done = cases.run(*words)
    assert done.code == 4, done
    assert says in done.err
    assert done.out == ""


def test_no_target(cases):
    done = cases.run()
    assert done.code == 4, done
    assert done.err


@pytest.mark.parametrize("words", [["-k", "nothing_like_it", CALLS], ["empty"]])
def test_nothing_selected(cases, words):
    (cases.path / "empty").mkdir()
    done = cases.run(*words)
    assert done.code == 5, done


def test_file_without_cases(cases):
    done = cases.run("shop/prices.py")
    assert done.code == 5, done


def test_exit_first_and_maxfail(cases):
    cases.write("fails.py", "from pyprofiler import ProfilerCase\n"
                "class Fails(ProfilerCase):\n" + "".join(
                    f"    def profile_{n}(self): raise ValueError\n" for n in range(5)))
    assert len(ids(cases.run_json("fails.py", "passthrough"))) == 5
    for option, n in [("-x", 1), ("--exitfirst", 1), ("--maxfail=3", 3)]:
        done = cases.run_json(option, "fails.py", "passthrough")
        assert done.code == 1
        assert len(ids(done)) == n, option


def test_several_profilers(cases):
    done = cases.run_json(CALLS, "call,passthrough")
    assert done.code == 0, done
    pairs = [(r["case"].rpartition("_")[2], r["profiler"]) for r in done.json["results"]]
    assert sorted(pairs) == [
        ("fib", "call"), ("fib", "passthrough"), ("sort", "call"), ("sort", "passthrough"),
    ]


def test_alias_gives_the_canonical_name(cases):
    done = cases.run_json(CALLS, "cprofile")
    assert {r["profiler"] for r in done.json["results"]} == {"call"}


def test_stopwatch_without_a_name(cases):
    done = cases.run_json(f"{CALLS}::Calls::profile_sort")
    assert [r["profiler"] for r in done.json["results"]] == ["stopwatch"]


def test_configuration(cases):
    cases.commit()
    cases.write("pyproject.toml", "[tool.pyprofiler]\ntimeuot = 3\n")
    done = cases.run(CALLS, "passthrough")
    assert done.code == 4, done
    assert "timeuot" in done.err and "timeout" in done.err
    cases.write("pyproject.toml", "[tool.pyprofiler]\ntimeout = 30\n")
    assert cases.run(CALLS, "passthrough").code == 0


def test_a_dotted_package_is_all_its_files(cases):
    text = (cases.path / CALLS).read_text()
    for name in ("inner/__init__.py", "inner/deep/__init__.py"):
        cases.write(name, "")
    cases.write("inner/deep/some_cases.py", text)
    done = cases.run_json("inner.deep", "passthrough")
    assert done.code == 0, done
    assert all("inner/deep/some_cases.py::" in r["case"] for r in done.json["results"])


def test_options_of_the_default_profiler(cases):
    """Without a profiler, what follows the targets is the stopwatch's."""
    done = cases.run_json(f"{CALLS}::Calls::profile_sort", "--rounds", "7", "--warmup=0")
    assert len(done.json["results"][0]["metrics"]["wall_time"]["samples"]) == 7, done
    done = cases.run(CALLS, "--ronds", "7")
    assert done.code == 4 and "--rounds" in done.err, done
