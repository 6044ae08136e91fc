"""Traces as their readers see them: Chrome's JSON, Perfetto, speedscope, collapsed stacks
and text of the same result, with threads, tasks, exceptions, collections, counters, marks
and child processes."""

import collections
import filecmp
import json
import os
import re

import pytest

from conftest import make_project
from perfetto_trace import PerfettoTrace

CASE = "trace/lives.py::Lives::profile_"
CHILDREN = {"in_fork": "waits_for_fork", "in_spawn": "waits_for_spawn",
            "in_program": "waits_for_program", "in_killed": "waits_for_killed",
            "in_grandchild": "waits_for_grandchild"}

Call = collections.namedtuple("Call", "process thread name began ended notes")


class Trace:
    """What all formats have: processes and threads by id, calls, moments, curves, tasks,
    collections. Times are ns after the trace's first call."""

    def __init__(self):
        self.processes, self.threads = {}, {}
        self.calls, self.marks, self.exceptions, self.counters = [], [], [], []
        self.tasks, self.collections = [], []

    def call(self, function):
        """The only call of a function of ours. A forked child begins with what was open
        in its parent: such copies begin later, in other processes."""
        found = [c for c in self.calls if c.name.startswith(f"{function} (")]
        assert found and len({c.process for c in found}) == len(found), (function, found)
        return min(found, key=lambda call: call.began)

    def settle(self):
        """Times from the first on; in an order that does not depend on the format."""
        first = min(c.began for c in self.calls)
        self.calls = sorted(c._replace(began=c.began - first, ended=c.ended - first)
                            for c in self.calls)
        for kept in self.marks, self.exceptions, self.counters, self.tasks, self.collections:
            kept.sort()
        return self


def notes_of(args):
    return tuple(sorted(key for key in args if key in ("end not seen", "left by exception")))


def read_chrome(text):
    trace, document, open_tasks = Trace(), json.loads(text), {}
    assert document["displayTimeUnit"] == "ns"
    for e in document["traceEvents"]:
        at, args = round(e.get("ts", 0) * 1000), e.get("args", {})
        kind = (e["ph"], e.get("cat"))
        if e["ph"] == "M":
            if e["name"] == "process_name":
                trace.processes[e["pid"]] = args["name"]
            elif e["name"] == "thread_name":
                trace.threads[e["pid"], e["tid"]] = args["name"]
        elif kind in (("X", "py"), ("X", "c")):
            trace.calls.append(Call(e["pid"], e["tid"], e["name"], at,
                                    at + round(e["dur"] * 1000), notes_of(args)))
        elif kind == ("X", "gc"):
            trace.collections.append((e["pid"], args["what"], args["result"]))
        elif kind == ("i", "mark"):
            trace.marks.append((e["pid"], e["name"]))
        elif kind == ("i", "exception"):
            trace.exceptions.append((e["pid"], e["name"], args["exception"]))
        elif e["ph"] == "C":
            trace.counters.append((e["pid"], e["name"], args["value"]))
        elif kind == ("b", "task"):
            open_tasks[e["pid"], e["id"]] = e["name"]
        elif kind == ("e", "task"):
            trace.tasks.append((e["pid"], open_tasks.pop((e["pid"], e["id"]))))
        else:
            raise AssertionError(e)
    assert not open_tasks
    return trace.settle()


def read_perfetto(data):
    trace, stacks = Trace(), collections.defaultdict(list)
    source = PerfettoTrace(data)
    for track in source.tracks.values():
        if track["process"]:
            trace.processes[track["process"][1]] = track["process"][6].decode()
        if track["thread"]:
            thread = track["thread"]
            trace.threads[thread[1], thread[2]] = thread[5].decode()
    for e in source.events:
        track = source.tracks[e["track"]]
        up = source.tracks.get(track["parent"], track)
        thread = track["thread"] or up["thread"]
        pid = thread[1] if thread else up["process"][1]
        notes = {n[10].decode(): n.get(6, n.get(9, b"")).decode() if 2 not in n else True
                 for n in e["notes"]}
        if e["type"] == 1:
            stacks[e["track"]].append({**e, "notes": notes})
        elif e["type"] == 2:
            begun = stacks[e["track"]].pop()
            if begun["category"] in ("py", "c"):
                trace.calls.append(Call(pid, thread[2], begun["name"], begun["at"], e["at"],
                                        notes_of(notes)))
            elif begun["category"] == "gc":
                trace.collections.append((pid, begun["notes"]["what"], notes["result"]))
            else:
                assert begun["category"] == "task" and track["name"] == "tasks"
                trace.tasks.append((pid, begun["name"]))
        elif e["type"] == 3 and e["category"] == "mark":
            trace.marks.append((pid, e["name"]))
        elif e["type"] == 3:
            trace.exceptions.append((pid, e["name"], notes["exception"]))
        else:
            assert e["type"] == 4 and track["counter"]
            trace.counters.append((pid, track["name"], e["value"]))
    assert not any(stacks.values())  # each slice was ended
    return trace.settle()


_runs = {}  # by interpreter: one run for all tests


@pytest.fixture
def traced(python, bin_dir, tmp_path_factory):
    """A project with stored traces: ids by case; the run's scratch folder."""
    if python not in _runs:
        project = make_project(tmp_path_factory.mktemp("trace"), bin_dir, python).add("trace")
        project.scratch = project.path.parent / "scratch"
        project.scratch.mkdir()
        project.outcome = project.run_json(
            "--timeout", "3s", "trace/lives.py", "tracer",
            env={"TMPDIR": str(project.scratch)})
        _runs[python] = project
        project.ids = {r["case"].rpartition("profile_")[2]: r["id"]
                       for r in project.outcome.json["results"]}
        project.kept = {}
    return _runs[python]


def export(project, case, format, *options):
    """The bytes of an export, once for each."""
    key = (case, format, *options)
    if key not in project.kept:
        target = project.path / f"{case}.{format}"
        done = project.run("pyprofiler", "export", project.ids[case], "--format", format,
                           "-f", "-o", target, *options)
        assert done.code == 0, done
        project.kept[key] = target.read_bytes()
    return project.kept[key]


READERS = {"chrometrace": read_chrome, "perfetto": read_perfetto}


@pytest.fixture(params=READERS)
def trace_of(request, traced):
    return lambda case: READERS[request.param](export(traced, case, request.param))


def test_statuses(traced):
    assert traced.outcome.statuses == {
        "Lives::profile_threads": "ok", "Lives::profile_children": "ok",
        "Lives::profile_aborts": "crashed", "Lives::profile_endless": "timeout"}
    assert traced.outcome.code == 1


def test_nothing_is_left_behind(traced):
    assert list(traced.scratch.iterdir()) == []


@pytest.mark.parametrize("case", ["threads", "children", "aborts", "endless"])
def test_formats_agree(traced, case):
    chrome = read_chrome(export(traced, case, "chrometrace"))
    perfetto = read_perfetto(export(traced, case, "perfetto"))
    assert chrome.calls == perfetto.calls and len(chrome.calls) > 2
    assert vars(chrome) == vars(perfetto)


def test_threads(trace_of):
    trace = trace_of("threads")
    (pid,) = trace.processes
    assert trace.processes[pid] == CASE + "threads"
    names = {name: tid for (_, tid), name in trace.threads.items()}
    assert {"MainThread", "worker-a", "worker-b"} <= set(names)
    for name in "worker-a", "worker-b":
        ours = [c for c in trace.calls if c.thread == names[name]]
        assert [c.name.startswith("in_thread (") for c in ours].count(True) == 3
        assert [c.name.startswith("thread_body (") for c in ours].count(True) == 1
    assert len({c.thread for c in trace.calls if c.name.startswith("in_thread (")}) == 2


def test_calls_are_nested(trace_of):
    trace = trace_of("threads")
    assert all(c.began <= c.ended for c in trace.calls)
    outer, inner = trace.call("catches"), trace.call("fails")
    assert outer.began <= inner.began <= inner.ended <= outer.ended
    assert inner.notes == ("left by exception",) and outer.notes == ()
    case = trace.call("Lives.profile_threads")
    main = [c for c in trace.calls if c.thread == case.thread]
    main.sort(key=lambda c: (c.began, -c.ended))
    for a, b in zip(main, main[1:]):
        assert b.began >= a.ended or b.ended <= a.ended, (a, b)
    assert sum(case.began <= c.began and c.ended <= case.ended for c in main) > 10


def test_moments_and_curves(trace_of):
    trace = trace_of("threads")
    (pid,) = trace.processes
    assert trace.marks == [(pid, "half way")]
    assert trace.counters == [(pid, "height", v) for v in (-1, 1.5, 2.5)]
    assert (pid, "ValueError", "ValueError: wrong value") in trace.exceptions
    assert any("2" in what for _, what, _ in trace.collections)  # gc.collect(): all


def test_tasks(trace_of):
    trace = trace_of("threads")
    names = collections.Counter(name for _, name in trace.tasks)
    assert names["first"] == names["second"] == 2  # both sleep once


def test_children(trace_of):
    trace = trace_of("children")
    mine = trace.call("waits_for_fork").process
    assert trace.processes[mine] == CASE + "children"
    assert all(name == f"child {pid}" for pid, name in trace.processes.items()
               if pid != mine)
    for child, parent in CHILDREN.items():
        inner, outer = trace.call(child), trace.call(parent)
        assert inner.process != outer.process and inner.process in trace.processes
        assert outer.began <= inner.began <= inner.ended <= outer.ended, child
    assert trace.call("waits_for_grandchild").process == trace.call("in_program").process
    assert len({trace.call(child).process for child in CHILDREN}) == 5


def test_killed_child(trace_of):
    """What it recorded is there; what it did not end ends with it."""
    trace = trace_of("children")
    assert trace.call("in_killed").notes == ()
    killed = trace.call("killed_body")
    assert killed.notes == ("end not seen",)
    assert killed.ended >= trace.call("in_killed").ended


@pytest.mark.parametrize("case, open_call", [("aborts", "is_left_open"),
                                             ("endless", "never_returns")])
def test_cut_off(trace_of, case, open_call):
    trace = trace_of(case)
    assert trace.call("in_thread").notes == ()
    for function in open_call, f"Lives.profile_{case}":
        assert trace.call(function).notes == ("end not seen",)
    assert trace.call(open_call).ended == trace.call(f"Lives.profile_{case}").ended


def test_latest(each):
    """A case that crashed is exported as any other."""
    each.add("trace")
    assert each.run(CASE + "aborts", "tracer").code == 1
    done = each.run("pyprofiler", "export", "latest", "--format", "chrometrace", "-o", "-")
    assert done.code == 0, done
    assert read_chrome(done.out).call("is_left_open").notes == ("end not seen",)


def test_other_data(traced):
    other = json.loads(export(traced, "threads", "chrometrace"))["otherData"]
    assert other["cases"] == [CASE + "threads"] and other["lost"] == 0
    assert other["exporter"].startswith("pyprofiler@")


@pytest.mark.parametrize("case", ["threads", "children", "aborts"])
def test_speedscope(traced, case):
    """Each thread is a profile of its own whose calls open and close."""
    document = json.loads(export(traced, case, "speedscope"))
    trace = read_chrome(export(traced, case, "chrometrace"))
    frames = [f["name"] for f in document["shared"]["frames"]]
    count = collections.Counter()
    for profile in document["profiles"]:
        assert profile["type"] == "evented" and profile["unit"] == "nanoseconds"
        stack, last = [], profile["startValue"]
        for event in profile["events"]:
            assert last <= event["at"] <= profile["endValue"]
            last = event["at"]
            if event["type"] == "O":
                stack.append(event["frame"])
                count[frames[event["frame"]]] += 1
            else:
                assert stack.pop() == event["frame"]
        assert stack == []
    assert sum(count.values()) == len(trace.calls)
    assert len(document["profiles"]) == len({(c.process, c.thread) for c in trace.calls})
    names = [p["name"] for p in document["profiles"]]
    assert names[0] == f"{CASE}{case}, MainThread"
    if case == "threads":
        assert f"{CASE}threads, worker-a" in names


def test_collapsed(traced):
    stacks = {}
    for line in export(traced, "threads", "collapsed").decode().splitlines():
        stack, _, weight = line.rpartition(" ")
        assert int(weight) > 0
        stacks[stack] = [re.sub(r"^.*:", "", frame) for frame in stack.split(";")]
    text = "\n".join(stacks)
    assert re.search(r"profile_threads[^\n]*;[^\n]*catches[^\n]*;[^\n]*fails", text)
    assert re.search(r"thread_body[^\n]*;[^\n]*in_thread", text)


def test_text(traced):
    text = export(traced, "threads", "text", "--top-k", "0").decode()
    assert re.search(r"^ +6 .*\(in_thread\)$", text, re.M)
    assert re.search(r"^ +1 .*\(fails\)$", text, re.M)
    text = export(traced, "children", "text", "--top-k", "0").decode()
    for child in CHILDREN:
        assert re.search(rf"^ +1 .*\({child}\)$", text, re.M), child


def test_in_the_run(each):
    """The report of a run, the file of the option and a later export are the same."""
    each.add("trace")
    done = each.run("--format", "chrometrace", "-o", "report.json", CASE + "threads",
                    "tracer", "--output-file", "option.json")
    assert done.code == 0, done
    done = each.run("pyprofiler", "export", "latest", "-o", "later.trace.json")
    assert done.code == 0, done
    report, option, later = ((each.path / name).read_bytes() for name in
                             ("report.json", "option.json", "later.trace.json"))
    assert option == later and report == later


def test_cases_on_one_time_line(project):
    """Cases of one run follow each other in the report."""
    project.add("trace")
    project.write("trace/two.py", "from pyprofiler import ProfilerCase\n\n\n"
                  "def one():\n    pass\n\n\ndef two():\n    pass\n\n\n"
                  "class Two(ProfilerCase):\n    def profile_1(self):\n        one()\n\n"
                  "    def profile_2(self):\n        two()\n")
    for format, read in READERS.items():
        done = project.run("--format", format, "-o", format, "trace/two.py", "tracer")
        assert done.code == 0, done
        trace = read((project.path / format).read_bytes())
        assert sorted(trace.processes.values()) == [
            "trace/two.py::Two::profile_1", "trace/two.py::Two::profile_2"]
        assert trace.call("one").ended < trace.call("two").began


def test_big_recording(project):
    """It is kept in a file beside the database, and read from there in pieces."""
    project.add("trace")
    scratch = project.path / "scratch"
    scratch.mkdir()
    env = {"TMPDIR": str(scratch)}
    done = project.run("trace/many.py", "tracer", "--output-file", "run.json", env=env)
    assert done.code == 0, done
    (kept,) = (project.path / ".pyprofiler" / "recordings").iterdir()
    assert kept.suffix == ".zst" and kept.stat().st_size > 0
    done = project.run("pyprofiler", "export", "latest", "--format", "chrometrace", "-o",
                       "later.json", env=env)
    assert done.code == 0, done
    run, later = project.path / "run.json", project.path / "later.json"
    assert filecmp.cmp(run, later, shallow=False)
    with open(later, "rb") as lines:
        assert sum(b'"name":"called (' in line for line in lines) == 1_000_000
    for big in run, later:
        big.unlink()
    shown = project.run("pyprofiler", "show", "latest", env=env)
    assert shown.code == 0 and re.search(r"^ *1000000 .*\(called\)$", shown.out, re.M), shown
    assert list(scratch.iterdir()) == []
    kept.unlink()
    gone = project.run("pyprofiler", "export", "latest", "--format", "chrometrace", "-o",
                       "later.json", env=env)
    assert gone.code != 0 and os.path.basename(kept) in gone.err, gone
    assert not later.exists() and list(scratch.iterdir()) == []
