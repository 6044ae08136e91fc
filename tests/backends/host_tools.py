"""What the tests of backends share: running a callable under one, and reading it back."""

import glob
import os
import tempfile

import prf_host


def remove(path):
    """The recording and those of its child processes."""
    for name in [path, *glob.glob(path + ".*")]:
        os.unlink(name)


def profile(profiler, body, options=None, **how):
    """(what run returned, the recording as a dict)."""
    handle, path = tempfile.mkstemp(suffix=".rec")
    os.close(handle)
    try:
        counts = prf_host.run(profiler, body, path, options or {}, **how)
        return counts, prf_host.read(path)
    finally:
        remove(path)


def raising_profile(profiler, body, options=None, **how):
    """(the exception, the recording)."""
    handle, path = tempfile.mkstemp(suffix=".rec")
    os.close(handle)
    try:
        try:
            prf_host.run(profiler, body, path, options or {}, **how)
        except BaseException as exception:
            return exception, prf_host.read(path)
        raise AssertionError("the body did not raise")
    finally:
        remove(path)


def sites(recording):
    """(file, line, name) -> (primitive calls, calls); one name may have several codes."""
    result = {}
    for row in recording["sites"]:
        primitive, calls = result.get(row["code"], (0, 0))
        result[row["code"]] = (primitive + row["primitive_calls"], calls + row["calls"])
    return result


def edges(recording):
    result = {}
    for row in recording["edges"]:
        key = row["caller"], row["callee"]
        primitive, calls = result.get(key, (0, 0))
        result[key] = (primitive + row["primitive_calls"], calls + row["calls"])
    return result


def by_name(recording):
    return {key[2]: counts for key, counts in sites(recording).items()}
