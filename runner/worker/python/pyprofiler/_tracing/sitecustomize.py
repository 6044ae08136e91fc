"""Runs in each Python process that a traced case starts: this folder stands first in the
PYTHONPATH that the process inherits. Starts the tracer here, too, then makes room for the
sitecustomize that would have been imported without us.

PYPROFILER_TRACE holds lines of the form name=value: `plugin`, the shared object to load;
`python`, the version it is for; and what trace_child of that object reads. A Python of
another version, or one in which something goes wrong, runs on untraced."""

import os
import sys


def _start(text):
    fields = dict(line.split("=", 1) for line in text.splitlines())
    helper = any("multiprocessing.resource_tracker" in word for word in sys.orig_argv)
    worker = "pyprofiler-worker" in os.readlink("/proc/self/exe")  # a profiler's own
    if fields["python"] != "%x" % sys.hexversion or helper or worker:
        return None
    from importlib.machinery import ExtensionFileLoader
    from importlib.util import module_from_spec, spec_from_loader

    loader = ExtensionFileLoader("_pyprofiler", fields["plugin"])
    module = module_from_spec(spec_from_loader("_pyprofiler", loader))
    loader.exec_module(module)
    return module.trace_child


def _step_aside():
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    return sys.modules.pop("sitecustomize")


_trace_child = None
try:
    _trace_child = _start(os.environ["PYPROFILER_TRACE"])
except Exception:
    pass  # whatever it is: the program matters more than its trace
_ours = _step_aside()
if _trace_child is not None:
    _trace_child(os.environ["PYPROFILER_TRACE"])
try:
    import sitecustomize
except ImportError as error:
    if getattr(error, "name", "sitecustomize") != "sitecustomize":
        raise
    sys.modules["sitecustomize"] = _ours  # the import of us must find it
