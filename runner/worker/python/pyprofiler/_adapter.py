"""Profilers written in Python as backends: what the worker's adapter calls.

Imported only when a case file or a plugin module registered one.
"""

import io
import sys
from argparse import SUPPRESS, ArgumentParser

from pyprofiler._profilers import construct


class _Parser(ArgumentParser):
    """An option that is wrong is an exception, not the end of the process."""

    def error(self, message):
        raise ValueError(message)

    def exit(self, status=0, message=None):
        raise ValueError(message or "the parser of the profiler ended it")


def _parser(name, cls):
    parser = _Parser(prog=name, add_help=False, allow_abbrev=False)
    cls.add_parser_args(parser=parser)
    return parser


def _option_actions(parser):
    """The parser's actions that are options of a profiler."""
    other = ("_HelpAction", "_VersionAction")
    return [a for a in parser._actions if _kind(a) not in other]


def _kind(action):
    return type(action).__name__


def describe(name, cls):
    """The BACKEND object of the worker's protocol. Never raises: a class whose own
    methods raise is described as not available, with the exception as the reason."""
    backend = {
        "name": name,
        "aliases": [],
        "summary": "",
        "available": True,
        "why": None,
        "caps": [],
        "registered": True,
        "metrics": [],
        "options": [],
    }
    try:
        lines = str(cls.description() or "").split("\n")
        backend["summary"] = lines[0].strip()
        parser = _parser(name, cls)
        actions = _option_actions(parser)
        backend["options"] = [_describe_option(parser, a) for a in actions]
    except Exception as exc:
        backend["available"] = False
        backend["why"] = f"{type(exc).__name__}: {exc}"
    return backend


def _describe_option(parser, action):
    long_names, short_names = _spellings(action)
    kind = _option_type(action)
    optional = action.nargs == "?" and bool(action.option_strings)
    return {
        "type": kind,
        "name": long_names[0],
        "short": short_names[0] if short_names else None,
        "aliases": long_names[1:],
        "default": _default_text(action, kind),
        "min": 0,
        "max": 0,
        "unit": _unit(action, kind),
        "choices": [str(c) for c in action.choices] if kind == "choice" else [],
        "implied": str(action.const) if optional and action.const is not None else None,
        "help": _help_text(parser, action),
        "hidden": action.help is SUPPRESS,
        "optional": optional,
    }


def _spellings(action):
    """Long names without dashes, and short ones, in the order they were given."""
    long_names = [s[2:] for s in action.option_strings if s.startswith("--")]
    short_names = [s[1:] for s in action.option_strings if len(s) == 2]
    if _kind(action) == "BooleanOptionalAction":
        long_names = [n for n in long_names if not n.startswith("no-")]
    return long_names or [action.dest], short_names


_FLAGS = (
    "_StoreTrueAction",
    "_StoreFalseAction",
    "_StoreConstAction",
    "_AppendConstAction",
    "BooleanOptionalAction",
)
_REPEATED = ("_AppendAction", "_ExtendAction")
_TYPES = {int: "int", float: "double"}


def _option_type(action):
    if _kind(action) in _FLAGS:
        return "flag"
    if _kind(action) == "_CountAction":
        return "count"
    if _kind(action) in _REPEATED or action.nargs not in (None, "?"):
        return "list"
    if action.choices is not None:
        return "choice"
    # other callables convert in create(), where their error is reported
    return _TYPES.get(action.type, "string")


def _default_text(action, kind):
    if kind == "flag":
        boolean = _kind(action) == "BooleanOptionalAction"
        return "true" if boolean and action.default else "false"
    if action.default is None or action.default is SUPPRESS:
        return None
    if kind == "list" and isinstance(action.default, (list, tuple)):
        return ",".join(map(str, action.default))
    return str(action.default)


def _unit(action, kind):
    if kind in ("flag", "count"):
        return None
    metavar = action.metavar or action.dest.upper()
    return metavar if isinstance(metavar, str) else " ".join(metavar)


def _help_text(parser, action):
    if not action.help or action.help is SUPPRESS:
        return ""
    try:
        text = parser._get_formatter()._expand_help(action)
    except (ValueError, KeyError, TypeError):  # a stray '%'
        text = action.help
    return " ".join(text.split())


def create(name, cls, options):
    """The profiler object for options given as text; argparse converts and checks them.

    `options` maps names, with '-' or '_', to a text or, for lists, a list of texts.
    ValueError: an option is unknown or its value is not accepted.
    """
    parser = _parser(name, cls)
    actions = {}
    for action in _option_actions(parser):
        for spelling in (*_spellings(action)[0], action.dest):
            actions.setdefault(spelling.replace("_", "-"), action)
    words = []
    for option, value in options.items():
        action = actions.get(option.replace("_", "-"))
        if action is None:
            raise ValueError(f"profiler '{name}' has no option '{option}'")
        words += _words(action, value)
    return construct(cls, vars(parser.parse_args(words)))


def _words(action, value):
    """The command line that says the same to argparse."""
    values = value if isinstance(value, (list, tuple)) else [value]
    values = [str(v) for v in values]
    kind = _option_type(action)
    if not action.option_strings:
        return values
    spellings = action.option_strings
    flag = next((s for s in spellings if s.startswith("--")), spellings[0])
    if kind == "flag":
        if values[0].lower() in ("true", "1", "yes", "on"):
            return [flag]
        return ["--no-" + flag[2:]] if _kind(action) == "BooleanOptionalAction" else []
    if kind == "count":
        return [flag] * int(values[0])
    if kind == "list" and action.nargs is not None:
        return [flag, *values]
    joint = "=" if flag.startswith("--") else ""
    return [flag + joint + v for v in values]



def start(obj):
    """As entering the profiler with `with`."""
    enter = getattr(obj, "__enter__", None)
    if enter is not None:
        enter()
    else:
        obj.start()


def run(obj, func):
    """Let the profiler call the body."""
    if callable(obj):
        obj(func)
    else:
        func()


def stop(obj):
    """As leaving the `with` block; the body's exception is the worker's business."""
    leave = getattr(obj, "__exit__", None)
    if leave is not None:
        leave(None, None, None)
    else:
        obj.reset()


def mark(obj, name):
    """ProfilerCase.trace."""
    trace = getattr(obj, "trace", None)
    if trace is not None:
        trace(name)


class ReportStream(io.StringIO):
    """Text stream in which each write(text) is a line, as profilers written for the
    predecessor expect; the pieces that print() sends for one line stay one."""

    def __init__(self):
        super().__init__()
        self._in_line = False  # the last line has no newline yet
        self._joined = False  # the next piece continues it

    def write(self, text):
        text = str(text)
        if text == "\n":  # print()'s end
            self._in_line = self._joined = False
        elif text == " ":  # print()'s separator
            self._joined = True
        elif text:
            if self._in_line and not self._joined:
                super().write("\n")
            self._in_line = not text.endswith("\n")
            self._joined = False
        super().write(text)
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def getvalue(self):
        return super().getvalue() + ("\n" if self._in_line else "")


def report(obj):
    """What the profiler reports, and what it prints when the session is summarised."""
    stream = ReportStream()
    obj.report(stream)
    summary = _summary(obj)
    return stream.getvalue() + summary


def _summary(obj):
    summarize = getattr(obj, "summarize_session", None)
    if summarize is None:
        return ""
    stream = ReportStream()
    stdout, sys.stdout = sys.stdout, stream
    try:
        summarize()
    finally:
        sys.stdout = stdout
    return stream.getvalue()
