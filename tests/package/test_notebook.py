"""The magics of IPython. What reads their line, and the flame graph, are tested in each
Python; the rest where IPython is installed."""

import base64
import importlib.util
import json
import os
import re
import xml.etree.ElementTree as xml

import pytest

import pyprofiler
from pyprofiler import _flame, _native, _notebook_line
from pyprofiler._notebook_line import Request, Wrong, split

SVG = "{http://www.w3.org/2000/svg}"

needs_ipython = pytest.mark.skipif(
    importlib.util.find_spec("IPython") is None, reason="no IPython in this Python"
)


@pytest.fixture(scope="module")
def profilers():
    return json.loads(_native.load().describe())


# ---- the line ----


@pytest.mark.parametrize("line, profiler, options", [
    ("", "call", {}),
    ("cprofile --top-k 3 --sort=calls", "call", {"top-k": "3", "sort": "calls"}),
    ("call --top_k 3 --top_k 5", "call", {"top-k": "5"}),
    ("call --strip", "call", {"strip-dirs": "true"}),
    ("call --strip-dirs --no-strip-dirs", "call", {"strip-dirs": "false"}),
    ("line --functions f,m:g --functions='h*'", "line",
     {"functions": ["__main__:f,m:g", "__main__:h*"]}),
    ("memory-time -T 0.5 -C", "memory-time", {"interval": "0.5", "include-children": "true"}),
    ("memory-time -CT0.5", "memory-time", {"interval": "0.5", "include-children": "true"}),
])
def test_line_is_read_as_the_command_line_is(profilers, line, profiler, options):
    request = Request(split(line), profilers)
    assert (request.profiler["name"], request.options) == (profiler, options)
    assert request.variable == "_profile"


@pytest.mark.parametrize("line, says", [
    ("cal", "there is no profiler 'cal', did you mean 'call'?"),
    ("call --topk 3", "unknown option '--topk', did you mean '--top-k'?"),
    ("call --zzz", "unknown option '--zzz'; see --help"),
    ("call -Z", "unknown option '-Z'; see --help"),
    ("call --top-k", "--top-k needs a value"),
    ("memory-time --in 3", "'--in' can be '--in"),
    ("call word", "unexpected word 'word'; a statement is put after ' -- '"),
    ("-x call", "'-x' is not -r NAME; a profiler's options follow its name"),
    ("-r 1a call", "-r: '1a' is no name of a variable"),
    ("call 'open", "No closing quotation"),
    ("stopwatch --rounds 3", "--rounds: a cell runs once"),
    ("callgraph --folder x", "--folder is for files of a run"),
    ("instructions", "run"),
])
def test_what_is_wrong_is_told(profilers, line, says):
    with pytest.raises(Wrong) as caught:
        Request(split(line), profilers)
    assert says in str(caught.value)


def test_variable(profilers):
    for line in ("-r mine call", "--result mine", "--result=mine call --top-k 1"):
        assert Request(split(line), profilers).variable == "mine"


def test_help_names_every_option(profilers):
    text = Request(["call", "--help"], profilers).help_text(profilers)
    (call,) = [p for p in profilers if p["name"] == "call"]
    assert all(f"--{o['name']}" in text for o in call["options"] if not o["hidden"])
    every = Request(["--help"], profilers).help_text(profilers)
    assert all(p["name"] in every for p in profilers)


def test_completion(profilers):
    assert {"call", "cprofile", "line"} <= set(_notebook_line.complete([], profilers))
    assert "--top-k" in _notebook_line.complete(["-r", "x", "call"], profilers)


# ---- the flame graph as text ----


def test_flame_graph_as_text():
    stacks = [
        {"frames": ["x.py:a", "b"], "value": 1}, {"frames": ["x.py:a"], "value": 1},
        {"frames": ["c"], "value": 2},
    ]
    assert _flame.text(stacks, width=16) == (
        "  |all            |\n"
        "  |a      |c      |\n"
        "  |b  |\n"
    )
    assert _flame.text(stacks, width=16, rows=1).endswith("\n  ... and 2 more rows\n")
    assert _flame.text([]) == ""


# ---- in IPython ----


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    os.environ["IPYTHONDIR"] = str(tmp_path_factory.mktemp("ipython"))
    from IPython.core.interactiveshell import InteractiveShell

    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(history_length=0, colors="nocolor")
    shell.run_line_magic("load_ext", "pyprofiler")
    shell.run_cell("def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n")
    yield shell
    shell.run_line_magic("unload_ext", "pyprofiler")
    InteractiveShell.clear_instance()


def html_of(result):
    """The parts of its HTML, which must be well formed: (pre texts, svgs, images)."""
    root = xml.fromstring(result._repr_html_())
    assert root.get("class") == "pyprofiler"
    images = [base64.b64decode(i.get("src").partition(",")[2]) for i in root.iter("img")]
    return [p.text for p in root.iter("pre")], list(root.iter(f"{SVG}svg")), images


@needs_ipython
def test_cell(shell, capsys):
    """Tables and flame graph, the value of the cell, its names in the namespace."""
    value = shell.run_cell_magic("profile", "call --sort calls", "x = fib(10)\nx + 1\n")
    assert value == 56 and shell.user_ns["x"] == 55
    assert re.search(r"177/1 .*\(fib\)", capsys.readouterr().out)
    result = shell.user_ns["_profile"]
    (table,), (flame,), _ = html_of(result)
    assert re.search(r"177/1 .*\(fib\)", table)
    titles = [t.text for t in flame.iter(f"{SVG}title")]
    assert any(t.split("\n")[0].endswith("(fib)") for t in titles)
    names = {s["function"] for s in result.sites}
    assert names == {"fib", "<module>"}, "nothing of the profiler's"


@needs_ipython
def test_semicolon_keeps_the_value_back(shell):
    assert shell.run_cell_magic("profile", "call", "1 + 1;") is None
    assert "__pyprofiler_value__" not in shell.user_ns


@needs_ipython
@pytest.mark.parametrize("cell, value", [
    ("2 + 1;  # said", None), ("2 + 1  # not at the end;", 3), ("'a;'", "a;"),
])
def test_semicolon_is_the_codes(shell, cell, value):
    assert shell.run_cell_magic("profile", "call", cell) == value


FORKS = """\
import os
def parent():
    pid = os.fork()
    if pid == 0:
        {leave}
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
parent()
"""


@needs_ipython
@pytest.mark.parametrize("leave, code", [("os._exit(3)", 3), ("raise SystemExit(4)", 4)])
def test_fork_leaves_the_cell_to_its_parent(shell, capfd, leave, code):
    """The child gets its own exception, shows nothing, and removes no cell's file."""
    here = os.getpid()
    try:
        value = shell.run_cell_magic("profile", "line", FORKS.format(leave=leave))
    except BaseException as e:
        if os.getpid() == here:
            raise
        shell.magics_manager.registry["ProfileMagics"]._cells.remove()  # as at its exit
        os._exit(e.code if isinstance(e, SystemExit) else 99)
    assert value == code
    result = shell.user_ns["_profile"]
    assert result.status == "ok"
    assert "os.fork()" in html_of(result)[0][0], "the file of the cell is still there"
    assert capfd.readouterr().out.count("os.fork()") == 1


@needs_ipython
def test_statement(shell, capsys):
    assert shell.run_line_magic("profile", "-r mine stopwatch -- fib(5)") == 5
    assert "wall_time" in capsys.readouterr().out
    assert shell.user_ns["mine"].profiler == "stopwatch"
    assert html_of(shell.user_ns["mine"])[1:] == ([], [])


@needs_ipython
def test_lines_of_the_cell(shell, capsys):
    shell.run_cell_magic("profile", "line", "def g(n):\n    return n * '<&>'\ng(2)\ng(3)\n")
    out = capsys.readouterr().out
    assert re.search(r"2 +2 .*return n \* '<&>'", out)
    (table,), _, _ = html_of(shell.user_ns["_profile"])
    assert "return n * '<&>'" in table


@needs_ipython
def test_curves_are_an_image(shell):
    shell.run_cell_magic("profile", "memory-time", "y = bytearray(10**6)")
    _, _, (image,) = html_of(shell.user_ns["_profile"])
    assert xml.fromstring(image).tag == f"{SVG}svg"


@needs_ipython
def test_graph_or_why_there_is_none(shell):
    shell.run_cell_magic("profile", "callgraph", "fib(3)")
    pres, flames, images = html_of(shell.user_ns["_profile"])
    assert not flames
    if images:
        assert b"fib" in images[0]
    else:
        assert "Graphviz" in pres[1] or "libgvc" in pres[1]


@needs_ipython
def test_exception_is_shown_and_what_was_measured_kept(shell, capsys):
    done = shell.run_cell("%%profile call\nfib(4)\nraise KeyError('on <purpose>')\n")
    assert isinstance(done.error_in_exec, KeyError)
    result = shell.user_ns["_profile"]
    assert result.status == "failed"
    assert {"fib"} < {s["function"] for s in result.sites}
    out = capsys.readouterr().out
    assert out.index("9/1") < out.index("Traceback")
    assert "_notebook.py" not in out, "frames of ours"
    assert "KeyError: 'on <purpose>'" in html_of(result)[0][0]


@needs_ipython
@pytest.mark.parametrize("cell, says", [
    ("%%profile cal\n1", "there is no profiler 'cal', did you mean 'call'?"),
    ("%%profile call --topk 1\n1", "did you mean '--top-k'?"),
    ("%%profile call --top-k few\n1", "--top-k takes a whole number"),
    ("%profile call", "nothing to measure"),
])
def test_mistakes_run_nothing(shell, cell, says):
    from IPython.core.error import UsageError

    shell.user_ns.pop("_profile", None)
    done = shell.run_cell(cell)
    assert isinstance(done.error_in_exec, UsageError) and says in str(done.error_in_exec)
    assert "_profile" not in shell.user_ns


@needs_ipython
def test_syntax_error_is_the_cells(shell):
    done = shell.run_cell("%%profile\nif x\n")
    assert isinstance(done.error_in_exec, SyntaxError)


@needs_ipython
def test_two_at_once_name_each_other(shell):
    from IPython.core.error import UsageError

    done = shell.run_cell("%%profile call\nget_ipython().run_line_magic('profile', 'call -- 1')")
    assert isinstance(done.error_in_exec, UsageError) and "call" in str(done.error_in_exec)
    assert shell.user_ns["_profile"].status == "failed", "the outer one was kept"


@needs_ipython
def test_await_where_no_loop_runs(shell):
    code = "import asyncio\nawait asyncio.sleep(0)\n'slept'"
    assert shell.run_cell_magic("profile", "call", code) == "slept"


@needs_ipython
def test_await_in_a_running_loop_is_refused(shell):
    import asyncio

    from IPython.core.error import UsageError

    async def notebook():
        with pytest.raises(UsageError, match="pyprofiler.profile"):
            shell.run_cell_magic("profile", "call", "await nothing")

    asyncio.run(notebook())


@needs_ipython
def test_help(shell, capsys):
    assert shell.run_line_magic("profile", "line --help") is None
    assert "--functions" in capsys.readouterr().out
    found = shell.object_inspect("%%profile")
    assert "PROFILER" in found["docstring"] and "memory-line" in found["docstring"]


@needs_ipython
def test_completion_in_the_shell(shell):
    assert "tracemalloc" in shell.complete("tracem", "%%profile tracem")[1]
    assert "--top-k" in shell.complete("--to", "%%profile call --to")[1]


@needs_ipython
def test_kernels_cells_get_their_files(shell, tmp_path, monkeypatch):
    """A kernel names paths that do not exist: lines of earlier cells are shown too."""
    folder = tmp_path / "ipykernel_1"
    monkeypatch.setattr("IPython.core.compilerop.code_name",
                        lambda text, number=0: str(folder / f"{number}-{len(text)}.py"))
    shell.run_cell("def h(n):\n    return n + 1  # of h\n", store_history=True)
    shell.run_cell("%%profile line --functions h\nh(1)\n", store_history=True)
    (table,), _, _ = html_of(shell.user_ns["_profile"])
    assert "# of h" in table
    assert oct(folder.stat().st_mode & 0o777) == "0o700"


def test_loading_is_lazy():
    assert callable(pyprofiler.load_ipython_extension)
