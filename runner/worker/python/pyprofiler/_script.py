"""Makes the interpreter look as at the start of `python script.py`, `python -m module` or
`python -c code`. Called by the worker, in the process in which the script will run.
"""

import os
import sys

_HASH_KEY = 0x70726F67  # any constant; another one makes every stored hash differ


def prepare(kind, what, argv):
    """sys.argv, sys.orig_argv, sys.path[0] and `__main__` as Python sets them.

    `kind` is "file", "module" or "code", `what` the path, the module's name or the code,
    `argv` what follows it; all bytes. Returns (file, hash, package, path0): the absolute
    path of the source or None, 16 hex digits that change with it or None, whether `what` is
    a folder or archive to be run through its `__main__.py`, and what was put first on
    sys.path or None.
    """
    what, argv = os.fsdecode(what), [os.fsdecode(word) for word in argv]
    _clean_main()
    first = {"file": [what], "module": ["-m"], "code": ["-c"]}[kind]
    words = {"file": [what], "module": ["-m", what], "code": ["-c", what]}[kind]
    sys.argv = first + argv
    sys.orig_argv = [sys.executable, *words, *argv]
    if kind == "file":
        return _prepare_file(what)
    path0 = None
    if not sys.flags.safe_path:
        path0 = os.getcwd() if kind == "module" else ""
        sys.path.insert(0, path0)
    if kind == "module":
        return *_source(_module_file(what)), False, path0
    return None, _hash(what.encode("utf-8", "surrogateescape")), False, path0


def _clean_main():
    """Inside the user's own executable the worker was started by `-c`: its frame keeps
    the names of that `__main__`, so the script gets another one.
    """
    old = vars(sys.modules["__main__"])
    others = [name for name in old if not name.startswith("__")]
    if not others:
        return
    main = type(sys)("__main__")
    vars(main).clear()
    vars(main).update((k, v) for k, v in old.items() if k.startswith("__"))
    sys.modules["__main__"] = main
    for name in others:
        del old[name]
    if sys.path[:1] == [""]:
        del sys.path[0]


def _prepare_file(path):
    full = absolute(path)
    if _is_importable(full):
        sys.path.insert(0, full)
        inner = os.path.join(full, "__main__.py")
        return *_source(inner if os.path.exists(inner) else full), True, full
    path0 = None
    if not sys.flags.safe_path:
        path0 = os.path.dirname(os.path.realpath(path))
        sys.path.insert(0, path0)
    return *_source(full), False, path0


def absolute(path):
    """As Python makes the path of a script absolute: not normalised otherwise."""
    return os.path.join(os.getcwd(), path)


def _is_importable(path):
    """A folder or archive: something that can stand on sys.path."""
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False


def _module_file(name):
    """Source of `python -m name`, found without importing its packages; or None."""
    from importlib.machinery import PathFinder

    folders, spec = None, None
    parts = name.split(".")
    for i in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: i + 1]), folders)
        if spec is None:
            return None
        folders = spec.submodule_search_locations
    if folders is not None:
        spec = PathFinder.find_spec(name + ".__main__", folders)
    return spec.origin if spec is not None else None


def _source(path):
    try:
        with open(path, "rb") as file:
            return path, _hash(file.read())
    except (OSError, TypeError):
        return path, None


def _hash(data):
    # SipHash from the interpreter's core: no import, where hashlib costs 3 ms
    from _imp import source_hash

    return source_hash(_HASH_KEY, data).hex()


def is_script_file(path):
    with open(path, "rb") as file:
        return is_script(file.read())


def is_script(data):
    """Is the source, bytes, a program to be run, and not a file of cases? None: it cannot
    be parsed. Nothing of it is executed.

    Cases are a mention of ProfilerCase, a class with `profile_` methods, or a class with a
    base where nothing at the top level runs.
    """
    import _ast

    try:
        tree = compile(data, "", "exec", _ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    runs, derives = False, False
    for node in tree.body:
        if isinstance(node, _ast.ClassDef):
            derives = derives or bool(node.bases)
            if any(_is_case_method(inner, _ast) for inner in node.body):
                return False
        else:
            runs = runs or _runs(node, _ast)
    return runs and not _mentions_cases(tree, _ast)


def _is_case_method(node, _ast):
    kinds = (_ast.FunctionDef, _ast.AsyncFunctionDef)
    return isinstance(node, kinds) and node.name.startswith("profile_")


def _runs(node, _ast):
    """Does the statement do more than define, import or name something?"""
    if isinstance(node, _ast.Expr):
        return not isinstance(node.value, _ast.Constant)
    if isinstance(node, (_ast.Assign, _ast.AnnAssign, _ast.AugAssign)):
        return _calls(node.value, _ast)
    definitions = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef, _ast.Pass)
    return not isinstance(node, (_ast.Import, _ast.ImportFrom, *definitions))


def _children(node, _ast):
    for field in node._fields:
        value = getattr(node, field, None)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, _ast.AST):
                yield item


def _calls(node, _ast):
    todo = [node] if node is not None else []
    while todo:
        node = todo.pop()
        if isinstance(node, (_ast.Call, _ast.Await)):
            return True
        if not isinstance(node, _ast.Lambda):
            todo.extend(_children(node, _ast))
    return False


def _mentions_cases(tree, _ast):
    todo = [tree]
    while todo:
        node = todo.pop()
        name = (
            node.id
            if isinstance(node, _ast.Name)
            else node.attr
            if isinstance(node, _ast.Attribute)
            else node.name
            if isinstance(node, _ast.alias)
            else None
        )
        if name == "ProfilerCase":
            return True
        todo.extend(_children(node, _ast))
    return False
