"""The line profiler against a counter made of sys.settrace, and where that cannot tell:
times, choices of functions, crashes, the case's own trace functions."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import line_programs
import prf_host
from host_tools import profile, raising_profile

CASE = line_programs.__file__
MONITORING = sys.version_info >= (3, 12)


def label(code):
    return (code.co_filename, code.co_firstlineno, code.co_name)


def truth(body, chosen=lambda code: code.co_filename == CASE):
    """(function, line) -> hits, by the standard trace function on all threads. It has an
    event for each turn of a loop in one line too, which sys.monitoring has not."""
    hits = {}
    lock = threading.Lock()

    def of_frame():
        last = None

        def local(frame, event, arg):
            nonlocal last
            if event == "line" and not (MONITORING and frame.f_lineno == last):
                with lock:
                    key = label(frame.f_code), frame.f_lineno
                    hits[key] = hits.get(key, 0) + 1
                last = frame.f_lineno
            return local

        return local

    def trace(frame, event, arg):
        wanted = chosen(frame.f_code) and frame.f_code.co_flags & 1  # a function
        return (frame.f_trace or of_frame()) if wanted else None

    threading.settrace(trace)
    sys.settrace(trace)
    try:
        body()
    finally:
        sys.settrace(None)
        threading.settrace(None)
    return hits


def hits_of(recording):
    result = {}
    for row in recording["sites"]:
        key = row["code"], row["line"]
        result[key] = result.get(key, 0) + row["hits"]
    return {key: hits for key, hits in result.items() if hits}


def line(body, options=None, case_file=CASE, **how):
    return profile("line", body, options, case_file=case_file, **how)[1]


@pytest.mark.parametrize("program", line_programs.PROGRAMS, ids=lambda p: p.__name__)
def test_hits_are_those_of_a_trace_function(program):
    program()  # imports and caches of the library are done
    expected = truth(program)
    recording = line(program)
    assert hits_of(recording) == expected
    assert recording["lost"] == 0
    assert recording["notes"] == []
    assert all(row["time"] >= 0 for row in recording["sites"])


def test_alias():
    recording = profile("line-profiler", line_programs.loops, case_file=CASE)[1]
    assert hits_of(recording) == truth(line_programs.loops)
