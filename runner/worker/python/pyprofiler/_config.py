"""What a session measures and what becomes of it: ProfileConfig.

Every field is checked when a configuration is made, so a mistake is told where it was
written and not where it has an effect.
"""

import os

_REQUIRED = object()


def _type_name(value):
    return type(value).__qualname__


def _bool(value):
    return value if isinstance(value, bool) else _REQUIRED


def _text(value):
    return value if isinstance(value, str) and value.strip() else _REQUIRED


def _optional_text(value):
    return None if value is None else _text(value)


def _path(value):
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        return path if isinstance(path, str) and path else _REQUIRED
    return _REQUIRED


def _optional_path(value):
    return None if value is None else _path(value)


def _store(value):
    return value if isinstance(value, bool) else _path(value)


def _texts(value):
    if isinstance(value, (list, tuple)) and all(_text(x) is not _REQUIRED for x in value):
        return tuple(value)
    return _REQUIRED


class _Field:
    """One field: `check` gives the value that is kept or _REQUIRED: a wrong type."""

    def __init__(self, default, check, accepts, low=None, high=None, words=None):
        self.default = default
        self.check = check
        self.accepts = accepts
        self.low, self.high, self.words = low, high, words

    def take(self, name, value):
        kept = self.check(value)
        if kept is _REQUIRED:
            wrong = ValueError if self.check(self._like(value)) is not _REQUIRED else TypeError
            raise wrong(
                f"{name} is {value!r} ({_type_name(value)}); it takes {self.accepts}"
            )
        outside = self.low is not None and not self.low <= kept <= self.high
        if outside or (self.words is not None and kept not in self.words):
            raise ValueError(f"{name} is {value!r}; it takes {self.accepts}")
        return kept

    @staticmethod
    def _like(value):
        """Another value of that type: is it the type that is wrong?"""
        return "x" if isinstance(value, str) else value


def _seconds(value):
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return _REQUIRED


_FLAG = "True or False"
_FIELDS = {
    "line_profiling": _Field(True, _bool, _FLAG),
    "memory_profiling": _Field(True, _bool, _FLAG),
    "call_profiling": _Field(True, _bool, _FLAG),
    "sampling_profiling": _Field(True, _bool, _FLAG),
    "output_dir": _Field(None, _optional_path, "the path of a folder, or None"),
    "create_visualizations": _Field(False, _bool, _FLAG),
    "name": _Field(None, _optional_text, "a text that is not empty, or None"),
    "store": _Field(True, _store, "True, False, or the path of a store"),
    "sampling_interval": _Field(
        0.001, _seconds, "seconds from 0.0001 to 60", low=0.0001, high=60
    ),
    "memory_interval": _Field(
        0.1, _seconds, "seconds from 0.001 to 3600", low=0.001, high=3600
    ),
    "c_functions": _Field(True, _bool, _FLAG),
    "functions": _Field((), _texts, "a list of patterns as the profiler 'line' takes them"),
    "on_conflict": _Field(
        "raise", _text, "'raise' or 'skip'", words=("raise", "skip")
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
