"""Runs in each Python process that a traced case starts: this folder stands first in the
PYTHONPATH that the process inherits. Makes the tracer ready here, too, and is gone then:
the sitecustomize that would have been imported without us is imported, traced. Without
one the import fails, as it would have, and tracing begins when `site` drops the error.

PYPROFILER_TRACE holds lines of the form name=value: `plugin`, the shared object to load;
`python`, the version it is for; and what trace_child of that object reads. A Python of
another version, or one in which something goes wrong, runs on untraced."""

import _frozen_importlib as _importlib
import os
import sys


def _ready(text):
    """What begins the trace when it is freed, or None. Imports nothing that the process
    would not have."""
    fields = dict(line.split("=", 1) for line in text.splitlines())
    helper = any("multiprocessing.resource_tracker" in word for word in sys.orig_argv)
    worker = "pyprofiler-worker" in os.readlink("/proc/self/exe")  # a profiler's own
    if fields["python"] != "%x" % sys.hexversion or helper or worker:
        return None
    import _frozen_importlib_external as external

    loader = external.ExtensionFileLoader("_pyprofiler", fields["plugin"])
    spec = _importlib.ModuleSpec("_pyprofiler", loader, origin=fields["plugin"])
    module = _importlib.module_from_spec(spec)
    loader.exec_module(module)
    sys.modules.pop("_pyprofiler", None)  # extension modules enter themselves
    return module.trace_child(text)


def _step_aside():
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    for path in [path for path in sys.path_importer_cache if os.path.abspath(path) == here]:
        del sys.path_importer_cache[path]
    del sys.modules[__name__]


_start = None
try:
    _start = _ready(os.environ["PYPROFILER_TRACE"])
except Exception:
    pass  # whatever it is: the program matters more than its trace
_step_aside()
_spec = _importlib._find_spec(__name__, None)
if _spec is None:
    _error = ModuleNotFoundError(f"No module named {__name__!r}", name=__name__)
    _error._start, _start = _start, None
    try:
        raise _error
    finally:
        del _error
_start = None
_importlib._load_unlocked(_spec)
