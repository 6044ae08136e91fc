"""The examples that sessions grew from, word for word but for the package's name."""

import gc
import os
import subprocess
import sys
import textwrap

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    gc.collect()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYPROFILER_NO_STORE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(folder, code):
    (folder / "example.py").write_text(textwrap.dedent(code))
    done = subprocess.run([sys.executable, "example.py"], capture_output=True, text=True,
                          cwd=folder, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


SIMPLE_DECORATOR = """
import pyprofiler

# Simple decorator usage
@pyprofiler.profile()
def my_function():
    # Your code here
    data = [i ** 2 for i in range(1000)]
    return sum(data)

result = my_function()
"""

CONTEXT_MANAGER = """
# Context manager usage
with pyprofiler.profile() as session:
    # Your code here
    my_expensive_operation()

print(f"Profiling completed in {session.duration:.3f}s")
print(f"Profilers used: {', '.join(session.get_completed_profilers())}")
"""

ADVANCED = """
from pyprofiler import ProfileConfig, ProfilerSuite

# Custom configuration
config = ProfileConfig(
    line_profiling=True,        # line_profiler integration
    memory_profiling=True,      # memory_profiler integration
    call_profiling=True,        # cProfile integration
    sampling_profiling=True,    # py-spy integration (Unix only)
    output_dir="./profiling_results",
    create_visualizations=True
)

# For minimal overhead (e.g., profiling Pycroscope itself)
minimal_config = config.with_minimal_overhead()

# Use the profiler suite
suite = ProfilerSuite(config)
with suite.profile() as session:
    # Your code here
    pass
"""

DOGFOODING = """
import pyprofiler

# This works without any special handling!
@pyprofiler.profile()
def analyze_profiling_data(session_data):
    # Pycroscope analyzing its own profiling results
    return perform_analysis(session_data)

# Or use minimal overhead for sensitive scenarios
config = pyprofiler.ProfileConfig().with_minimal_overhead()
suite = pyprofiler.ProfilerSuite(config)

with suite.profile():
    # Profile Pycroscope's internal operations
    pyprofiler_internal_function()
"""

OLD_WAY = """
# Old way (1.x)
from pyprofiler import enable_profiling
profiler = enable_profiling(config)
"""

NEW_WAY = """
# New way (2.0)
import pyprofiler
with pyprofiler.profile() as session:
    # Your code
    pass
"""

ONE_LINE = """
# Single line enables full instrumentation
from pyprofiler import ProfilerSuite
ProfilerSuite.enable_profiling()

# Target code runs with complete data collection
import target_package
result = target_package.analyze_data(test_data)
"""


def test_simple_decorator(folder):
    out = run(folder, SIMPLE_DECORATOR + """
print(result, my_function.session.get_completed_profilers())
""")
    assert out == "332833500 ['memory', 'sampling', 'line', 'call']\n"


def test_context_manager(folder):
    out = run(folder, """
import pyprofiler
def my_expensive_operation():
    return sum(i * i for i in range(10))
""" + CONTEXT_MANAGER)
    first, second = out.splitlines()
    assert first.startswith("Profiling completed in 0.") and first.endswith("s")
    assert second == "Profilers used: memory, sampling, line, call"


def test_advanced_configuration(folder):
    out = run(folder, ADVANCED + """
print(session.conflicts, minimal_config)
with ProfilerSuite(minimal_config).profile(output_dir=None) as session:
    pass
print(session.get_completed_profilers())
""")
    assert out.splitlines() == [
        "[] ProfileConfig(line_profiling=False, call_profiling=False, "
        "output_dir='./profiling_results', sampling_interval=0.01, memory_interval=1.0)",
        "['memory', 'sampling']"]
    assert {"memory.svg", "call.json", "sampling.json", "line.txt"} <= set(
        os.listdir(folder / "profiling_results"))


def test_dogfooding(folder):
    out = run(folder, """
import pyprofiler
def perform_analysis(session):
    return [r.as_dict()["status"] for r in session.results.values()], session.report()
with pyprofiler.profile() as first:
    sum(range(10))
def pyprofiler_internal_function():
    first.export("call", "json")
""" + DOGFOODING + """
statuses, report = analyze_profiling_data(first)
print(statuses)
names = [s["function"] for s in analyze_profiling_data.session.results["call"].sites]
print("ProfilerResult.as_dict" in names)
""")
    assert out == "['ok', 'ok', 'ok', 'ok']\nTrue\n"


def test_both_ways(folder):
    out = run(folder, """
from pyprofiler import ProfileConfig, disable_profiling
config = ProfileConfig(sampling_profiling=False)
""" + OLD_WAY + """
disable_profiling()
print(profiler.get_completed_profilers())
""" + NEW_WAY + """
print(session.get_completed_profilers())
""")
    assert out.splitlines() == ["['memory', 'line', 'call']",
                                "['memory', 'sampling', 'line', 'call']"]


def test_one_line(folder):
    (folder / "target_package.py").write_text("def analyze_data(data):\n    return sum(data)\n")
    out = run(folder, "test_data = [1, 2, 3]\n" + ONE_LINE + """
session = ProfilerSuite.disable_profiling()
calls = {s["function"]: s["calls"] for s in session.results["call"].sites}
print(result, calls["analyze_data"], session.get_completed_profilers())
""")
    assert out == "6 1 ['memory', 'sampling', 'line', 'call']\n"
