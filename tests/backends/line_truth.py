"""How often lines run, counted by the standard trace function."""

import sys
import threading

MONITORING = sys.version_info >= (3, 12)


def label(code):
    return (code.co_filename, code.co_firstlineno, code.co_name)


def truth(body, file):
    """(function, line) -> hits of the functions in a file, on all threads. The standard
    trace function has an event for each turn of a loop in one line too: not a hit."""
    hits = {}
    lock = threading.Lock()

    def of_frame():
        last = None

        def local(frame, event, arg):
            nonlocal last
            if event == "line" and frame.f_lineno != last:
                with lock:
                    key = label(frame.f_code), frame.f_lineno
                    hits[key] = hits.get(key, 0) + 1
                last = frame.f_lineno
            return local

        return local

    def trace(frame, event, arg):
        code = frame.f_code
        is_function = code.co_flags & 1
        if code.co_filename == file and is_function:
            return frame.f_trace or of_frame()
        return None

    threading.settrace(trace)
    sys.settrace(trace)
    try:
        body()
    finally:
        sys.settrace(None)
        threading.settrace(None)
    return hits


def amounts(recording, column):
    """(function, line) -> sum of a column."""
    result = {}
    for row in recording["sites"]:
        key = row["code"], row["line"]
        result[key] = result.get(key, 0) + row[column]
    return result
