"""Files of a PerformanceProfiler: whole or as they were, and readable by anybody."""

import csv
import json
import math
import os
import pathlib
import resource
import signal
import stat

import pytest

from pyprofiler import _native

native = _native.load()

STRANGE = ["50 %s %n", "naïve 🔥", "a\nb\tc\x1b[31m", "lone \udcff", "n\0ul", 'quo"te, \\', ""]
WRITERS = ["export_to_json", "export_to_csv"]


@pytest.fixture
def p():
    p = native.create_profiler()
    with p.profile_block("outer", user=1, tags=["a", {"b": None}]):
        for name in STRANGE:
            with p.profile_block(name):
                sum(range(100))
    return p


def write_json(p, path):
    p.export_to_json(path)
    return json.loads(path.read_bytes())


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def test_json_has_everything(p, tmp_path):
    data = write_json(p, tmp_path / "report.json")
    assert data["schema"] == "pyprofiler/pieces/1"
    assert list(data) == ["schema", "created", "summary", "functions", "tree", "calls"]
    summary = p.get_summary()
    assert list(data["summary"]) == list(summary)
    assert all(close(data["summary"][key], summary[key]) for key in summary)
    stats = p.get_all_function_stats()
    assert [row["name"] for row in data["functions"]] == list(stats) == ["outer", *STRANGE]
    for row, s in zip(data["functions"], stats.values()):
        assert row["call_count"] == s.call_count and close(row["std_dev"], s.get_std_dev())
        for key in ("total_time", "own_time", "waiting_time", "min_time", "max_time"):
            assert close(row[key], getattr(s, key)), key
        for key, value in (("avg_time", s.get_avg_time()), ("median_time", s.get_median_time()),
                           ("p95_time", s.get_percentile(95)), ("p99_time", s.get_percentile(99))):
            assert close(row[key], value), key


def test_json_of_calls_and_tree(p, tmp_path):
    data = write_json(p, tmp_path / "report.json")
    nodes = {node["id"]: node for node in data["tree"]}

    def stack(node):
        names = []
        while node is not None:
            names.insert(0, nodes[node]["name"])
            node = nodes[node]["parent"]
        return tuple(names)

    calls = p.get_all_calls()
    assert len(data["calls"]) == len(calls) == 8
    for row, call in zip(data["calls"], calls):
        assert row["name"] == call.name and stack(row["node"]) == call.call_stack
        assert row["thread_id"] == call.thread_id
        for key in ("start_time", "end_time", "duration"):
            assert abs(row[key] - getattr(call, key)) <= 1e-9, key
        assert row.get("metadata", {}) == call.metadata
    outer = p.get_call_tree()["outer"]
    top = [node for node in data["tree"] if node["parent"] is None]
    assert [node["name"] for node in top] == ["outer"]
    assert top[0]["calls"] == 1 and close(top[0]["own_time"], outer["own_time"])
    assert close(top[0]["total_time"], outer["total_time"])


def test_json_of_metadata_that_json_does_not_know(tmp_path):
    class Broken:
        def __repr__(self):
            raise ValueError("no")

    class Named:
        def __repr__(self):
            return "Named 🔥\udcff"

    ring = []
    ring.append(ring)
    p = native.create_profiler()
    with p.profile_block("block", nan=float("nan"), ring=ring, broken=Broken(), named=Named(),
                         keys={(1, 2): 3}, **{"a \udcff \"": 1}, inside=[Named()]):
        pass
    (call,) = write_json(p, tmp_path / "x.json")["calls"]
    assert call["metadata"] == {
        "nan": "nan", "ring": "[[...]]", "broken": "<Broken>", "named": "Named 🔥\udcff",
        "keys": "{(1, 2): 3}", 'a \udcff "': 1, "inside": ["Named 🔥\udcff"]}


def test_metadata_that_stops_the_program_leaves_the_file(tmp_path):
    class Stop:
        def __repr__(self):
            raise KeyboardInterrupt

    p = native.create_profiler()
    with p.profile_block("block", stop=Stop()):
        pass
    path = tmp_path / "x.json"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        p.export_to_json(path)
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["x.json"]


def test_json_without_calls_and_without_anything(tmp_path):
    p = native.create_profiler(keep_calls=False)
    with p.profile_block("block", user=1):
        pass
    data = write_json(p, tmp_path / "x.json")
    assert data["calls"] is None and data["functions"][0]["call_count"] == 1
    assert data["tree"][0]["name"] == "block"
    data = write_json(native.create_profiler(), tmp_path / "x.json")
    assert data["calls"] == data["tree"] == data["functions"] == []


def test_json_of_a_deep_stack_can_be_read(tmp_path):
    import contextlib

    p = native.create_profiler()
    with contextlib.ExitStack() as stack:
        for i in range(3000):
            stack.enter_context(p.profile_block(f"level {i}"))
    data = write_json(p, tmp_path / "x.json")
    assert len(data["tree"]) == 3000 and len(data["calls"]) == 3000
    parents = [node["parent"] for node in data["tree"]]
    assert parents == [None, *(node["id"] for node in data["tree"][:-1])]


def test_csv(p, tmp_path):
    path = tmp_path / "report.csv"
    p.export_to_csv(path)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shown = [name.replace("\udcff", "\\udcff").replace("\0", "\\x00") for name in STRANGE]
    assert [row["name"] for row in rows] == ["outer", *shown]
    for row, s in zip(rows, p.get_all_function_stats().values()):
        assert int(row["call_count"]) == s.call_count
        for key in ("total_time", "own_time", "min_time", "max_time", "waiting_time"):
            assert close(float(row[key]), getattr(s, key)), key
        for key, value in (("avg_time", s.get_avg_time()), ("median_time", s.get_median_time()),
                           ("p95_time", s.get_percentile(95)), ("p99_time", s.get_percentile(99)),
                           ("std_dev", s.get_std_dev())):
            assert close(float(row[key]), value), key
    native.create_profiler().export_to_csv(path)
    assert path.read_bytes().count(b"\r\n") == 1


# whole or as it was


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path])
def test_names_of_files(p, write, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    getattr(p, write)(kind("naïve report"))
    getattr(p, write)(filename=kind(str(tmp_path / ("x" * 255))))
    assert sorted(os.listdir()) == ["naïve report", "x" * 255]
    assert all(os.path.getsize(name) > 100 for name in os.listdir())


@pytest.mark.parametrize("write", WRITERS)
def test_errors_name_the_file(p, write, tmp_path):
    method = getattr(p, write)
    missing = tmp_path / "missing" / "report"
    with pytest.raises(FileNotFoundError) as info:
        method(missing)
    assert info.value.filename == missing
    with pytest.raises(IsADirectoryError) as info:
        method(str(tmp_path))
    assert info.value.filename == str(tmp_path)
    with pytest.raises(TypeError):
        method(3)
    with pytest.raises(TypeError, match="misses the argument 'filename'"):
        method()
    with pytest.raises(ValueError, match="null"):
        method("a\0b")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("write", WRITERS)
def test_a_failure_leaves_the_report_that_was_there(p, write, tmp_path):
    path = tmp_path / "report"
    path.write_text("before")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    try:
        with pytest.raises(OSError) as info:
            getattr(p, write)(str(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert info.value.filename == str(path) and "large" in str(info.value)
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["report"]


@pytest.mark.parametrize("write", WRITERS)
def test_a_report_is_replaced_with_its_mode(p, write, tmp_path):
    path, link = tmp_path / "report", tmp_path / "link"
    path.write_text("before")
    path.chmod(0o640)
    link.symlink_to(path)
    getattr(p, write)(link)
    assert link.is_symlink() and path.stat().st_size > 100
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    umask = os.umask(0o027)
    try:
        getattr(p, write)(tmp_path / "new")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("write", WRITERS)
def test_what_is_no_file_is_written_to(p, write, tmp_path):
    with pytest.raises(OSError) as info:
        getattr(p, write)("/dev/full")
    assert info.value.filename == "/dev/full" and os.path.exists("/dev/full")
    getattr(p, write)("/dev/null")
    read, end = os.pipe()
    with open(read, "rb") as reader:
        getattr(p, write)(f"/dev/fd/{end}")
        os.close(end)
        assert b"outer" in reader.read()


def test_a_leftover_of_another_process_is_not_touched(p, tmp_path):
    leftover = tmp_path / f".pyprofiler-{os.getpid()}-0.tmp"
    leftover.write_text("mine")
    p.export_to_csv(tmp_path / "report.csv")
    assert leftover.read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == [leftover.name, "report.csv"]
