"""Finds the extension module `_pyprofiler`: in the worker it is there already, a wheel
has it beside this package, an installation and a build tree keep one per Python version
as prf-py3XY.so.
"""

import os
import sys


def load():
    """The module. ImportError: there is none for this interpreter."""
    module = sys.modules.get("_pyprofiler")
    if module is not None:
        return module
    try:
        import _pyprofiler
    except ModuleNotFoundError:
        return _load_plugin()
    return _pyprofiler


def _load_plugin():
    from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
    from importlib.util import module_from_spec

    name = "prf-py%d%d.so" % sys.version_info[:2]
    folders = list(_folders())
    for folder in folders:
        path = os.path.join(folder, name)
        if not os.path.exists(path):  # a wheel's, for an interpreter that lacks it
            path = os.path.join(folder, "_pyprofiler" + EXTENSION_SUFFIXES[0])
        if os.path.exists(path):
            loader = ExtensionFileLoader("_pyprofiler", path)
            module = module_from_spec(ModuleSpec("_pyprofiler", loader, origin=path))
            loader.exec_module(module)
            sys.modules["_pyprofiler"] = module
            return module
    raise ImportError(
        f"pyprofiler has no extension module for Python {sys.version_info[0]}."
        f"{sys.version_info[1]}: no _pyprofiler on sys.path, no {name} in "
        + " or ".join(folders)
        + "; install pyprofiler with this interpreter's pip",
        name="_pyprofiler",
    )


def _folders():
    """Where plugins may lie: $PYPROFILER_LIBEXEC, PREFIX/lib/pyprofiler, beside us."""
    named = os.environ.get("PYPROFILER_LIBEXEC")
    if named:
        yield named
    here = os.path.dirname(os.path.abspath(__file__))
    yield os.path.dirname(here)
    # PREFIX/share/pyprofiler/python/pyprofiler
    yield os.path.normpath(os.path.join(here, *[os.pardir] * 4, "lib", "pyprofiler"))
