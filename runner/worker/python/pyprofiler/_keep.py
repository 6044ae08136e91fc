"""Stores sessions as runs: a manifest for the command `pyprofiler import`.

Whatever goes wrong here is a StoreError; a session makes a warning of it.
"""

import json
import os
import sys


class StoreError(Exception):
    """Why a session was not stored."""


def switched_off():
    """By the environment: PYPROFILER_NO_STORE with anything but "" and "0"."""
    return os.environ.get("PYPROFILER_NO_STORE", "") not in ("", "0")


def manifest(session):
    """The document that describes an ended session to `pyprofiler import`."""
    place = session._place
    return {
        "schema": "pyprofiler/session/1",
        "case": session.case,
        "file": place.file,
        "line": place.line,
        "hash": place.hash,
        "root": place.root,
        "started_ns": session.started_ns,
        "duration_ns": session.duration_ns,
        "command": _command(),
        "python": {
            "version": ".".join(map(str, sys.version_info[:3])),
            "implementation": "CPython",
            "executable": sys.executable or None,
            "flags": None,
            "host": "python",
        },
        "status": session.status,
        "reason": session.reason,
        "traceback": session.traceback,
        "results": [
            {
                "profiler": result.profiler,
                "options": result.options,
                "recording": result.recording,
            }
            for result in session.results.values()
        ],
    }


def _command():
    from shlex import join

    return join(["python", *(str(word) for word in getattr(sys, "argv", ()))])


def store(session):
    """Run the command; what it prints, as a dict: "run", "store", "results"."""
    import subprocess

    from pyprofiler import _runner

    program = _runner.find("pyprofiler")
    if program is None:
        raise StoreError(_runner.missing("pyprofiler"))
    words = [program, "import", "-"]
    if not isinstance(session.config.store, bool):
        words.append("--store=" + os.path.abspath(session.config.store))
    try:
        done = subprocess.run(
            words,
            input=json.dumps(manifest(session)).encode("utf-8", "backslashreplace"),
            capture_output=True,
            timeout=120,
        )
        if done.returncode != 0:
            text = done.stderr.decode("utf-8", "replace").strip()
            raise StoreError(text.rpartition("\n")[2] or f"exit code {done.returncode}")
        return json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as e:
        raise StoreError(str(e)) from e
