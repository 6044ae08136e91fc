"""The decorators of cases: which run, under which profilers, with which parameters.

They store attributes and import nothing; whether a profiler's name is known is looked
at when the case is run, so that a typing mistake never breaks the import of a file.
"""

SKIP = "__pyprofiler_skip__"  # reason, a string
REJECT = "__pyprofiler_reject__"  # tuple of names
ACCEPT = "__pyprofiler_accept__"  # tuple of names
PARAMS = "__pyprofiler_params__"  # sequence of (id, keyword arguments)
BUDGET = "__pyprofiler_budget__"  # {metric: limit}

_ID_MAX = 80  # characters of one value in an id


def _own(target, name, default):
    """The attribute of `target` itself: a class's bases are looked at in discovery."""
    return getattr(target, "__dict__", {}).get(name, default)


def _store(decorator, target, name, value):
    if not callable(target) and not isinstance(target, (classmethod, staticmethod)):
        raise TypeError(
            f"@{decorator} decorates a profile_* method or a class, "
            f"not {type(target).__name__!r}"
        )
    setattr(target, name, value)
    return target


def skip_case(reason=None):
    """Skip a method, or all of a class.

    Bare, ``@skip_case``, or with a reason, ``@skip_case("needs the network")``.
    """
    if reason is not None and not isinstance(reason, str):
        return _store("skip_case", reason, SKIP, "marked with @skip_case")

    def decorate(target):
        return _store("skip_case", target, SKIP, reason or "marked with @skip_case")

    return decorate


def _names(decorator, profilers):
    """Names from one string, several, or a list; a class stands for its name."""
    flat = []
    for item in profilers:
        several = isinstance(item, (list, tuple, set, frozenset))
        flat.extend(item if several else (item,))
    names = [getattr(item, "backend", item) for item in flat]
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"@{decorator} takes names of profilers, not {type(name).__name__!r}"
            )
    if not names:
        raise TypeError(f"@{decorator} needs the name of a profiler")
    return tuple(names)


def _add_names(decorator, attribute, profilers):
    names = _names(decorator, profilers)

    def decorate(target):
        stored = _own(target, attribute, ())
        added = tuple(n for n in dict.fromkeys(names) if n not in stored)
        return _store(decorator, target, attribute, added + stored)

    return decorate


def skip_profiler(*profilers):
    """Do not run a method or a class under these profilers, even if accepted."""
    return _add_names("skip_profiler", REJECT, profilers)


def accept_profiler(*profilers):
    """Run a method or a class under these profilers only (and passthrough).

    Stacked decorators add up; a method's own list replaces that of its class.
    """
    return _add_names("accept_profiler", ACCEPT, profilers)


def _limit(value):
    """What travels to the runner, which judges it: texts, numbers, lists of them.

    Anything else becomes a dict that says what it was.
    """
    if isinstance(value, (list, tuple)):
        return [_limit(item) for item in value]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value - value != 0:  # infinite or NaN: JSON has neither
            return {"wrong": str(value)}
        # a float, since JSON's integers end at 64 bits
        return value if isinstance(value, int) and abs(value) < 2**53 else float(value)
    return {"wrong": type(value).__name__}


def _limits(wrong, clauses):
    limits = {}
    for name, value in clauses.items():
        try:
            limits[name] = _limit(value)
        except Exception:  # an int beyond every float, a list that holds itself
            limits[name] = {"wrong": type(value).__name__}
    if wrong or not clauses:
        limits[""] = {"wrong": "positional" if wrong else "empty"}
    return limits


def budget(*wrong, **clauses):
    """Say what the metrics of a case may be, or how much worse they may become.

    ``@budget(wall_time="+3%", peak_memory="64 MB")`` on a method, or on a class for all
    of its methods. A clause is a metric and a limit, or a list of limits:

    - ``"+3%"``: at most three per cent worse than the base of a comparison; ``"-5%"``:
      at least five per cent better. Judged by ``pyprofiler compare``.
    - ``"1.5 s"``, ``"200 us"`` (ns, us, ms, s, min, h), ``"64 MB"``, ``"64 MiB"`` (B, kB,
      MB, GB, KiB, MiB, GiB), ``"1000"`` or a number (nanoseconds, bytes, or whatever
      the metric counts): an absolute limit, for the median. Judged by ``pyprofiler
      run`` as well. ``"<= 1 s"`` is the same; ``">= 1000"`` asks for at least so much.

    Metrics have the names that profilers declare. ``wall_time`` and ``cpu_time`` are
    those of stopwatch, ``peak_memory`` is ``peak`` of tracemalloc or memory-time; others
    are said as ``**{"call.wall_time": "2 s"}``. Stacked decorators add up; for a
    metric that is named twice the upper decorator counts, and the method's rather than
    its class's. A clause that cannot be understood does not break the import: the
    case is then reported as an error when it is to run.
    """
    bare = len(wrong) == 1 and not clauses and callable(wrong[0])
    limits = _limits(wrong, clauses)

    def decorate(target):
        before = _own(target, BUDGET, {})
        kept = {name: limit for name, limit in before.items() if name not in limits}
        return _store("budget", target, BUDGET, {**kept, **limits})

    return decorate(wrong[0]) if bare else decorate


def _without_addresses(text):
    """`text` without the `` at 0x7f...`` of default representations."""
    head, found, rest = text.partition(" at 0x")
    while found:
        rest = rest.lstrip("0123456789abcdefABCDEF")
        more, found, rest = rest.partition(" at 0x")
        head += more
    return head


def value_id(value):
    """How a value shows in the id of a case: one printable line."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    text = _without_addresses(" ".join(text.split()))
    if len(text) > _ID_MAX:
        text = text[: _ID_MAX - 3] + "..."
    if not text.isprintable():  # control characters, lone surrogates
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return text


def _unique(ids):
    """The ids with ``-1``, ``-2`` appended to the second, third, ... of a kind."""
    taken = set(ids)
    seen = {}
    for name in ids:
        n = seen.get(name, -1) + 1
        unique = name
        while n and (unique := f"{name}-{n}") in taken:
            n += 1
        seen[name] = n
        taken.add(unique)
        yield unique


class Params:
    """The parameter sets of a case as (id, keyword arguments), made when asked for.

    An import of the file pays for the lists that were given, not for their product.
    """

    def __init__(self, axes):
        self.axes = axes  # tuples of dicts; the first varies slowest
        self._sets = None

    def __len__(self):
        n = 1
        for axis in self.axes:
            n *= len(axis)
        return n

    def __iter__(self):
        return iter(self._expanded())

    def __getitem__(self, index):
        return self._expanded()[index]

    def _expanded(self):
        if self._sets is None:
            sets = [({}, "")]
            for axis in self.axes:
                named = [(part, _set_id(part)) for part in axis]
                sets = [
                    ({**kwargs, **part}, f"{text},{more}" if text else more)
                    for kwargs, text in sets
                    for part, more in named
                ]
            ids = _unique([text for _, text in sets])
            self._sets = [(name, kwargs) for name, (kwargs, _) in zip(ids, sets)]
        return self._sets


def _set_id(kwargs):
    return ",".join([f"{name}={value_id(value)}" for name, value in kwargs.items()])


def _axis_of_values(name, values):
    if isinstance(values, (str, bytes)):
        raise TypeError(
            f"params: '{name}' takes a list of values, not {type(values).__name__!r}; "
            f"for one value write {name}=[{values!r}]"
        )
    try:
        values = list(values)
    except TypeError:
        raise TypeError(
            f"params: '{name}' takes a list of values, not {type(values).__name__!r}"
        ) from None
    if not values:
        raise ValueError(f"params: the list of '{name}' is empty")
    return tuple({name: value} for value in values)


def _axis_of_sets(sets):
    if isinstance(sets, (str, bytes, dict)):
        raise TypeError(f"params takes a list of dicts, not {type(sets).__name__!r}")
    try:
        sets = tuple(sets)
    except TypeError:
        raise TypeError(
            f"params takes a list of dicts, not {type(sets).__name__!r}"
        ) from None
    if not sets:
        raise ValueError("params: the list of parameter sets is empty")
    for kwargs in sets:
        if not isinstance(kwargs, dict) or not all(isinstance(k, str) for k in kwargs):
            raise TypeError(f"params takes dicts of names and values, not {kwargs!r}")
        if not kwargs:
            raise ValueError("params: a parameter set is empty")
    return tuple(dict(kwargs) for kwargs in sets)


def _axis_names(axis):
    return {name for kwargs in axis for name in kwargs}


def params(*sets, **lists):
    """Run a method once per parameter set.

    ``@params(n=[10, 100], kind="ab".split())`` is the product of the lists;
    ``@params([{"n": 10, "kind": "a"}, ...])`` are the sets as given; several decorators
    multiply. Raises TypeError or ValueError at once for a list that is empty or no
    list, and for a name that is given twice.
    """
    if len(sets) > 1:
        raise TypeError("params takes one list of dicts; a product stacks decorators")
    axes = [_axis_of_sets(sets[0])] if sets else []
    axes += [_axis_of_values(name, values) for name, values in lists.items()]
    if not axes:
        raise TypeError("params needs at least one list of values")

    def decorate(target):
        if isinstance(target, type):
            raise TypeError(f"@params decorates a method, not class {target.__name__}")
        before = _own(target, PARAMS, None)
        every = (*axes, *(before.axes if before is not None else ()))
        taken = set()
        for axis in every:
            names = _axis_names(axis)
            if taken & names:
                twice = "', '".join(sorted(taken & names))
                raise ValueError(f"params: '{twice}' is given twice")
            taken |= names
        return _store("params", target, PARAMS, Params(every))

    return decorate
