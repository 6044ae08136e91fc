"""The magics %profile and %%profile of IPython: ``%load_ext pyprofiler``.

What they take is told by `HELP`, which is also their documentation in IPython; see
docs/notebook.md. Imported by IPython only; the line after %%profile is read by
_notebook_line.
"""

import ast
import asyncio
import atexit
import json
import linecache
import os
import tempfile
import tokenize
from base64 import b64encode
from contextlib import suppress
from functools import partial
from html import escape
from inspect import CO_COROUTINE
from io import StringIO
from traceback import format_exception_only
from types import FunctionType

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display

from pyprofiler import _native
from pyprofiler._notebook_line import HELP, Request, Wrong, complete, list_profilers, split
from pyprofiler._results import ProfilerResult

_VALUE = "__pyprofiler_value__"


def load(shell):
    """%load_ext"""
    magics = ProfileMagics(shell)
    magics.profile.__func__.__doc__ = HELP + list_profilers(magics.profilers())
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
            f"<pre style='font-family:monospace;line-height:1.25;max-height:30em;overflow:auto'>{escape(self.report())}</pre>",
        ]
        return "\n".join([*parts, *self._pictures(), "</div>"])

    def flame_graph(self):
        """SVG text, "" when the result has no stacks."""
        if self.profiler == "callgraph" or "flamegraph" not in self.formats():
            return ""
        return self.export("flamegraph").decode()

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


# ---- the code of the cell ----


class _Cells:
    """Files with the source of cells, for profilers that show lines: the kernel gives
    each cell the path of a file that is not there, plain IPython no path at all."""

    def __init__(self):
        self._written = []
        self._folder = None
        self._pid = os.getpid()
        atexit.register(self.remove)

    def name(self, shell, text, raw):
        name = shell.compile.cache(text, shell.execution_count, raw_code=raw)
        if os.path.isabs(name):
            self._write_those_beside(os.path.dirname(name))
            return name
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="pyprofiler-cells-")
        name = os.path.join(self._folder, f"cell-{len(self._written) + 1}.py")
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
        if os.getpid() != self._pid:
            return  # a fork's end: the notebook goes on
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


def _is_quiet(source):
    """Whether its last token is a semicolon, as IPython asks it."""
    blank = (
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.DEDENT, tokenize.ENDMARKER,
    )
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    said = [token.string for token in tokens if token.type not in blank]
    return said[-1:] == [";"]


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
            request = Request(split(words), self.profilers())
            if not request.help and not (statement or "").strip():
                raise Wrong("nothing to measure; put a statement after ' -- '")
        except Wrong as e:
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
        pid = os.getpid()
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
            value = self.shell.user_ns.pop(_VALUE, None)
            if os.getpid() == pid:  # else a fork of the cell: nothing of this is its own
                session.finish(*outcome)
                result = CellResult(request.profiler["name"], session, request.options)
                self.shell.user_ns[request.variable] = result
                display(result)
        return None if _is_quiet(source) else value

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
        return complete(event.line.split()[1:], self.profilers())
