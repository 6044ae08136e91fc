"""Every format against the program it is made for. Debian has pstats, callgrind_annotate
(valgrind) and dot (graphviz); gprof2dot (PyPI) and speedscope (npm) are used where they
are installed, or where PRF_GPROF2DOT and PRF_SPEEDSCOPE (the package's folder) say."""

import functools
import json
import os
import pathlib
import pstats
import re
import shutil
import subprocess
import xml.etree.ElementTree

import pytest

from conftest import make_project, PYTHONS

HERE = pathlib.Path(__file__).parent
CASE = '''
from pyprofiler import ProfilerCase

NAMES = ["größe", "名前", 'a"b', "<b>&amp;</b>", "x\\ny", "back\\\\slash\\\\N", "q'}{|;",
         "&lt;", "\\x1b[31mred", "]]>", "--", "%s%n", "\U0001F600"]


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def work():
    return sum(range(300))


def hostile(name, file):
    def function():
        return work()
    function.__code__ = function.__code__.replace(
        co_name=name, co_qualname=name, co_filename=file)
    return function


FUNCTIONS = [hostile(name, f'/x/we"ird <&>\\n{i % 3}/m\\\\{i % 2}.py')
             for i, name in enumerate(NAMES)]


class Names(ProfilerCase):
    def profile_fib(self):
        fib(10)

    def profile_hostile(self):
        for function in FUNCTIONS:
            function()
'''
CASES = ["fib", "hostile"]
SHOWN = ["größe", "名前", 'a"b', "<b>&amp;</b>", "x\\ny", "back\\slash\\N", "q'}{|;", "&lt;",
         "\\x1b[31mred", "]]>", "--", "%s%n", "\U0001F600"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory, bin_dir):
    """A project with stored results: {(case, profiler): id}."""
    project = make_project(tmp_path_factory.mktemp("consumers"), bin_dir, next(iter(PYTHONS)))
    project.write("names.py", CASE)
    project.ids = {}
    for profiler in "call", "callgraph":
        outcome = project.run_json("names.py", profiler)
        assert outcome.code == 0, outcome
        for result in outcome.json["results"]:
            case = result["case"].rpartition("profile_")[2]
            project.ids[case, profiler] = result["id"]
    return project


@pytest.fixture(params=CASES)
def case(request):
    return request.param


@pytest.fixture
def export(measured, tmp_path):
    def export(case, name, profiler="call", *options, format=None):
        target = tmp_path / name
        outcome = measured.run(
            "pyprofiler", "export", measured.ids[case, profiler], "-o", target,
            *(["--format", format] if format else []), *options)
        assert outcome.code == 0 and outcome.out == "", outcome
        assert outcome.err == f"written: {target}\n"  # Graphviz says nothing of its own
        return target
    return export


def consume(*command, **how):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=60, **how)
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    return done


def needs(program):
    found = shutil.which(program)
    if not found:
        pytest.skip(f"'{program}' is not installed")
    return found


# --- text formats of other profilers ---

def test_pstats(export, case, capsys):
    stats = pstats.Stats(str(export(case, "calls.pstats", format="pstats")))
    stats.strip_dirs().sort_stats("cumulative").print_stats()
    stats.print_callers()
    stats.print_callees()
    printed = capsys.readouterr().out
    assert "function calls" in printed
    if case == "fib":
        assert re.search(r"177/1 .*names\.py:\d+\(fib\)", printed)
        key = [k for k in stats.stats if k[2] == "fib"][0]
        callers = {k[2]: v[:2] for k, v in stats.stats[key][4].items()}
        assert callers["profile_fib"] == (1, 1) and callers["fib"][0] == 176
    else:
        assert {k[2] for k in stats.stats} >= {"größe", 'a"b', "<b>&amp;</b>"}


@functools.cache
def gprof2dot():
    return os.environ.get("PRF_GPROF2DOT") or needs("gprof2dot")


@pytest.mark.parametrize("format, name", [("pstats", "pstats"), ("callgrind", "callgrind"),
                                          ("collapsed", "collapse")])
def test_gprof2dot(export, case, tmp_path, format, name):
    program = gprof2dot()
    dot = tmp_path / "graph.dot"
    consume(program, "-n0", "-e0", "-f", name, "-o", dot, export(case, "x", format=format))
    text = dot.read_text(encoding="utf-8")
    assert ("177×" in text if case == "fib" and format != "collapsed" else "größe" in text
            or "fib" in text)
    if shutil.which("dot"):
        consume("dot", "-Tsvg", "-o", tmp_path / "graph.svg", dot)


def test_callgrind_annotate(export, case):
    program = needs("callgrind_annotate")
    file = export(case, "callgrind.out", format="callgrind")
    done = consume(program, "--threshold=100", "--tree=both", file)
    assert "fib" in done.stdout if case == "fib" else "größe" in done.stdout
    assert "100.0%" in done.stdout and done.stderr == ""


def test_collapsed_grammar(export, case):
    """What flamegraph.pl takes: frames without ';', a blank, a whole number."""
    lines = export(case, "x.collapsed").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == "" and lines
    for line in lines:
        stack, _, count = line.rpartition(" ")
        assert re.fullmatch(r"[1-9]\d*", count), line
        assert all(stack.split(";")) and not re.search(r"[\x00-\x1f\x7f]", stack), line
    # the one at the root is the case's own function
    assert {line.split(";")[0].split(":")[-1].split(" ")[0] for line in lines} == {
        f"Names.profile_{case}"}


def test_flamegraph_is_a_picture(export, case):
    """Well-formed whatever the names are; each box under the one that it stands on."""
    svg = "{http://www.w3.org/2000/svg}"
    root = xml.etree.ElementTree.fromstring(export(case, "x.flame.svg").read_bytes())
    rows = {}
    for box in root.iter(f"{svg}g"):
        x, y, width = (float(box.find(f"{svg}rect").get(k)) for k in ("x", "y", "width"))
        rows.setdefault(y, []).append((x, x + width))
    assert rows[0] == [(0, 1000)] and sorted(rows) == [18 * i for i in range(len(rows))]
    for y in sorted(rows)[1:]:
        assert all(any(left - 0.02 <= x and end <= right + 0.02
                       for left, right in rows[y - 18]) for x, end in rows[y])
    titles = [title.text for title in root.iter(f"{svg}title")]
    assert titles[0].startswith("all\n")
    assert any(f"(Names.profile_{case})" in title for title in titles)


@functools.cache
def speedscope():
    """The folder of the npm package."""
    named = os.environ.get("PRF_SPEEDSCOPE")
    if not named:
        needs("node")
        root = subprocess.run([needs("npm"), "root", "-g"], capture_output=True, text=True)
        named = os.path.join(root.stdout.strip(), "speedscope")
        if not os.path.isdir(named):
            pytest.skip("speedscope (npm) is not installed")
    return named


@pytest.mark.parametrize("name", ["x.speedscope.json", "x.collapsed"])
def test_speedscope(export, case, name):
    folder = speedscope()
    format = "speedscope" if name.endswith("json") else "collapsed"
    file = export(case, name, format=format)
    read = json.loads(consume("node", HERE / "speedscope_import.js", folder, file).stdout)
    assert [profile["total"] > 0 for profile in read["profiles"]] == [True]
    frames = {name.rpartition(":")[2] for name in read["frames"]}
    assert "fib" in frames if case == "fib" else "größe" in frames
    top = [v for k, v in read["frames"].items() if k.endswith(f"profile_{case}")]
    assert top == [read["profiles"][0]["total"]]


# --- pictures ---

def labels_of(svg):
    """Text of each <text> of an SVG that must be well-formed."""
    root = xml.etree.ElementTree.parse(svg).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("profiler", ["call", "callgraph"])
def test_dot_takes_our_dot(export, case, tmp_path, profiler):
    program = needs("dot")
    source = export(case, "graph.dot", profiler, "--min-percent", "0")
    svg = tmp_path / "graph.svg"
    done = consume(program, "-Tsvg", "-o", svg, source)
    assert "rror" not in done.stderr
    labels = labels_of(svg)
    if case == "fib":
        assert {"fib", "177/1 calls", "Names.profile_fib", "names"} <= set(labels)
    else:
        assert set(SHOWN) <= set(labels)


def test_same_bytes_for_the_same_result(export):
    first = export("hostile", "1.dot").read_bytes()
    assert export("hostile", "2.dot").read_bytes() == first


@pytest.mark.parametrize("profiler", ["call", "callgraph"])
def test_svg(export, case, profiler):
    labels = labels_of(export(case, "graph.svg", profiler, "--min-percent", "0"))
    wanted = {"fib", "177/1 calls"} if case == "fib" else set(SHOWN)
    assert wanted <= set(labels)
    assert f"names.py::Names::profile_{case}" in labels
    assert any(label.startswith(f"{profiler}: ") for label in labels)


def test_png(export, case):
    data = export(case, "graph.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n") and data.endswith(b"IEND\xaeB`\x82")
    width, height = (int.from_bytes(data[at:at + 4], "big") for at in (16, 20))
    assert width > 100 and height > 100


def test_pdf(export, case):
    data = export(case, "graph.pdf").read_bytes()
    assert data.startswith(b"%PDF-1.") and data.rstrip().endswith(b"%%EOF")


def labels_with(export, *options, case="hostile", profiler="callgraph"):
    return labels_of(export(case, "x.svg", profiler, "-f", *options))


def test_pruning_is_said(export):
    every = labels_with(export, "--min-percent", "0", "--top-k", "0")
    assert not [label for label in every if "not shown" in label and "count" not in label]
    some = labels_with(export, "--min-percent", "0", "--top-k", "3")
    assert "12 functions not shown: the 3 with the most time are" in some
    none = labels_with(export, "--min-percent", "100", "--top-k", "0")
    assert any(re.match(r"1[34] functions below 100 % not shown", label) for label in none)


def colors(file):
    return set(re.findall(r'fillcolor="(#\w+)"', file.read_text(encoding="utf-8")))


def test_look(export):
    def dot(*options):
        return export("fib", "x.dot", "callgraph", "-f", *options).read_text("utf-8")

    plain = dot()
    assert 'fontname="Verdana"' in plain and "fontsize=7]" in plain
    assert "fontsize=10;" in plain and " ms" in plain and "#fde725" in plain  # viridis at 1
    assert 'fontname="Some \\"Font"' in dot("--font", 'Some "Font')
    assert "fontsize=20]" in dot("--font-size", "20")
    assert "fontsize=21;" in dot("--group-font-size", "21")
    assert " us" in dot("--units", "us") and " ms" not in dot("--time-unit", "us")
    assert '"#800000"' in dot("--colormap", "jet")
    root = re.compile(r'label="Names.profile_fib.*fontcolor=(\w+)')
    assert root.search(dot("--comparator", "greater"))[1] == "white"
    assert root.search(dot("--comparator", "lower"))[1] == "black"
    assert root.search(plain)[1] == "black"  # on yellow
    own = dot("--color-by", "own")
    assert "own time, share" in own and own != plain


def test_look_as_it_was_measured(project):
    project.write("names.py", CASE)
    outcome = project.run("names.py::Names::profile_fib", "callgraph", "--colormap", "jet",
                          "--font_size", "9", "--group_font_size", "13", "--units", "s",
                          "--min_percent", "99", "--font", "Arial", "--comparator", "lower",
                          "--color_by", "own", "--max_depth", "1")
    assert outcome.code == 0, outcome
    assert "176 calls deeper than 1 count" in outcome.out
    text = project.run("pyprofiler", "export", "latest", "--format", "dot", "-o", "-").out
    for wanted in ('fontname="Arial"', "fontsize=9]", "fontsize=13;", " s (100.0 %)",
                   "1 function below 99 % not shown", "own time, share", "#800000",
                   "176 calls deeper than 1"):
        assert wanted in text, wanted
    again = project.run("pyprofiler", "export", "latest", "--format", "dot", "-o", "-",
                        "--min-percent", "0", "--font-size", "11").out
    assert "not shown" not in again and "fontsize=11]" in again and "Arial" in again


@pytest.mark.parametrize("option, value", [("--colormap", "mauve"), ("--min-percent", "-1"),
                                           ("--font-size", "0"), ("--comparator", "x")])
def test_bad_look(measured, option, value):
    outcome = measured.run("pyprofiler", "export", measured.ids["fib", "call"],
                           "--format", "dot", "-o", "-", option, value)
    assert outcome.code == 4 and option in outcome.err and outcome.out == ""


def test_without_calls(project):
    project.write("names.py", CASE)
    project.run("names.py::Names::profile_fib", "stopwatch", "--quick")
    for format in "dot", "png":
        outcome = project.run("pyprofiler", "export", "latest", "--format", format, "-o", "x")
        assert outcome.code == 4 and "sites, edges" in outcome.err, outcome
        assert not (project.path / "x").exists()


def test_without_graphviz(measured, tmp_path):
    """A library that cannot be loaded stands in for one that is not there."""
    (tmp_path / "libgvc.so.6").write_bytes(b"no library")
    for format in "svg", "png", "pdf":
        outcome = measured.run(
            "pyprofiler", "export", measured.ids["fib", "call"], "--format", format,
            "-o", tmp_path / "x", env={"LD_LIBRARY_PATH": str(tmp_path)})
        assert outcome.code == 4 and "apt-get install libgvc6" in outcome.err, outcome
        assert "libgvc.so.6" in outcome.err and len(outcome.err.splitlines()) == 1
        assert not (tmp_path / "x").exists()


def test_graphviz_that_ends_the_process(measured, tmp_path):
    """It does so when it runs out of memory, and prints where it likes."""
    source, library = tmp_path / "gvc.c", tmp_path / "libgvc.so.6"
    source.write_text('#include <stdio.h>\n#include <stdlib.h>\n'
                      'void *gvContext(void) { puts("on stdout");\n'
                      ' fputs("Error: out of memory\\n", stderr); exit(1); }\n'
                      'void *agmemread(void) { return 0; }\n'
                      'int gvLayout(void) { return 0; }\nint gvRender(void) { return 0; }\n')
    consume(needs("cc"), "-shared", "-fPIC", "-o", library, source)
    how = {"env": {"LD_LIBRARY_PATH": str(tmp_path)}}
    words = ["pyprofiler", "export", measured.ids["fib", "call"], "--format", "svg", "-o", "-"]
    outcome = measured.run(*words, **how)
    assert outcome.out == "" and outcome.code != 0
    assert outcome.err.count("\n") == 1 and "cannot draw as svg: out of memory" in outcome.err
    source.write_text(source.read_text().replace("exit(1)", "abort()"))
    consume("cc", "-shared", "-fPIC", "-o", library, source)
    outcome = measured.run(*words, **how)
    assert "ended by signal 6" in outcome.err and outcome.out == ""
