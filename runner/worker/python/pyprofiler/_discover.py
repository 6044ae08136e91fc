"""Which cases a module has. Called by the worker after the import of a case file."""

import os
import sys

from pyprofiler import _select
from pyprofiler._case import ProfilerCase

_CO_GENERATOR = 0x20
_CO_COROUTINE = 0x80
_CO_ASYNC_GENERATOR = 0x200

_HASH_KEY = 0x70726F66  # any constant; another one makes every stored hash differ


def cases(module, file):
    """The cases of `module` as dicts, classes and methods alphabetical.

    `class` is the name under which the module has the class, `type` the class itself,
    `kwargs` the parameters of the call and `params_id` their text, None without any.
    """
    found = []
    for name, cls in _case_classes(module):
        for method in _method_names(cls):
            found.extend(_cases_of(name, cls, method, file))
    return found


def foreign(root, own):
    """Warnings about modules from below the folder `root` that are not below `own`.

    Both are absolute. Modules of an interpreter or a virtual environment in `root`, of
    installed packages and of this package may lie anywhere.
    """
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    prefixes = [p for p in (sys.prefix, sys.base_prefix) if _below(p, root)]
    spared = [own, here, *prefixes]
    found = {}
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not _below(file, root):
            continue
        if "site-packages" in file or any(_below(file, folder) for folder in spared):
            continue
        found.setdefault(name.partition(".")[0], file)
    return [
        f"module '{name}' was loaded from '{file}', not from the tree that is measured"
        for name, file in found.items()
    ]


def _below(file, folder):
    return bool(folder) and os.path.abspath(file).startswith(folder.rstrip("/") + "/")


def _case_classes(module):
    """(name, class) of what is defined in the module, not imported into it."""
    classes = {}
    for name, value in vars(module).items():
        if (
            isinstance(value, type)
            and issubclass(value, ProfilerCase)
            and value.__module__ == module.__name__
            and not getattr(value, "__abstractmethods__", None)
            # of two names for one class, its own counts
            and (value not in classes or name == value.__name__)
        ):
            classes[value] = name
    return sorted((name, cls) for cls, name in classes.items())


def _method_names(cls):
    names = [n for n in dir(cls) if n.startswith("profile_")]
    return [n for n in names if callable(getattr(cls, n))]


def _cases_of(class_name, cls, method, file):
    function = getattr(cls, method)
    code = _code(function)
    case = {
        "class": class_name,
        "type": cls,
        "method": method,
        "params_id": None,
        "kwargs": {},
        "file": code.co_filename if code is not None else file,
        "line": code.co_firstlineno if code is not None else 0,
        "hash": source_hash(function, code, method),
        "is_async": _is_async(function),
        "doc": _doc(function),
        "skip": _skip_reason(cls, function),
        "accept": _accepted(cls, function),
        "reject": _rejected(cls, function),
        "budget": _budget(cls, function),
    }
    sets = getattr(function, _select.PARAMS, None)
    if sets is None:
        return [case]
    return [{**case, "params_id": text, "kwargs": kwargs} for text, kwargs in sets]


def _code(function):
    """Code of the method as written: what functools.wraps wrapped is unwrapped."""
    seen = set()
    while (inner := getattr(function, "__wrapped__", None)) is not None:
        if id(function) in seen:
            break
        seen.add(id(function))
        function = inner
    code = getattr(function, "__code__", None)
    return code if hasattr(code, "co_firstlineno") else None


def _flags(function):
    """Of the callable itself: a plain wrapper around a coroutine function is plain."""
    return getattr(getattr(function, "__code__", None), "co_flags", 0)


def _is_async(function):
    # the second: inspect.markcoroutinefunction, 3.12
    return bool(_flags(function) & _CO_COROUTINE) or hasattr(
        getattr(function, "__func__", function), "_is_coroutine_mark"
    )


def _doc(function):
    """First line of the docstring."""
    doc = getattr(function, "__doc__", None)
    if not isinstance(doc, str) or not doc.strip():
        return None
    return doc.strip().splitlines()[0].strip()


def _skip_reason(cls, function):
    for target in (cls, function):
        reason = getattr(target, _select.SKIP, None)
        if reason is None and getattr(target, "__unittest_skip__", False):
            reason = getattr(target, "__unittest_skip_why__", "") or "unittest.skip"
        if reason is not None:
            return str(reason)
    if _flags(function) & (_CO_GENERATOR | _CO_ASYNC_GENERATOR):
        return "a generator function: calling it does not run its body"
    return None


def _accepted(cls, function):
    names = getattr(function, _select.ACCEPT, None)
    if names is None:
        names = getattr(cls, _select.ACCEPT, None)
    return None if names is None else list(names)


def _rejected(cls, function):
    names = [*getattr(function, _select.REJECT, ())]
    for base in cls.__mro__:
        names += vars(base).get(_select.REJECT, ())
    return list(dict.fromkeys(names))


def _budget(cls, function):
    """{metric: limit}, what counts more behind: bases, class, method; None: none."""
    limits = {}
    targets = [vars(base).get(_select.BUDGET) for base in reversed(cls.__mro__)]
    for more in (*targets, getattr(function, _select.BUDGET, None)):
        for name, limit in (more or {}).items():
            limits.pop(name, None)
            limits[name] = limit
    return limits or None


def source_hash(function, code, name):
    """16 hex digits that change when the method is changed.

    Of the byte code, names and constants, so that comments, layout, docstring and line
    numbers do not count; equal on every machine with the same minor version of Python.
    """
    parts = []
    if code is None:
        parts.append(name.encode("utf-8", "backslashreplace"))
    else:
        consts = code.co_consts
        if getattr(function, "__doc__", None) is not None or consts[:1] == (None,):
            consts = consts[1:]  # the docstring, or None in its place
        _hash_material(code, parts, consts)
    # SipHash from the interpreter's core: no import, where hashlib costs 3 ms
    from _imp import source_hash as siphash

    return siphash(_HASH_KEY, b"\0".join(parts)).hex()


def _hash_material(code, parts, consts):
    from marshal import dumps

    header = (code.co_name, code.co_names, code.co_varnames, code.co_cellvars)
    # marshal's version 0: no references or interning, which vary between runs
    parts += (code.co_code, dumps(header, 0), dumps(code.co_freevars, 0))
    for const in consts:
        if hasattr(const, "co_code"):
            _hash_material(const, parts, const.co_consts)
        else:
            try:
                parts.append(dumps(const, 0))
            except ValueError:  # a slice, 3.14
                parts.append(repr(const).encode("utf-8", "backslashreplace"))
