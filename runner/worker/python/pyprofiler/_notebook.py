"""The magics %profile and %%profile of IPython: ``%load_ext pyprofiler``.

What they take is told by `_HELP`, which is also their documentation in IPython; see
docs/notebook.md. Imported by IPython only.
"""

import ast
import asyncio
import atexit
import json
import linecache
import os
import shlex
import tempfile
from base64 import b64encode
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from html import escape
from inspect import CO_COROUTINE
from traceback import format_exception_only
from types import FunctionType

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display

from pyprofiler import _flame, _native
from pyprofiler._results import ProfilerResult

_HELP = """\
Measure a cell, or a statement, under a profiler of pyprofiler.

  %%profile [-r NAME] [PROFILER [OPTIONS]]
  CELL

  %profile [-r NAME] [PROFILER [OPTIONS]] -- STATEMENT

It runs once, in the namespace of the notebook. Shown are the profiler's tables and, when
it has them, a flame graph or curves. The result is kept as `_profile`, or as NAME.
Without a PROFILER it is `call`. `%profile PROFILER --help` lists the OPTIONS.

Profilers:
"""

_DEFAULT = "call"
_VARIABLE = "_profile"
_VALUE = "__pyprofiler_value__"

# The cell runs once, so what decides how often has nothing to decide.
_ROUNDS = {"rounds", "min-rounds", "warmup", "min-time", "max-time", "quick", "rigorous", "short"}


def load(shell):
    """%load_ext"""
    magics = ProfileMagics(shell)
    magics.profile.__func__.__doc__ = _HELP + _list_profilers(magics.profilers())
    shell.register_magics(magics)
    for prefix in ("%%profile", "%profile"):
        shell.set_hook("complete_command", magics.complete, str_key=prefix)


def unload(shell):
    """%unload_ext"""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("profile", None)


class CellResult(ProfilerResult):
    """What a cell measured; as a text its tables, in a notebook with its pictures."""

    def _repr_pretty_(self, printer, cycle):
        printer.text(self.report())

    def _repr_html_(self):
        parts = [
            "<div class='pyprofiler' style='overflow-x:auto'>",
            f"<pre style='line-height:1.25'>{escape(self.report())}</pre>",
        ]
        return "\n".join([*parts, *self._pictures(), "</div>"])

    def flame_graph(self):
        """SVG text, "" when the result has no stacks."""
        if self.profiler == "callgraph":
            return ""
        return _flame.svg(self.stacks, f"flame graph of {self.name}")

    def _pictures(self):
        """HTML: the flame graph, curves over time, the graph of `callgraph`."""
        flame = self.flame_graph()
        if flame:
            yield flame
        drawn = self.series or self.profiler == "callgraph"
        if not drawn or "svg" not in self.formats():
            return
        try:
            data = self.export("svg")
        except (RuntimeError, ValueError) as e:  # without Graphviz
            yield f"<pre>{escape(str(e))}</pre>"
        else:
            # as an image: its style sheet must not be the page's
            coded = b64encode(data).decode()
            yield f"<img alt='{self.name}' src='data:image/svg+xml;base64,{coded}'/>"


# ---- the command line ----


class _Usage(Exception):
    """What is wrong with it."""


def _split(text):
    try:
        return shlex.split(text)
    except ValueError as e:
        raise _Usage(f"cannot read {text!r}: {e}") from None


def _spelled(name):
    return name.replace("_", "-")


def _find_option(table, name):
    """The option that `--name` means, and whether it is `--no-...` of a flag."""
    name = _spelled(name)
    for option in table:
        if name in (_spelled(n) for n in (option["name"], *option["aliases"])):
            return option, False
    for option in table:
        if option["type"] == "flag" and name == "no-" + option["name"]:
            return option, True
    names = [option["name"] for option in table if not option["hidden"]]
    begun = [n for n in names if n.startswith(name)]
    if len(begun) == 1:
        return _find_option(table, begun[0])
    if begun:
        raise _Usage(f"'--{name}' can be '--{begun[0]}' or '--{begun[1]}'")
    near = get_close_matches(name, names, 1)
    hint = f", did you mean '--{near[0]}'?" if near else "; see --help"
    raise _Usage(f"unknown option '--{name}'{hint}")


def _find_short(table, letter):
    for option in table:
        if option["short"] == letter:
            return option
    raise _Usage(f"unknown option '-{letter}'; see --help")


def _takes_value(option):
    return option["type"] not in ("flag", "count") and not option["optional"]


def _read_options(words, table):
    """[(option, text)], as the runner reads its command line."""
    words = list(words)
    read = []
    while words:
        word = words.pop(0)
        if not word.startswith("-") or word == "-":
            raise _Usage(f"unexpected word {word!r}; a statement is put after ' -- '")
        negated = False
        if word.startswith("--"):
            name, equals, text = word[2:].partition("=")
            option, negated = _find_option(table, name)
        else:
            option = _find_short(table, word[1])
            text, equals = word[2:].removeprefix("="), len(word) > 2
            if equals and not _takes_value(option):
                words.insert(0, "-" + text)  # "-vx"
                equals = False
        if not equals:
            text = option["implied"] or "true"
            if _takes_value(option):
                if not words:
                    raise _Usage(f"--{option['name']} needs a value")
                text = words.pop(0)
        read.append((option, "false" if negated else text))
    return read


def _options(profiler, words):
    """As a Session takes them."""
    options = {}
    for option, text in _read_options(words, profiler["options"]):
        name = option["name"]
        if option["output"]:
            raise _Usage(
                f"--{name} is for files of a run; write the result to one with "
                f"{_VARIABLE}.export(FORMAT)"
            )
        if "rounds" in profiler["caps"] and name in _ROUNDS:
            raise _Usage(f"--{name}: a cell runs once; a case runs in rounds")
        if option["type"] == "list":
            options.setdefault(name, []).append(text)
        elif option["type"] == "count":
            options[name] = str(int(options.get(name, 0)) + 1)
        else:
            options[name] = text
    return options


class _Request:
    """What the line asks for."""

    def __init__(self, words, profilers):
        self.variable = _VARIABLE
        self.help = False
        words = list(words)
        while words and words[0].startswith("-"):
            word = words.pop(0)
            if word in ("-h", "--help"):
                self.help = True
            elif word in ("-r", "--result") and words:
                self.variable = words.pop(0)
            elif word.startswith("--result="):
                self.variable = word.partition("=")[2]
            else:
                raise _Usage(
                    f"'{word}' is not -r NAME; a profiler's options follow its name"
                )
        if not self.variable.isidentifier():
            raise _Usage(f"-r: {self.variable!r} is no name of a variable")
        self.named = bool(words)
        self.profiler = _find_profiler(profilers, words[0] if words else _DEFAULT)
        words = words[1:]
        if "--help" in words or "-h" in words:
            self.help = True
        self.options = {} if self.help else _options(self.profiler, words)

    def help_text(self, profilers):
        if not self.named:
            return _HELP + _list_profilers(profilers)
        return _describe(self.profiler)


def _find_profiler(profilers, name):
    by_name = {n: p for p in profilers for n in (p["name"], *p["aliases"])}
    profiler = by_name.get(name) or by_name.get(_spelled(name))
    if profiler is None:
        near = get_close_matches(name, by_name, 1)
        hint = f", did you mean '{near[0]}'?" if near else ""
        raise _Usage(f"there is no profiler '{name}'{hint}")
    if not profiler["available"]:
        raise _Usage(f"'{name}' cannot work here: {profiler['why']}")
    if "valgrind" in profiler["caps"]:
        raise _Usage(f"'{name}' needs a process of its own: run a case or a script")
    return profiler


def _list_profilers(profilers):
    return "".join(f"  {p['name']:<14} {p['summary']}\n" for p in profilers)


def _describe(profiler):
    lines = [f"{profiler['name']}: {profiler['summary']}", ""]
    for option in profiler["options"]:
        if option["hidden"] or option["output"]:
            continue
        short = f"-{option['short']}, " if option["short"] else ""
        unit = option["unit"] or "|".join(option["choices"])
        takes = f" {unit}" if unit and option["type"] != "flag" else ""
        default = f" (default: {option['default']})" if option["default"] else ""
        lines.append(f"  {short}--{option['name']}{takes}")
        lines.append(f"      {option['help']}{default}")
    return "\n".join(lines) + "\n"


# ---- the code of the cell ----


class _Cells:
    """Files with the source of cells, for profilers that show lines: the kernel gives
    each cell the path of a file that is not there, plain IPython no path at all."""

    def __init__(self):
        self._written = []
        self._folder = None
        atexit.register(self.remove)

    def name(self, shell, text, raw):
        name = shell.compile.cache(text, shell.execution_count, raw_code=raw)
        if os.path.isabs(name):
            self._write_those_beside(os.path.dirname(name))
            return name
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="pyprofiler-cells-")
        name = os.path.join(self._folder, f"cell-{shell.execution_count}.py")
        self._write(name, text)
        return name

    def _write_those_beside(self, folder):
        """Earlier cells too: their functions are called by this one."""
        for name, entry in list(linecache.cache.items()):
            if os.path.dirname(name) == folder and len(entry) == 4:
                self._write(name, "".join(entry[2]))

    def _write(self, name, text):
        os.makedirs(os.path.dirname(name), mode=0o700, exist_ok=True)
        with suppress(FileExistsError), open(name, "x", encoding="utf-8") as out:
            out.write(text)
            self._written.append(name)

    def remove(self):
        for path in [*self._written, *filter(None, [self._folder])]:
            with suppress(OSError):
                os.rmdir(path) if path == self._folder else os.unlink(path)
        self._written.clear()


def _compile(tree, name, shell):
    """Code whose last expression's value, if there is one, is bound to `_VALUE`."""
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = tree.body[-1]
        target = ast.Name(id=_VALUE, ctx=ast.Store())
        tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)
        ast.fix_missing_locations(tree)
    flags = shell.compile.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(tree, name, "exec", flags, dont_inherit=True)


def _loop_runs():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@magics_class
class ProfileMagics(Magics):
    """%profile and %%profile."""

    def __init__(self, shell):
        super().__init__(shell)
        self._cells = _Cells()

    @staticmethod
    def profilers():
        """As described by the module: what there is can change with plug-ins."""
        return json.loads(_native.load().describe())

    @no_var_expand
    @line_cell_magic
    def profile(self, line, cell=None):
        __tracebackhide__ = True  # for IPython: of an exception, only the cell is shown
        try:
            words, statement = line, cell
            if cell is None:
                words, _, statement = f" {line}".partition(" -- ")
            request = _Request(_split(words), self.profilers())
            if not request.help and not (statement or "").strip():
                raise _Usage("nothing to measure; put a statement after ' -- '")
        except _Usage as e:
            raise UsageError(f"%profile: {e}") from None
        if request.help:
            print(request.help_text(self.profilers()), end="")
            return None
        return self._measure(request, statement)

    def _measure(self, request, text):
        __tracebackhide__ = True
        source = self.shell.transform_cell(text)
        name = self._cells.name(self.shell, source, text)
        code = _compile(ast.parse(source, name), name, self.shell)
        body = FunctionType(code, self.shell.user_ns)  # its frame alone is measured
        if code.co_flags & CO_COROUTINE:
            body = self._awaiting(body)
        case = f"In[{self.shell.displayhook.prompt_count}]"
        try:
            session = _native.load().Session(
                request.profiler["name"], request.options, case, name
            )
            session.start()
        except (ValueError, RuntimeError) as e:
            raise UsageError(f"%profile: {e}") from None
        outcome = ("ok", None, None)
        try:
            try:
                body()
            finally:
                session.stop()
        except BaseException as e:
            outcome = ("failed", "".join(format_exception_only(e)).strip(), None)
            raise
        finally:
            session.finish(*outcome)
            value = self.shell.user_ns.pop(_VALUE, None)
            result = CellResult(request.profiler["name"], session, request.options)
            self.shell.user_ns[request.variable] = result
            display(result)
        return None if text.rstrip().endswith(";") else value

    def _awaiting(self, function):
        """A notebook's loop runs already, and nothing may wait for it in here."""
        if _loop_runs():
            raise UsageError(
                "%profile: a cell that awaits cannot be measured while the notebook's "
                "loop runs; use `with pyprofiler.profile() as session:` in the cell"
            )
        return partial(self.shell.loop_runner, function())

    def complete(self, shell, event):
        """Names of profilers, and then of that one's options."""
        words = event.line.split()[1:]
        profilers = self.profilers()
        names = {n: p for p in profilers for n in (p["name"], *p["aliases"])}
        for word in words:
            if word in names:
                return ["--" + o["name"] for o in names[word]["options"] if not o["hidden"]]
        return sorted(names)
