"""Flame graph, timeline and report of a PerformanceProfiler as texts."""

import contextlib
import io
import re
import sys

import pytest

from pyprofiler import _native

native = _native.load()

FRAME = re.compile(r"\[[^\[\]]*\]|\|")
STRANGE = ["50 %s %n", "naïve 🔥", "a\nb\tc\x1b[31m", "lone \udcff", "n\0ul", "\u202egnp.exe", ""]


def run(p, tree):
    """Blocks in blocks: a dict of name to a dict; a leaf is a number of turns of a loop."""
    for name, inside in tree.items():
        with p.profile_block(name):
            if isinstance(inside, dict):
                run(p, inside)
            else:
                sum(range(inside))


def profiled(tree, **options):
    p = native.create_profiler(**options)
    run(p, tree)
    return p


def rows(text):
    """Rows of the graph, each a list of (begin, end, label) in columns."""
    graph = text.split("\n\n")[1]
    return [[(m.start(), m.end(), m.group().strip("[]|─-. ")) for m in FRAME.finditer(line)]
            for line in graph.splitlines() if not line.startswith("(")]


@contextlib.contextmanager
def stdout(encoding):
    """sys.stdout of that encoding; what was written, decoded, is in .text after it."""
    class Written:
        text = ""

    raw, written, before = io.BytesIO(), Written(), sys.stdout
    sys.stdout = io.TextIOWrapper(raw, encoding=encoding, newline="")
    try:
        yield written
        sys.stdout.flush()
        written.text = raw.getvalue().decode(encoding)
    finally:
        stream, sys.stdout = sys.stdout, before
        stream.detach()


TREE = {
    "top": {
        "left": {"deep": 60_000, "deeper": 30_000},
        "middle": 50_000,
        "right": {"deep": 40_000},
    },
    "other": 50_000,
}


# flame graph


@pytest.mark.parametrize("width", [40, 80, 100, 333])
def test_frames_stand_under_those_that_called_them(width):
    text = profiled(TREE).generate_flame_graph_text(width)
    graph = rows(text)
    assert graph[0] == [(0, width, graph[0][0][2])] and graph[0][0][2].startswith("all 100.0%")
    for above, row in zip(graph, graph[1:]):
        assert row, text
        for begin, end, _ in row:
            assert any(b <= begin < end <= e for b, e, _ in above), text
        for (_, end, _), (begin, _, _) in zip(row, row[1:]):
            assert end <= begin, text


def test_what_the_frames_say():
    p = profiled(TREE)
    graph = rows(p.generate_flame_graph_text(4000))
    s = p.get_all_function_stats()
    whole = sum(each.own_time for each in s.values())

    def label(name, time, calls):
        return f"{name} {100 * time / whole:.1f}% {calls} call{'s' * (calls != 1)}"

    tree = p.get_call_tree()
    top = tree["top"]["children"]
    assert [len(row) for row in graph] == [1, 2, 3, 3]
    assert graph[0][0][2] == label("all", whole, 8)
    assert {frame[2] for frame in graph[1]} == {
        label("top", s["top"].total_time, 1), label("other", s["other"].total_time, 1)}
    assert {frame[2] for frame in graph[3]} == {
        label("deep", top["left"]["children"]["deep"]["total_time"], 1),
        label("deeper", s["deeper"].total_time, 1),
        label("deep", top["right"]["children"]["deep"]["total_time"], 1)}
    for begin, end, text in graph[1]:
        share = float(re.search(r"([\d.]+)%", text)[1]) / 100
        assert abs((end - begin) - 4000 * share) <= 4


def test_the_widest_frame_stands_left():
    p = profiled({"a": 2_000, "b": 400_000, "c": 100})
    first = rows(p.generate_flame_graph_text(200))[1][0]
    assert first[0] == 0 and first[2].startswith(p.get_hotspots(1)[0][0])


def test_names_that_do_not_fit_are_clipped():
    name = "first_" + "x" * 3000 + "_last"
    for ascii, gap in ((False, "…"), (True, "..")):
        text = profiled({name: 1000}).generate_flame_graph_text(40, ascii=ascii)
        (frame,) = rows(text)[1]
        assert frame[:2] == (0, 40)
        assert frame[2].startswith("first_") and frame[2].endswith("_last") and gap in frame[2]
        assert max(map(len, text.splitlines())) < 80


def test_frames_too_narrow_are_counted():
    p = profiled({"wide": 3_000_000, **{f"narrow {i}": 1 for i in range(30)}})
    text = p.generate_flame_graph_text(20)
    assert re.search(r"\(\d+ frames are narrower than a column\)", text)
    assert "and 21 more" in text


def test_depth():
    tree = 300_000
    for i in range(30, 0, -1):
        tree = {f"level {i}": tree}
    p = profiled(tree)
    text = p.generate_flame_graph_text(max_depth=5)
    assert "(25 frames are deeper than 5 levels)" in text
    assert "level 5" in text.split("Own time")[0] and "level 6" not in text.split("Own time")[0]
    for max_depth in (30, None, 64):
        text = p.generate_flame_graph_text(100, max_depth=max_depth)
        assert "deeper" not in text and len(rows(text)) == 31
    assert "(1 frame is deeper than 29 levels)" in p.generate_flame_graph_text(max_depth=29)


def test_bars_of_own_time():
    p = profiled(TREE)
    bars = p.generate_flame_graph_text(ascii=True).split("Own time\n")[1].splitlines()
    own = {name: s.own_time for name, s in p.get_all_function_stats().items()}
    assert [line.split()[0] for line in bars] == sorted(own, key=lambda name: -own[name])
    assert all(re.search(r"% \(2 calls\)$" if line.startswith("deep ") else r"% \(1 call\)$", line)
               for line in bars)
    assert bars[0].count("#") == max(line.count("#") for line in bars) > 0
    shares = [float(re.search(r"([\d.]+)%", line)[1]) for line in bars]
    assert abs(sum(shares) - 100) < 0.5


def test_waiting_is_left_out_and_said():
    import asyncio

    p = native.create_profiler()

    @p.profile_function
    async def waits():
        await asyncio.sleep(0.002)

    asyncio.run(waits())
    assert re.search(r"of running time, \d.* of waiting left out\n", p.generate_flame_graph_text())
    assert "waiting" not in profiled(TREE).generate_flame_graph_text()


@pytest.mark.parametrize("arguments, error, text", [
    ({"width": 19}, ValueError, "width must be at least 20, not 19"),
    ({"width": 10_001}, ValueError, "width must be at most 10000, not 10001"),
    ({"width": None}, ValueError, "width must be at most 10000, not None"),
    ({"width": "80"}, TypeError, "width must be an int or None, not str"),
    ({"max_depth": 0}, ValueError, "max_depth must be at least 1, not 0"),
    ({"ascii": 1}, TypeError, "ascii must be a bool or None, not int"),
    ({"height": 1}, TypeError, "unexpected keyword argument 'height'"),
])
def test_wrong_arguments_of_the_flame_graph(arguments, error, text):
    with pytest.raises(error, match=text):
        profiled(TREE).generate_flame_graph_text(**arguments)


# timeline


def test_timeline_has_a_bar_for_each_call_in_order():
    text = profiled(TREE).generate_timeline_text(ascii=True)
    head, table = text.split("\n\n")
    assert head.startswith("Execution Timeline\n8 calls over ")
    lines = table.splitlines()[2:]
    assert [re.match(r" *\S+", line)[0] for line in lines] == [
        "top", "  left", "    deep", "    deeper", "  middle", "  right", "    deep", "other"]
    bars = [line.split("|")[1] for line in lines]
    assert {len(line) for line in lines} == {80} and all("#" in bar for bar in bars)
    begins = [bar.index("#") for bar in bars]
    assert begins == sorted(begins) and begins[0] == 0
    assert bars[-1].rstrip().endswith("#") and len(bars[-1].rstrip()) == len(bars[-1])


def test_timeline_of_the_longest_calls():
    p = native.create_profiler()
    for i in range(60):
        run(p, {f"call {i}": 40_000 if i % 20 == 7 else 10})
    text = p.generate_timeline_text(3)
    assert "the 3 longest of 60 calls, over " in text
    longest = [name for name, _ in p.get_slowest_calls(3)]
    shown = re.findall(r"call \d+(?= )", text.split("\n\n")[1])
    assert shown == [call.name for call in p.get_all_calls() if call.name in longest]
    assert "the 50 longest of 60 calls" in p.generate_timeline_text()
    assert "\n60 calls over " in p.generate_timeline_text(limit=None)
    assert "no call was asked for" in p.generate_timeline_text(0)


def test_timeline_width():
    p = profiled(TREE)
    for width in (60, 133):
        lines = p.generate_timeline_text(width=width).splitlines()[5:]
        assert {len(line) for line in lines} == {width}
    for width in (59, 10_001, None):
        with pytest.raises(ValueError, match="width must be at"):
            p.generate_timeline_text(width=width)
    with pytest.raises(TypeError, match="ascii must be a bool"):
        p.generate_timeline_text(ascii="yes")


# characters


def drawn(p):
    return p.generate_flame_graph_text(200), p.generate_timeline_text()


def test_only_what_stdout_can_show():
    p = profiled({name: 1000 for name in STRANGE})
    with stdout("utf-8"):
        assert all(re.search("[─█]", text) for text in drawn(p))
    for encoding in ("ascii", "latin-1"):
        with stdout(encoding):
            assert all(text.isascii() for text in drawn(p)), encoding
    assert all(text.isascii() for text in (p.generate_flame_graph_text(ascii=True),
                                           p.generate_timeline_text(ascii=True)))
    with stdout("ascii"):
        assert "█" in p.generate_timeline_text(ascii=False)


@pytest.mark.parametrize("broken", [None, object(), io.StringIO()])
def test_a_stdout_without_an_encoding(broken, monkeypatch):
    monkeypatch.setattr(sys, "stdout", broken)
    assert "─" in profiled(TREE).generate_flame_graph_text()


def test_names_cannot_harm_a_terminal():
    p = profiled({name: 1000 for name in STRANGE})
    out = io.StringIO()
    p.print_report(file=out)
    for text in (*drawn(p), out.getvalue()):
        text.encode("utf-8")  # no lone surrogate
        assert "50 %s %n" in text and "naïve 🔥" in text
        assert "a\\nb\\tc\\x1b[31m" in text and "lone \\udcff" in text and "n\\x00ul" in text
        assert "\\u202egnp.exe" in text
        assert text.isprintable() or set(c for c in text if not c.isprintable()) == {"\n"}


# print_report


def test_report():
    p = profiled(TREE)
    out = io.StringIO()
    assert p.print_report(file=out) is None
    text = out.getvalue()
    summary, table, slowest = re.split(r"\n\n(?=Function|Slowest)", text)
    assert re.search(r"^  functions +7$", summary, re.M)
    assert re.search(r"^  calls +8$", summary, re.M)
    names = [line.split()[0] for line in table.splitlines()[2:]]
    assert names == [name for name, _, _ in p.get_hotspots()]
    assert [line.split()[0] for line in slowest.splitlines()[1:]] == [
        name for name, _ in p.get_slowest_calls(5)]


def test_report_of_the_first_functions():
    p = profiled({f"f{i}": 100 for i in range(25)})
    for given, shown in (((), 10), ((3,), 3), ((0,), 0), ((None,), 25)):
        out = io.StringIO()
        p.print_report(*given, file=out)
        table = out.getvalue().split("Function ")[1].split("\n\n")[0]
        assert len(re.findall(r"^f\d+ ", table, re.M)) == shown
        assert (f"and {25 - shown} more" in table) == (shown < 25)
    with pytest.raises(ValueError, match="top_n must be at least 0, not -1"):
        p.print_report(top_n=-1)


def test_report_goes_to_stdout_as_it_is_now(capsys):
    profiled(TREE).print_report()
    assert capsys.readouterr().out.startswith("Performance Report\n")


def test_report_into_an_ascii_stream():
    p = profiled({"naïve": 1000})
    with stdout("ascii") as written:
        p.print_report()
    assert "na\\xefve" in written.text and written.text.isascii()


def test_report_without_a_stdout(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert profiled(TREE).print_report() is None


def test_report_into_a_file_that_fails():
    class Full:
        def write(self, text):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        profiled(TREE).print_report(file=Full())
    with pytest.raises(AttributeError, match="write"):
        profiled(TREE).print_report(file=3)


def test_report_of_nothing_and_of_what_was_not_kept():
    out = io.StringIO()
    native.create_profiler().print_report(file=out)
    assert "functions                 0" in out.getvalue() and "Function " not in out.getvalue()
    for options, shown in (({"keep_calls": False}, False), ({"max_calls": 2}, True)):
        out = io.StringIO()
        profiled(TREE, **options).print_report(file=out)
        assert ("calls not kept" in out.getvalue()) == shown
        assert ("Slowest calls" in out.getvalue()) == shown
