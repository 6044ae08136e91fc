"""What a session measures and what becomes of it: ProfileConfig.

Every field is checked when a configuration is made, so a mistake is told where it was
written and not where it has an effect.
"""

import os


class _Field:
    """One field: what it takes, in words and as a check.

    `types` are those it may have; `keep` gives the value that is kept, ValueError: it
    is not one that can be.
    """

    def __init__(self, default, types, accepts, keep=lambda value: value):
        self.default = default
        self.types = types
        self.accepts = accepts
        self.keep = keep

    def take(self, name, value):
        # True is an int, but no number of seconds
        fits = isinstance(value, self.types) and (
            bool in self.types or not isinstance(value, bool)
        )
        try:
            if fits:
                return self.keep(value)
        except (TypeError, ValueError):
            pass
        raise (ValueError if fits else TypeError)(
            f"{name} is {value!r} ({type(value).__qualname__}); it takes {self.accepts}"
        )


def _text(value):
    if value is None:
        return value
    value.encode()  # UnicodeEncodeError is a ValueError
    if "\0" in value or not value.strip():
        raise ValueError
    return value


def _path(value):
    if value is None or isinstance(value, bool):
        return value
    path = os.fspath(value)
    if not isinstance(path, str) or "\0" in os.fsdecode(os.fsencode(path)):
        raise ValueError
    if not path.strip():
        raise ValueError
    return path


def _texts(value):
    if all(isinstance(text, str) for text in value):
        return tuple(_text(text) for text in value)
    raise ValueError


def _within(low, high):
    def keep(value):
        if low <= value <= high:  # false for a NaN
            return float(value)
        raise ValueError

    return keep


def _word(*words):
    def keep(value):
        if value in words:
            return value
        raise ValueError

    return keep


_NONE = type(None)


def _flag(default):
    return _Field(default, (bool,), "True or False")


def _seconds(default, low, high):
    accepts = f"seconds from {low:g} to {high:g}"
    return _Field(default, (int, float), accepts, _within(low, high))


_FIELDS = {
    "line_profiling": _flag(True),
    "memory_profiling": _flag(True),
    "call_profiling": _flag(True),
    "sampling_profiling": _flag(True),
    "output_dir": _Field(
        None, (str, os.PathLike, _NONE), "the path of a folder, or None", _path
    ),
    "create_visualizations": _flag(False),
    "name": _Field(None, (str, _NONE), "a text that is not empty, or None", _text),
    "store": _Field(
        True, (bool, str, os.PathLike), "True, False, or the path of a store", _path
    ),
    "sampling_interval": _seconds(0.001, 0.0001, 10),
    "memory_interval": _seconds(0.1, 0.001, 3600),
    "c_functions": _flag(True),
    "functions": _Field(
        (), (list, tuple), "a list of patterns as the profiler 'line' takes them", _texts
    ),
    "on_conflict": _Field(
        "raise", (str,), "'raise' or 'skip'", _word("raise", "skip")
    ),
}

DEFAULT_OUTPUT_DIR = "profiling_results"


def _unknown(names):
    from difflib import get_close_matches

    name = min(names)
    near = get_close_matches(name, _FIELDS, 1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    return TypeError(
        f"ProfileConfig has no field {name!r}{hint}; its fields are " + ", ".join(_FIELDS)
    )


class ProfileConfig:
    """What a session measures; see docs/sessions.md for the fields. Immutable.

    TypeError, ValueError: a field with what it was given and what it takes; a field
    that does not exist.
    """

    __slots__ = tuple(_FIELDS)

    def __init__(self, **fields):
        unknown = fields.keys() - _FIELDS.keys()
        if unknown:
            raise _unknown(unknown)
        for name, field in _FIELDS.items():
            value = field.take(name, fields[name]) if name in fields else field.default
            object.__setattr__(self, name, value)

    def __setattr__(self, name, value):
        raise AttributeError(f"a ProfileConfig does not change: use replace({name}=...)")

    def __delattr__(self, name):
        raise AttributeError("a ProfileConfig does not change")

    def as_dict(self):
        """All fields by name."""
        return {name: getattr(self, name) for name in _FIELDS}

    def replace(self, **changes):
        """A copy with other values."""
        return type(self)(**{**self.as_dict(), **changes})

    def with_minimal_overhead(self):
        """A copy that disturbs the least: stacks sampled at 100 Hz and memory once in a
        second, no call or line is observed, no picture drawn."""
        return self.replace(
            line_profiling=False,
            call_profiling=False,
            sampling_profiling=True,
            sampling_interval=max(self.sampling_interval, 0.01),
            memory_interval=max(self.memory_interval, 1.0),
            create_visualizations=False,
        )

    def __eq__(self, other):
        if not isinstance(other, ProfileConfig):
            return NotImplemented
        return self.as_dict() == other.as_dict()

    def __hash__(self):
        return hash(tuple(self.as_dict().values()))

    def __repr__(self):
        """What differs from the defaults."""
        given = (
            f"{name}={getattr(self, name)!r}"
            for name, field in _FIELDS.items()
            if getattr(self, name) != field.default
        )
        return f"ProfileConfig({', '.join(given)})"

    def __reduce__(self):
        return _restore, (type(self), self.as_dict())


def _restore(cls, fields):
    return cls(**fields)
