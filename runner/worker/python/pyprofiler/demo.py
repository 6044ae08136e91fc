"""``pyprofiler demo``: a small program in one session, and the analysis of what that
measured in another. Nothing here is known to the profilers.

    demo.main([FOLDER])     also writes the results of both to FOLDER
"""

import os
import sys

from pyprofiler import ConflictError, ProfileConfig, ProfileSession, _flame
from pyprofiler._session import _Place

_ROWS = 12  # of each table
# Written by the analysis, when they can be.
_FORMATS = ("text", "json", "csv", "collapsed", "flamegraph")

_WORDS = "the quick brown fox jumps over the lazy dog while seven wizards".split()


# ---- the small program ----


def numbers(count, seed=7):
    """Pseudo-random whole numbers: the same in every demo."""
    for _ in range(count):
        seed = (seed * 1103515245 + 12345) % 2**31
        yield seed


def sentences(count):
    for number in numbers(count):
        yield " ".join(_WORDS[number // 7**i % len(_WORDS)] for i in range(8))


def count_words(lines):
    counts = {}
    for line in lines:
        for word in line.split():
            counts[word] = counts.get(word, 0) + 1
    return counts


def quicksort(items):
    if len(items) < 2:
        return items
    pivot, *rest = items
    low = [item for item in rest if item < pivot]
    high = [item for item in rest if item >= pivot]
    return quicksort(low) + [pivot] + quicksort(high)


def program():
    """Some recursion, some text, some memory."""
    ordered = quicksort(list(numbers(3000)))
    counts = count_words(sentences(3000))
    return ordered[len(ordered) // 2], max(counts, key=counts.get)


# ---- the analysis ----


def analyse(session):
    """Read every result of a session, and write it in several ways."""
    found = {}
    for name, result in session.results.items():
        found[name] = {
            "figures": figures(result),
            "written": {f: len(result.export(f)) for f in _FORMATS if f in result.formats()},
        }
    return found


def figures(result):
    """Of a result: its metrics and its most expensive places."""

    def cost(site):
        return max((v for v in site.values() if isinstance(v, (int, float))), default=0)

    places = sorted(result.sites, key=cost, reverse=True)
    return {
        "metrics": sorted(result.metrics),
        "places": [f"{site['function']}:{site['line']}" for site in places[:_ROWS]],
        "stacks": len(result.stacks),
    }


# ---- the two sessions ----


def _show(title, session):
    print(f"{title}\n{'=' * len(title)}\n")
    for result in session.results.values():
        print(result.export("text", top_k=_ROWS, strip_dirs=True).decode())
        graph = _flame.text(result.stacks, rows=_ROWS)
        if graph:
            print(f"  flame graph of {result.name}\n\n{graph}")
    for conflict in session.conflicts:
        print(f"not measured: {conflict}")


def main(words=None):
    """The exit code: 0 when both sessions were measured."""
    words = sys.argv[1:] if words is None else words
    config = ProfileConfig(store=False, on_conflict="skip", memory_interval=0.01)
    program()  # once before: imports and caches are not what is looked at
    inner = ProfileSession(config, _place=_Place.of_function(program, "program"))
    outer = ProfileSession(config, _place=_Place.of_function(analyse, "analysis"))
    try:
        with inner:
            program()
        with outer:
            analyse(inner)
    except ConflictError as e:
        print(f"pyprofiler: {e}", file=sys.stderr)
        return 1
    try:
        _show("A small program", inner)
        _show("The analysis of what was measured of it", outer)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; nor can what is left be said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if words:
        try:
            inner.save(os.path.join(words[0], "program"))
            outer.save(os.path.join(words[0], "analysis"))
        except OSError as e:
            print(f"pyprofiler: error: {e}", file=sys.stderr)
            return 3
        print(f"written to {words[0]}")
    return 0 if inner.results and outer.results else 1
