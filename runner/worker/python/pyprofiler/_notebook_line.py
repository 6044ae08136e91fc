"""The line after %%profile: what it asks for, read with the tables that the runner's
command line has. Knows nothing of IPython.
"""

import shlex
from difflib import get_close_matches

HELP = """\
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

# The cell runs once, so what decides how often has nothing to decide.
_ROUNDS = {
    "rounds", "min-rounds", "warmup", "min-time", "max-time", "quick", "rigorous", "short",
}


class Wrong(Exception):
    """What is wrong with it."""


def split(text):
    try:
        return shlex.split(text)
    except ValueError as e:
        raise Wrong(f"cannot read {text!r}: {e}") from None


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
        raise Wrong(f"'--{name}' can be '--{begun[0]}' or '--{begun[1]}'")
    near = get_close_matches(name, names, 1)
    hint = f", did you mean '--{near[0]}'?" if near else "; see --help"
    raise Wrong(f"unknown option '--{name}'{hint}")


def _find_short(table, letter):
    for option in table:
        if option["short"] == letter:
            return option
    raise Wrong(f"unknown option '-{letter}'; see --help")


def _takes_value(option):
    return option["type"] not in ("flag", "count") and not option["optional"]


def _read_options(words, table):
    """[(option, text)], as the runner reads its command line."""
    words = list(words)
    read = []
    while words:
        word = words.pop(0)
        if not word.startswith("-") or word == "-":
            raise Wrong(f"unexpected word {word!r}; a statement is put after ' -- '")
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
                    raise Wrong(f"--{option['name']} needs a value")
                text = words.pop(0)
        read.append((option, "false" if negated else text))
    return read


def _of_the_notebook(pattern):
    """A bare name is of the case's file elsewhere, here of any cell."""
    return pattern if ":" in pattern else f"__main__:{pattern}"


def _options(profiler, words):
    """As a Session takes them."""
    options = {}
    for option, text in _read_options(words, profiler["options"]):
        name = option["name"]
        if option["output"]:
            raise Wrong(
                f"--{name} is for files of a run; write the result to one with "
                f"{_VARIABLE}.export(FORMAT)"
            )
        if "rounds" in profiler["caps"] and name in _ROUNDS:
            raise Wrong(f"--{name}: a cell runs once; a case runs in rounds")
        if name == "functions":
            text = ",".join(map(_of_the_notebook, text.split(",")))
        if option["type"] == "list":
            options.setdefault(name, []).append(text)
        elif option["type"] == "count":
            options[name] = str(int(options.get(name, 0)) + 1)
        else:
            options[name] = text
    return options


class Request:
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
                raise Wrong(
                    f"'{word}' is not -r NAME; a profiler's options follow its name"
                )
        if not self.variable.isidentifier():
            raise Wrong(f"-r: {self.variable!r} is no name of a variable")
        self.named = bool(words)
        self.profiler = _find_profiler(profilers, words[0] if words else _DEFAULT)
        words = words[1:]
        if "--help" in words or "-h" in words:
            self.help = True
        self.options = {} if self.help else _options(self.profiler, words)

    def help_text(self, profilers):
        if not self.named:
            return HELP + list_profilers(profilers)
        return _describe(self.profiler)


def _find_profiler(profilers, name):
    by_name = {n: p for p in profilers for n in (p["name"], *p["aliases"])}
    profiler = by_name.get(name) or by_name.get(_spelled(name))
    if profiler is None:
        near = get_close_matches(name, by_name, 1)
        hint = f", did you mean '{near[0]}'?" if near else ""
        raise Wrong(f"there is no profiler '{name}'{hint}")
    if not profiler["available"]:
        raise Wrong(f"'{name}' cannot work here: {profiler['why']}")
    if "valgrind" in profiler["caps"]:
        raise Wrong(f"'{name}' needs a process of its own: run a case or a script")
    return profiler


def list_profilers(profilers):
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


def complete(words, profilers):
    """What can follow these words: names of profilers, then that one's options."""
    names = {n: p for p in profilers for n in (p["name"], *p["aliases"])}
    for word in words:
        if word in names:
            return [f"--{o['name']}" for o in names[word]["options"] if not o["hidden"]]
    return sorted(names)
