"""The examples that pieces grew from, word for word but for the package's name (loops and
sleeps are shortened when they run)."""

import os
import re
import subprocess
import sys

import pytest

BASIC_FUNCTION_PROFILING = """\
from pyprofiler import profile, get_profiler

@profile
def slow_function():
    total = 0
    for i in range(1000000):
        total += i
    return total

@profile
def fast_function():
    return sum(range(100))

# Run functions
result1 = slow_function()
result2 = fast_function()

# Get profiling report
profiler = get_profiler()
profiler.print_report()
"""

PROFILING_CODE_BLOCKS = """\
from pyprofiler import profile_block, get_profiler

def process_data():
    with profile_block("data_loading"):
        # Simulate data loading
        data = list(range(100000))
    
    with profile_block("data_processing"):
        # Simulate processing
        processed = [x * 2 for x in data]
    
    with profile_block("data_saving"):
        # Simulate saving
        result = sum(processed)
    
    return result

# Run function
result = process_data()

# Print report
profiler = get_profiler()
profiler.print_report()
"""

CUSTOM_PROFILER_INSTANCE = """\
from pyprofiler import create_profiler

# Create a dedicated profiler
profiler = create_profiler()

@profiler.profile_function
def my_function():
    return sum(range(10000))

# Run and analyze
my_function()
my_function()
my_function()

stats = profiler.get_function_stats("my_function")
print(f"Called {stats.call_count} times")
print(f"Average time: {stats.get_avg_time()*1000:.2f}ms")
print(f"Total time: {stats.total_time:.4f}s")
"""

FINDING_PERFORMANCE_HOTSPOTS = """\
from pyprofiler import profile, get_profiler

@profile
def expensive_operation():
    result = 0
    for i in range(1000000):
        result += i ** 2
    return result

@profile
def cheap_operation():
    return sum(range(100))

# Run multiple times
for _ in range(10):
    expensive_operation()
    cheap_operation()

# Find hotspots
profiler = get_profiler()
hotspots = profiler.get_hotspots(limit=5)

print("Performance Hotspots:")
for name, total_time, call_count in hotspots:
    print(f"  {name}: {total_time:.4f}s ({call_count} calls)")
"""

STATISTICAL_ANALYSIS = """\
from pyprofiler import profile, get_profiler
import random
import time

@profile
def variable_function():
    # Simulate variable execution time
    time.sleep(random.uniform(0.001, 0.01))

# Run multiple times
for _ in range(50):
    variable_function()

# Get statistics
profiler = get_profiler()
stats = profiler.get_function_stats("variable_function")

print(f"Statistics for variable_function:")
print(f"  Call count: {stats.call_count}")
print(f"  Average: {stats.get_avg_time()*1000:.2f}ms")
print(f"  Median: {stats.get_median_time()*1000:.2f}ms")
print(f"  Min: {stats.min_time*1000:.2f}ms")
print(f"  Max: {stats.max_time*1000:.2f}ms")
print(f"  P95: {stats.get_percentile(95)*1000:.2f}ms")
print(f"  P99: {stats.get_percentile(99)*1000:.2f}ms")
print(f"  Std Dev: {stats.get_std_dev()*1000:.2f}ms")
"""

FLAME_GRAPH_VISUALIZATION = """\
from pyprofiler import profile, get_profiler

@profile
def task_a():
    sum(range(100000))

@profile
def task_b():
    sum(range(500000))

@profile
def task_c():
    sum(range(1000000))

# Run tasks multiple times
for _ in range(10):
    task_a()
    task_b()
    task_c()

# Generate flame graph
profiler = get_profiler()
flame_graph = profiler.generate_flame_graph_text(width=80)
print(flame_graph)
"""

TIMELINE_VISUALIZATION = """\
from pyprofiler import profile, get_profiler
import time

@profile
def step_1():
    time.sleep(0.01)

@profile
def step_2():
    time.sleep(0.02)

@profile
def step_3():
    time.sleep(0.015)

# Execute steps
step_1()
step_2()
step_3()

# Generate timeline
profiler = get_profiler()
timeline = profiler.generate_timeline_text(limit=50)
print(timeline)
"""

PROFILING_NESTED_FUNCTION_CALLS = """\
from pyprofiler import profile, get_profiler

@profile
def level_3():
    return sum(range(10000))

@profile
def level_2():
    result = 0
    for _ in range(3):
        result += level_3()
    return result

@profile
def level_1():
    result = 0
    for _ in range(2):
        result += level_2()
    return result

# Run nested calls
level_1()

# View call tree
profiler = get_profiler()
call_tree = profiler.get_call_tree()
print("Call Tree:", call_tree)

# Get all calls with stack information
all_calls = profiler.get_all_calls()
for call in all_calls[:5]:
    print(f"{call.name}: depth={len(call.call_stack)}, duration={call.duration*1000:.2f}ms")
"""

EXPORT_TO_JSON = """\
from pyprofiler import profile, get_profiler

@profile
def my_function():
    return sum(range(100000))

# Run multiple times
for _ in range(10):
    my_function()

# Export to JSON
profiler = get_profiler()
profiler.export_to_json("performance_report.json")
print("Report exported to performance_report.json")
"""

EXPORT_TO_CSV = """\
from pyprofiler import profile, get_profiler

@profile
def function_a():
    return sum(range(10000))

@profile
def function_b():
    return sum(range(50000))

# Run functions
for _ in range(20):
    function_a()
    function_b()

# Export to CSV
profiler = get_profiler()
profiler.export_to_csv("performance_stats.csv")
print("Statistics exported to performance_stats.csv")
"""

GETTING_SUMMARY_STATISTICS = """\
from pyprofiler import profile, get_profiler

@profile
def task():
    sum(range(50000))

# Run tasks
for _ in range(100):
    task()

# Get summary
profiler = get_profiler()
summary = profiler.get_summary()

print("Profiling Summary:")
print(f"  Total functions profiled: {summary['total_functions']}")
print(f"  Total function calls: {summary['total_calls']}")
print(f"  Total execution time: {summary['total_time']:.4f}s")
print(f"  Average call time: {summary['avg_call_time']*1000:.2f}ms")
print(f"  Median call time: {summary['median_call_time']*1000:.2f}ms")
print(f"  P95 call time: {summary['p95_call_time']*1000:.2f}ms")
"""

FINDING_SLOWEST_INDIVIDUAL_CALLS = """\
from pyprofiler import profile, get_profiler
import random
import time

@profile
def sometimes_slow():
    # Occasionally take longer
    delay = random.uniform(0.001, 0.05)
    time.sleep(delay)

# Run multiple times
for _ in range(20):
    sometimes_slow()

# Find slowest calls
profiler = get_profiler()
slowest = profiler.get_slowest_calls(limit=5)

print("Slowest Individual Calls:")
for name, duration in slowest:
    print(f"  {name}: {duration*1000:.2f}ms")
"""

PROFILING_WITH_METADATA = """\
from pyprofiler import profile_block, get_profiler

def process_user_request(user_id, action):
    with profile_block("process_request", user_id=user_id, action=action):
        # Simulate processing
        result = sum(range(100000))
        return result

# Process requests
process_user_request(user_id=123, action="create")
process_user_request(user_id=456, action="update")

# Access call metadata
profiler = get_profiler()
calls = profiler.get_all_calls()
for call in calls:
    if call.metadata:
        print(f"Call: {call.name}, Metadata: {call.metadata}")
"""

ENABLE_DISABLE_PROFILING = """\
from pyprofiler import create_profiler

profiler = create_profiler(enabled=True)

@profiler.profile_function
def my_function():
    return sum(range(100000))

# Profile this call
my_function()

# Disable profiling
profiler.disable()

# This call won't be profiled
my_function()

# Re-enable profiling
profiler.enable()

# Profile this call
my_function()

stats = profiler.get_function_stats("my_function")
print(f"Total calls recorded: {stats.call_count}")  # Should be 2
"""

CLEAR_PROFILING_DATA = """\
from pyprofiler import profile, get_profiler

@profile
def my_function():
    return sum(range(100000))

# First batch
for _ in range(10):
    my_function()

profiler = get_profiler()
print(f"Calls before clear: {profiler.get_function_stats('my_function').call_count}")

# Clear data
profiler.clear()

# Second batch
for _ in range(5):
    my_function()

print(f"Calls after clear: {profiler.get_function_stats('my_function').call_count}")
"""

MULTI_THREADED_PROFILING = """\
from pyprofiler import profile, get_profiler
import threading

@profile
def worker_task(worker_id):
    result = 0
    for i in range(100000):
        result += i
    return result

# Create threads
threads = []
for i in range(5):
    t = threading.Thread(target=worker_task, args=(i,))
    threads.append(t)
    t.start()

# Wait for completion
for t in threads:
    t.join()

# Analyze results
profiler = get_profiler()
stats = profiler.get_function_stats("worker_task")
print(f"Worker task called {stats.call_count} times across threads")

# View per-thread data
all_calls = profiler.get_all_calls()
thread_ids = set(call.thread_id for call in all_calls)
print(f"Total threads: {len(thread_ids)}")
"""

# Each with a pattern of what it prints, and the files that it writes.
EXAMPLES = {
    "Basic Function Profiling": (
        BASIC_FUNCTION_PROFILING,
        r"functions +2\n(.*\n)* *calls +2\n(.*\n)*slow_function +1 ",
        [],
    ),
    "Profiling Code Blocks": (
        PROFILING_CODE_BLOCKS,
        r"(data_(loading|processing|saving) +1 .*\n){3}",
        [],
    ),
    "Custom Profiler Instance": (
        CUSTOM_PROFILER_INSTANCE,
        r"Called 3 times\nAverage time: \d+\.\d\dms\nTotal time: 0\.\d{4}s\n$",
        [],
    ),
    "Finding Performance Hotspots": (
        FINDING_PERFORMANCE_HOTSPOTS,
        r"Hotspots:\n  expensive_operation: \d+\.\d{4}s \(10 calls\)\n  cheap_opera"
        r"tion: 0\.\d{4}s \(10 calls\)\n$",
        [],
    ),
    "Statistical Analysis": (
        STATISTICAL_ANALYSIS,
        r"Call count: 50\n  Average: .*\n  Median: .*\n  Min: .*\n  Max: .*\n  P9"
        r"5: .*\n  P99: .*\n  Std Dev: \d+\.\d\dms\n$",
        [],
    ),
    "Flame Graph Visualization": (
        FLAME_GRAPH_VISUALIZATION,
        r"^Performance Flame Graph\n(.*\n)*Own time\n(task_[abc] .*% \(10 calls\)"
        r"\n){3}",
        [],
    ),
    "Timeline Visualization": (
        TIMELINE_VISUALIZATION,
        r"step_1 .*\nstep_2 .*\nstep_3 ",
        [],
    ),
    "Profiling Nested Function Calls": (
        PROFILING_NESTED_FUNCTION_CALLS,
        r"^Call Tree: \{'level_1': \{'calls': 1, .*'level_2': \{'calls': 2, .*'"
        r"level_3': \{'calls': 6, .*\n(level_3: depth=3, .*ms\n){3}level_2: dep"
        r"th=2, .*\nlevel_3: depth=3, .*\n$",
        [],
    ),
    "Export to JSON": (
        EXPORT_TO_JSON,
        r"^Report exported to performance_report.json\n$",
        ["performance_report.json"],
    ),
    "Export to CSV": (
        EXPORT_TO_CSV,
        r"^Statistics exported to performance_stats.csv\n$",
        ["performance_stats.csv"],
    ),
    "Getting Summary Statistics": (
        GETTING_SUMMARY_STATISTICS,
        r"profiled: 1\n  Total function calls: 100\n  Total execution time: \d+"
        r"\.\d{4}s\n  Average call time: .*\n  Median call time: .*\n  P95 call t"
        r"ime: .*ms\n$",
        [],
    ),
    "Finding Slowest Individual Calls": (
        FINDING_SLOWEST_INDIVIDUAL_CALLS,
        r"^Slowest Individual Calls:\n(  sometimes_slow: \d+\.\d\dms\n){5}$",
        [],
    ),
    "Profiling with Metadata": (
        PROFILING_WITH_METADATA,
        r"^Call: process_request, Metadata: \{'user_id': 123, 'action': 'crea"
        r"te'\}\nCall: process_request, Metadata: \{'user_id': 456, 'action': '"
        r"update'\}\n$",
        [],
    ),
    "Enable/Disable Profiling": (
        ENABLE_DISABLE_PROFILING,
        r"^Total calls recorded: 2\n$",
        [],
    ),
    "Clear Profiling Data": (
        CLEAR_PROFILING_DATA,
        r"^Calls before clear: 10\nCalls after clear: 5\n$",
        [],
    ),
    "Multi-threaded Profiling": (
        MULTI_THREADED_PROFILING,
        r"^Worker task called 5 times across threads\nTotal threads: [1-5]\n$",
        [],
    ),
}


def shortened(code):
    shorter = code.replace("range(1000000)", "range(20000)")
    return shorter.replace("time.sleep(", "time.sleep(0.1 * ")


@pytest.mark.parametrize("title", EXAMPLES)
def test_example(tmp_path, title):
    code, printed, files = EXAMPLES[title]
    (tmp_path / "example.py").write_text(shortened(code))
    done = subprocess.run([sys.executable, "example.py"], capture_output=True, text=True,
                          cwd=tmp_path, timeout=60,
                          env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert done.returncode == 0, done.stderr
    assert re.search(printed, done.stdout), done.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["example.py", *files])


API = {
    "PerformanceProfiler": """enable disable clear profile_function profile_block
        get_function_stats get_all_function_stats get_all_calls get_hotspots
        get_slowest_calls get_call_tree generate_flame_graph_text generate_timeline_text
        get_summary export_to_json export_to_csv print_report""",
    "FunctionStats": """name call_count total_time min_time max_time durations get_avg_time
        get_median_time get_percentile get_std_dev""",
    "FunctionCall": "name start_time end_time duration call_stack thread_id metadata",
}


def test_the_whole_reference(tmp_path):
    """Every name, called as the reference says, by position and by its names."""
    import pyprofiler

    for kind, names in API.items():
        for name in names.split():
            assert hasattr(getattr(pyprofiler, kind), name), f"{kind}.{name}"
    p = pyprofiler.PerformanceProfiler(enabled=True)
    assert isinstance(pyprofiler.create_profiler(enabled=True), pyprofiler.PerformanceProfiler)
    assert isinstance(pyprofiler.get_profiler(), pyprofiler.PerformanceProfiler)
    work = p.profile_function(lambda: None, "work")
    other = p.profile_function(func=lambda: None, name="other")
    with p.profile_block("block", size=1):
        work()
        other()
    assert p.get_function_stats(name="work").get_percentile(percentile=95) > 0
    assert [n for n, _, _ in p.get_hotspots(limit=1)] == ["block"]
    assert len(p.get_slowest_calls(limit=2)) == 2
    assert "block" in p.generate_flame_graph_text(width=60)
    assert "block" in p.generate_timeline_text(limit=1)
    p.export_to_json(filename=tmp_path / "a.json")
    p.export_to_csv(filename=tmp_path / "a.csv")
    p.print_report(top_n=1)
    call = p.get_all_calls()[-1]
    assert call.duration == pytest.approx(call.end_time - call.start_time, abs=1e-6)
    assert call.metadata == {"size": 1} and call.call_stack == ("block",)
