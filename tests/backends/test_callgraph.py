"""What the callgraph leaves out, and that it is the call profiler otherwise."""

import importlib.machinery
import json
import os
import subprocess
import sys
import textwrap
import threading

import pytest

import prf_host
import truth_programs
from host_tools import by_name, edges, profile, raising_profile, sites

HERE = os.path.dirname(os.path.abspath(__file__))
ALL = {"include-stdlib": None}
PYTHON = {"ignore-c-function": None}


def names(recording):
    return {(caller[2], callee[2]) for caller, callee in edges(recording)}


def own(recording):
    return sum(row["own_ns"] for row in recording["sites"])


@pytest.mark.parametrize("program", truth_programs.PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("c", [False, True], ids=["python", "c"])
def test_all_of_it_is_what_call_counts(program, c):
    program()
    of_call = profile("call", program, {} if c else PYTHON)[1]
    whole = profile("callgraph", program,
                    ALL | ({"include-c-function": None} if c else {}))[1]
    assert sites(whole) == sites(of_call) and edges(whole) == edges(of_call)
    assert whole["notes"] == []


def leaf():
    return 1


def middle():
    return leaf() + leaf()


def through_the_library():
    return json.dumps({1}, default=lambda o: middle())


def test_library_counts_as_its_caller():
    hidden = profile("callgraph", through_the_library)[1]
    shown = profile("callgraph", through_the_library, ALL)[1]
    assert "dumps" in by_name(shown) and ("through_the_library", "dumps") in names(shown)
    assert by_name(hidden) == {"through_the_library": (1, 1), "<lambda>": (1, 1),
                               "middle": (1, 1), "leaf": (2, 2)}
    assert names(hidden) == {("through_the_library", "<lambda>"), ("<lambda>", "middle"),
                             ("middle", "leaf")}
    n = (sum(calls for _, calls in sites(shown).values())
         - sum(calls for _, calls in sites(hidden).values()))
    assert [note for note in hidden["notes"] if note.startswith(f"{n} calls of functions")]
    top = [row for row in hidden["sites"] if row["code"][2] == "through_the_library"][0]
    assert top["cumulative_ns"] == own(hidden)  # no time is lost


def test_frozen_library_is_library(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [importlib.machinery.PathFinder])  # no pytest

    def body():
        __import__("this_module_is_not_there")

    error, recording = raising_profile("callgraph", body)
    assert isinstance(error, ImportError) and set(by_name(recording)) == {"body"}
    _, recording = raising_profile("callgraph", body, ALL)
    assert "_find_and_load" in by_name(recording)


def test_packages_of_others_are_no_library(tmp_path):
    import sysconfig
    folder = os.path.join(sysconfig.get_path("stdlib"), "site-packages", "other.py")
    code = compile("def f(): pass\nf()", folder, "exec")
    _, recording = profile("callgraph", lambda: exec(code, {}))
    assert "f" in by_name(recording)
    code = compile("def f(): pass\nf()", folder.replace("site-packages", "logging"), "exec")
    _, recording = profile("callgraph", lambda: exec(code, {}))
    assert "f" not in by_name(recording)


def test_c_functions_of_the_library_go_with_it():
    """Those that our functions call stay, those of hidden functions do not."""
    def body():
        len("x")
        json.dumps([1])

    names_of = by_name(profile("callgraph", body, {"include-c-function": None})[1])
    assert "<built-in method builtins.len>" in names_of
    assert not [name for name in names_of if "isinstance" in name or "join" in name]


@pytest.mark.parametrize("options, kept", [
    ({"include": "test_callgraph.middle,test_callgraph.leaf"}, {"middle", "leaf"}),
    ({"include": "*.middle"}, {"middle"}),
    ({"exclude": "test_callgraph.m*"}, {"calls_middle", "leaf"}),
    ({"include": "test_callgraph.*", "exclude": "*leaf"}, {"calls_middle", "middle"}),
    ({"include": "nothing.at.all"}, set()),
], ids=lambda v: ";".join(v) if isinstance(v, dict) else "")
def test_names(options, kept, monkeypatch):
    def calls_middle():
        middle()

    monkeypatch.syspath_prepend(HERE)
    _, recording = profile("callgraph", calls_middle, options)
    assert set(by_name(recording)) == kept
    if kept == {"calls_middle", "leaf"}:
        assert names(recording) == {("calls_middle", "leaf")}
        assert by_name(recording)["leaf"] == (2, 2)


def test_name_of_a_package(tmp_path, monkeypatch):
    for name in "pkg/__init__.py", "pkg/sub/mod.py":
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("def f(): pass\nclass C:\n def m(self): f()\n")
    monkeypatch.syspath_prepend(tmp_path)
    import pkg
    import pkg.sub.mod

    def body():
        pkg.C().m()
        pkg.sub.mod.C().m()

    def files(glob):
        _, recording = profile("callgraph", body, {"include": glob})
        return {(key[0][len(str(tmp_path)) + 1:], key[2]) for key in sites(recording)}

    assert files("pkg.C.m") == {("pkg/__init__.py", "m")}
    assert files("pkg.sub.mod.*") == {("pkg/sub/mod.py", "m"), ("pkg/sub/mod.py", "f")}


def deep(n):
    return n and 1 + deep(n - 1)


@pytest.mark.parametrize("option", ["max-depth", "max_depth"])
def test_depth(option):
    def body():
        middle()
        deep(9)

    at = {n: profile("callgraph", body, {option: str(n)})[1] for n in (0, 1, 2, -1)}
    assert by_name(at[0]) == {"body": (1, 1)}
    assert by_name(at[1]) == {"body": (1, 1), "middle": (1, 1), "deep": (1, 1)}
    assert by_name(at[2])["deep"] == (1, 2) and by_name(at[2])["leaf"] == (2, 2)
    assert by_name(at[-1])["deep"] == (1, 10) and at[-1]["notes"] == []
    assert at[0]["notes"] == ["13 calls deeper than 0 count as the function at that depth"]
    assert at[1]["notes"] == ["11 calls deeper than 1 count as the function at that depth"]
    assert own(at[0]) > 0


def test_depth_counts_what_is_shown():
    _, recording = profile("callgraph", through_the_library, {"max-depth": "2"})
    assert set(by_name(recording)) == {"through_the_library", "<lambda>", "middle"}
    assert len(recording["notes"]) == 2


def test_generators_coroutines_and_exceptions():
    import asyncio

    def numbers():
        yield leaf()
        yield leaf()

    async def inner():
        await asyncio.sleep(0)
        return leaf()

    def raises():
        raise ValueError(leaf())

    def body():
        list(numbers())
        asyncio.run(inner())
        try:
            raises()
        except ValueError:
            pass

    _, recording = profile("callgraph", body)
    counts = by_name(recording)
    assert counts["numbers"] == (3, 3) and counts["inner"] == (2, 2)
    assert counts["raises"] == (1, 1) and counts["leaf"] == (4, 4)
    assert ("body", "inner") in names(recording)


def test_threads():
    def work():
        truth_programs.fib(8)

    def body():
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    counts = by_name(profile("callgraph", body)[1])
    assert counts["fib"] == (3, 3 * 67) and counts["work"] == (3, 3)
    assert not {name for name in counts if name in ("run", "_bootstrap", "start", "join")}


def test_crash_keeps_the_calls_and_what_is_hidden(tmp_path):
    recording = tmp_path / "crash.rec"
    recording.touch()
    script = textwrap.dedent(f"""
        import os, json, prf_host, truth_programs
        def body():
            json.dumps([1, 2])
            truth_programs.fib(10)
            os.abort()
        prf_host.run("callgraph", body, {str(recording)!r}, {{"max-depth": "3"}})
    """)
    path = os.pathsep.join([os.path.dirname(prf_host.__file__), HERE])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True,
                          env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == -6
    read = prf_host.read(str(recording))
    assert set(by_name(read)) == {"body", "fib"} and by_name(read)["fib"] == (1, 7)
    assert read["notes"] and "deeper than 3" in read["notes"][1]


def test_full_tree_is_folded_too():
    whole = profile("callgraph", truth_programs.recursion, {"max-nodes": "5"} | ALL)[1]
    assert any("truncated" in note for note in whole["notes"])
    _, recording = profile("callgraph", truth_programs.recursion,
                           {"max-nodes": "5", "exclude": "*.fib"})
    assert "fib" not in by_name(recording)


@pytest.mark.parametrize("name, value", [
    ("units", "h"), ("max-depth", "deep"), ("min-percent", "101"), ("font-size", "0"),
    ("group-font-size", "x"), ("colormap", "mauve"), ("comparator", "equal"),
    ("color-by", "calls"), ("top-k", "-1"), ("max-nodes", "0")])
def test_bad_option(name, value):
    with pytest.raises(RuntimeError, match=name):
        profile("callgraph", leaf, {name: value})


@pytest.mark.parametrize("options", [
    {"include_stdlib": None}, {"font_size": "9"}, {"group_font_size": "12"},
    {"units": "us"}, {"font": "Arial"}, {"colormap": "jet"}, {"comparator": "lower"},
    {"folder": "/tmp"}, {"min_percent": "0"}, {"top_k": "0"}, {"color_by": "own"}],
    ids=lambda o: next(iter(o)))
def test_options_of_the_picture_change_no_count(options):
    assert by_name(profile("callgraph", middle, options)[1]) == {
        "middle": (1, 1), "leaf": (2, 2)}
