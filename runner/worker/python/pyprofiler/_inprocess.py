"""ProfilerCase.runCases: an object's cases, one after the other in this process.

For scripts written for the predecessor. Unlike the runner it protects from nothing but
exceptions of set-up and body, after which tear-down and clean-ups still run.
"""

import sys

from pyprofiler import _discover, _select

_RULE = "-" * 80


def run_cases(case, stream):
    """Run them with standard output going to `stream`."""
    cls = type(case)
    stdout = sys.stdout
    case._stream = stream
    sys.stdout = stream
    try:
        for name in _discover._method_names(cls):
            if case._only is None or name == case._only:
                _run_method(case, getattr(case, name), stream)
    finally:
        sys.stdout = stdout
        case._stream = None


def _run_method(case, method, stream):
    reason = _why_not(case, method)
    for suffix, kwargs in _parameter_sets(method):
        title = f"{type(case).__name__}:{method.__name__}{suffix}"
        status = "Running" if reason is None else "Skipping"
        # the predecessor's streams make a line of each write, others need the newline
        stream.write(_RULE + "\n")
        stream.write(f"{status}: {title}\n")
        stream.write(_RULE + "\n")
        if reason is not None:
            stream.write(f"\t{reason}\n")
        else:
            _run_one(case, method, kwargs)
            case._profiler.report(stream)


def _parameter_sets(method):
    sets = getattr(method, _select.PARAMS, None)
    if sets is None:
        return [("", {})]
    return [(f"[{text}]", kwargs) for text, kwargs in sets]


def _run_one(case, method, kwargs):
    from pyprofiler._driver import bind

    body = bind(method, kwargs)
    if _discover._is_async(method):
        body = _awaiting(method, kwargs)
    try:
        case.setUp()
        try:
            with case._profiler as profiler:
                profiler(body)
        finally:
            case.tearDown()
    finally:
        case.doCleanups()


def _awaiting(method, kwargs):
    import asyncio

    def body():
        return asyncio.run(method(**kwargs))

    body.__name__ = method.__name__
    body.__qualname__ = method.__qualname__
    return body


def _why_not(case, method):
    """Why the method is skipped under the case's profiler, or None."""
    reason = _discover._skip_reason(type(case), method)
    if reason is not None:
        return f"Marked as `skipped` by user: {reason}"
    names = profiler_names(case._profiler)
    accepted = _discover._accepted(type(case), method)
    if names & set(_discover._rejected(type(case), method)) or (
        accepted is not None and not names & {*accepted, "passthrough"}
    ):
        return f"Does not support {type(case._profiler).__name__}"
    return None


def profiler_names(profiler):
    """All names of a profiler object."""
    from pyprofiler._profilers import ProfilerFactory

    return {n for n, c in ProfilerFactory.callables.items() if c is type(profiler)}
