"""What a PerformanceProfiler tells, against what Python computes from the durations."""

import ast
import asyncio
import collections.abc
import contextlib
import inspect
import math
import pathlib
import random
import statistics
import threading
import time

import pytest

from pyprofiler import _native

native = _native.load()


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-15)


def run_nested(p):
    """level_1 runs level_2 twice, that runs level_3 three times each, and itself other."""

    @p.profile_function
    def level_3():
        return sum(range(50))

    @p.profile_function
    def level_2():
        return [level_3() for _ in range(3)]

    @p.profile_function
    def other():
        pass

    @p.profile_function
    def level_1():
        level_2()
        level_2()
        other()

    level_1()


def run_blocks(p, n, name="block", seed=1):
    """Blocks of many lengths, up to some tens of microseconds."""
    lengths = random.Random(seed)
    for _ in range(n):
        with p.profile_block(name):
            sum(range(lengths.randrange(2000)))


@pytest.fixture
def nested():
    p = native.create_profiler()
    run_nested(p)
    return p


def quantile(values, percent):
    """Hyndman and Fan, type 7, as its definition says it."""
    values = sorted(values)
    place = (len(values) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


# FunctionStats


@pytest.mark.parametrize("n", [1, 2, 3, 10, 63, 64, 65, 257, 3000])
def test_statistics_are_those_of_the_durations(n):
    p = native.create_profiler()
    run_blocks(p, n)
    s = p.get_function_stats("block")
    d = s.durations
    assert s.name == "block" and s.call_count == len(d) == n
    assert d == [call.duration for call in p.get_all_calls()]
    assert close(s.total_time, math.fsum(d)) and close(s.get_avg_time(), statistics.fmean(d))
    assert s.min_time == min(d) and s.max_time == max(d)
    assert close(s.get_median_time(), statistics.median(d))
    deviation = statistics.stdev(d) if n > 1 else 0.0
    assert math.isclose(s.get_std_dev(), deviation, rel_tol=1e-6, abs_tol=1e-15)
    for percent in (0, 1, 12.5, 50, 90, 95, 99, 99.9, 100):
        assert close(s.get_percentile(percent), quantile(d, percent)), percent
    assert s.get_percentile(0) == min(d) and s.get_percentile(100) == max(d)


def test_percentiles_are_those_of_statistics_and_numpy():
    p = native.create_profiler()
    run_blocks(p, 200)
    s = p.get_function_stats("block")
    cuts = statistics.quantiles(s.durations, n=100, method="inclusive")
    for percent, cut in enumerate(cuts, 1):
        assert close(s.get_percentile(percent), cut)
    try:
        import numpy
    except ImportError:
        return  # the standard library has said the same already
    for percent in (0, 2.5, 50, 97.5, 100):
        assert close(s.get_percentile(percent), float(numpy.percentile(s.durations, percent)))


@pytest.mark.parametrize("wrong", [-0.001, 100.001, float("nan"), float("inf"), 10**400])
def test_percentile_out_of_range(nested, wrong):
    with pytest.raises(ValueError, match="percentile must be from 0 to 100"):
        nested.get_function_stats("level_3").get_percentile(wrong)


def test_percentile_takes_numbers_by_position_or_name(nested):
    s = nested.get_function_stats("level_3")
    assert s.get_percentile(percentile=50) == s.get_percentile(50) == s.get_percentile(50.0)
    with pytest.raises(TypeError, match="percentile must be a number, not str"):
        s.get_percentile("50")
    with pytest.raises(TypeError, match="misses the argument 'percentile'"):
        s.get_percentile()
    with pytest.raises(TypeError, match="unexpected keyword argument 'p'"):
        s.get_percentile(p=50)
    with pytest.raises(TypeError, match="multiple values for argument 'percentile'"):
        s.get_percentile(50, percentile=50)
    with pytest.raises(TypeError, match="at most 1 positional argument, 2 given"):
        s.get_percentile(50, 60)


def test_durations_stay_in_order_and_sorting_does_not_touch_them():
    p = native.create_profiler()
    run_blocks(p, 500)
    s = p.get_function_stats("block")
    s.get_percentile(95)
    assert s.durations == [call.duration for call in p.get_all_calls()]
    assert s.durations is s.durations


def test_stats_are_of_the_moment_they_were_asked_for():
    p = native.create_profiler()
    run_blocks(p, 5)
    before = p.get_function_stats("block")
    run_blocks(p, 5, seed=2)
    assert before.call_count == len(before.durations) == 5
    assert p.get_function_stats("block").call_count == 10
    p.clear()
    assert before.call_count == 5 and before.get_median_time() > 0
    assert p.get_function_stats("block") is None
    with pytest.raises(AttributeError):
        before.name = "x"
    with pytest.raises(TypeError):
        native.FunctionStats()


def test_stats_of_a_name_nobody_called(nested):
    assert nested.get_function_stats("nobody") is None
    with pytest.raises(TypeError, match="name must be a str, not int"):
        nested.get_function_stats(3)


def test_own_and_total_under_nesting(nested):
    s = nested.get_all_function_stats()
    assert list(s) == ["level_1", "level_2", "level_3", "other"]
    assert [s[name].call_count for name in s] == [1, 2, 6, 1]
    own = sum(each.own_time for each in s.values())
    assert close(own, s["level_1"].total_time)
    inner = s["level_2"].total_time + s["other"].total_time
    assert close(s["level_1"].own_time, s["level_1"].total_time - inner)
    assert s["level_3"].own_time == s["level_3"].total_time
    assert all(each.waiting_time < 1e-12 for each in s.values())


def test_recursion_counts_time_once():
    p = native.create_profiler()

    @p.profile_function
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    fib(10)
    s = p.get_function_stats("fib")
    assert s.call_count == 177 == len(s.durations)
    assert close(s.total_time, s.max_time) and close(s.own_time, s.total_time)
    assert math.fsum(s.durations) > s.total_time
    assert close(s.get_avg_time(), statistics.fmean(s.durations))
    assert max(len(call.call_stack) for call in p.get_all_calls()) == 10
    assert all(set(call.call_stack) == {"fib"} for call in p.get_all_calls())


def test_waiting_is_what_nothing_of_it_ran():
    import asyncio

    p = native.create_profiler()

    @p.profile_function
    async def child():
        await asyncio.sleep(0.002)

    @p.profile_function
    async def parent():
        await child()

    asyncio.run(parent())
    s = p.get_all_function_stats()
    for each in s.values():
        assert each.total_time > each.waiting_time > 0.001 and each.own_time > 0
    assert close(s["child"].waiting_time, s["child"].total_time - s["child"].own_time)
    inside = s["parent"].own_time + s["child"].own_time
    assert close(s["parent"].waiting_time, s["parent"].total_time - inside)
    assert close(p.get_summary()["waiting_time"], s["parent"].waiting_time)


def test_what_has_not_ended_has_own_time_only():
    p = native.create_profiler()

    @p.profile_function
    def inner():
        pass

    @p.profile_function
    def outer():
        inner()
        assert p.get_function_stats("outer") is None
        assert list(p.get_all_function_stats()) == ["inner"]
        assert p.get_summary()["total_functions"] == 1
        tree = p.get_call_tree()
        assert tree["outer"]["calls"] == 0 == tree["outer"]["total_time"]
        assert 0 < tree["outer"]["own_time"] < p.get_summary()["own_time"]
        assert tree["outer"]["children"]["inner"]["calls"] == 1
        text = p.generate_flame_graph_text()
        assert "outer" in text and "inner" in text
        assert p.get_summary()["total_calls"] == 1
        return p.get_hotspots()

    assert [name for name, _, _ in outer()] == ["inner"]
    assert [name for name, _, _ in p.get_hotspots()] == ["outer", "inner"]
    assert p.get_function_stats("outer").call_count == 1


def test_own_time_of_what_runs_is_known_without_another_event():
    p = native.create_profiler()

    @p.profile_function
    def alone():
        sum(range(1000))
        return p.get_call_tree(), p.generate_flame_graph_text()

    tree, text = alone()
    assert tree["alone"]["calls"] == 0 and tree["alone"]["own_time"] > 0
    assert "alone" in text


# without calls


@pytest.fixture
def both():
    """The same durations, kept and not: a block of the one just around one of the other."""
    kept, counted = native.create_profiler(), native.create_profiler(keep_calls=False)
    lengths = random.Random(3)
    for _ in range(1000):
        n = int(math.exp(lengths.uniform(3, 11)))
        with counted.profile_block("block"):
            with kept.profile_block("block"):
                sum(range(n))
    return kept, counted


def test_without_calls_the_exact_figures_are_exact(both):
    kept, counted = (p.get_function_stats("block") for p in both)
    assert counted.call_count == kept.call_count == 1000
    assert counted.total_time > kept.total_time and counted.max_time >= kept.max_time
    assert close(counted.get_avg_time(), counted.total_time / 1000)
    assert counted.get_percentile(0) == counted.min_time
    assert counted.get_percentile(100) == counted.max_time
    assert counted.min_time <= counted.get_median_time() <= counted.max_time


def test_without_calls_quantiles_are_within_one_per_cent():
    """Two values, known exactly from the extremes: every quantile lies between them."""
    p = native.create_profiler(keep_calls=False)
    for _ in range(400):
        with p.profile_block("block"):
            sum(range(2000))
    s = p.get_function_stats("block")
    values = [s.get_percentile(percent) for percent in range(101)]
    assert values == sorted(values)
    # The mean of all quantiles is that of the values but for the steps.
    steps = [s.get_percentile(100 * i / 399) for i in range(400)]
    assert math.isclose(statistics.fmean(steps), s.get_avg_time(), rel_tol=0.0101)


def test_without_calls_what_needs_them_says_so(both):
    counted = both[1]
    s = counted.get_function_stats("block")
    with pytest.raises(AttributeError, match=r"'block' were not kept.*keep_calls=True"):
        s.durations
    for method in (counted.get_all_calls, counted.get_slowest_calls):
        with pytest.raises(RuntimeError, match=r"not kept.*create_profiler\(keep_calls=True"):
            method()
    assert "calls were not kept" in counted.generate_timeline_text()
    assert counted.get_summary()["kept_calls"] == 0
    assert "[block" in counted.generate_flame_graph_text()


def test_the_newest_calls_beyond_the_limit_are_counted_but_not_kept():
    p = native.create_profiler(max_calls=10)
    run_blocks(p, 25)
    s, summary = p.get_function_stats("block"), p.get_summary()
    assert s.call_count == 25 and len(s.durations) == 10 == len(p.get_all_calls())
    assert summary["total_calls"] == 25 and summary["kept_calls"] == 10
    assert summary["lost_calls"] == 0
    assert close(s.get_median_time(), statistics.median(s.durations))
    assert close(s.get_avg_time(), s.total_time / 25)


# calls


def test_calls_in_the_order_in_which_they_ended(nested):
    calls = nested.get_all_calls()
    names = ["level_3"] * 3 + ["level_2"]
    assert [call.name for call in calls] == names * 2 + ["other", "level_1"]
    assert [len(call.call_stack) for call in calls[:5]] == [3, 3, 3, 2, 3]
    assert calls[0].call_stack == ("level_1", "level_2", "level_3")
    assert calls[-1].call_stack == ("level_1",) and calls[8].call_stack == ("level_1", "other")
    ends = [call.end_time for call in calls]
    assert ends == sorted(ends)
    first, last = calls[0], calls[-1]
    assert last.start_time <= first.start_time <= first.end_time <= last.end_time
    assert all(math.isclose(call.end_time - call.start_time, call.duration, abs_tol=1e-6)
               for call in calls)
    assert {call.thread_id for call in calls} == {threading.get_ident()}
    assert all(call.metadata == {} for call in calls)


def test_times_are_those_of_perf_counter():
    p = native.create_profiler()
    before = time.perf_counter()
    run_blocks(p, 1)
    after = time.perf_counter()
    call = p.get_all_calls()[0]
    assert before - 1 < call.start_time <= call.end_time < after + 1


def test_calls_are_a_sequence(nested):
    calls = nested.get_all_calls()
    assert isinstance(calls, collections.abc.Sequence) and len(calls) == 10
    assert calls[-1] == calls[9] and calls[9] != calls[0] and calls[0] in calls
    assert hash(calls[-1]) == hash(calls[9])
    assert calls.index(calls[4]) == 4 and calls.count(calls[4]) == 1
    everything = list(calls)
    assert calls == everything and calls == nested.get_all_calls() and calls != everything[1:]
    for cut in (slice(None, 5), slice(2, -1), slice(None, None, -1), slice(8, 1, -3),
                slice(20, 30), slice(-3, None), slice(5, 2)):
        assert list(calls[cut]) == everything[cut], cut
        assert len(calls[cut]) == len(everything[cut])
    assert list(calls[1:9][::-2][1:]) == everything[1:9][::-2][1:]
    assert list(reversed(calls)) == everything[::-1]
    assert sorted(calls, key=lambda call: call.start_time)[0].name == "level_1"
    for wrong in (10, -11, 10**30):
        with pytest.raises(IndexError):
            calls[wrong]
    with pytest.raises(TypeError, match="indices of calls"):
        calls["0"]
    with pytest.raises(ValueError):
        calls.index("nothing")
    with pytest.raises(TypeError):
        calls[0] = calls[1]
    with pytest.raises(TypeError):
        hash(calls)
    assert repr(calls) == "<10 calls>" and "name='level_3'" in repr(calls[0])
    with pytest.raises(AttributeError):
        calls[0].duration = 1
    match calls[:2]:
        case [a, b]:
            assert a.name == b.name == "level_3"
        case _:
            raise AssertionError("not matched as a sequence")


def test_calls_do_not_change_later(nested):
    calls = nested.get_all_calls()
    kept = calls[3]
    run_nested(nested)
    assert len(calls) == 10 and len(nested.get_all_calls()) == 20
    nested.clear()
    assert len(calls) == 10 and kept.name == "level_2"
    assert nested.get_all_calls() == []


def test_metadata():
    p = native.create_profiler()
    with p.profile_block("request", user=123, action="create"):
        with p.profile_block("inside"):
            pass
    inside, request = p.get_all_calls()
    assert inside.metadata == {}
    assert request.metadata == {"user": 123, "action": "create"}
    request.metadata.clear()
    assert request.metadata["user"] == 123


def test_metadata_and_calls_that_hold_each_other_are_freed():
    import gc
    import weakref

    class Thing:
        pass

    p, thing = native.create_profiler(), Thing()
    with p.profile_block("block", thing=thing):
        pass
    thing.calls = p.get_all_calls()
    thing.call = thing.calls[0]
    gone = weakref.ref(thing)
    p.clear()
    del thing
    gc.collect()
    assert gone() is None


def test_threads_are_told_apart():
    p = native.create_profiler()
    n, each = 4, 50
    together = threading.Barrier(n)
    idents = []

    @p.profile_function
    def task():
        pass

    def work():
        idents.append(threading.get_ident())
        together.wait()
        for _ in range(each):
            task()
        together.wait()  # so that no ident is used again

    threads = [threading.Thread(target=work) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = p.get_all_calls()
    assert {i: sum(c.thread_id == i for c in calls) for i in idents} == dict.fromkeys(idents, each)
    assert p.get_function_stats("task").call_count == n * each
    assert p.get_summary()["threads"] == n
    text = p.generate_timeline_text(limit=None)
    assert text.count("Thread ") == n


# lists, tree, summary


def test_hotspots(nested):
    s = nested.get_all_function_stats()
    spots = nested.get_hotspots()
    assert spots == sorted(((n, f.total_time, f.call_count) for n, f in s.items()),
                           key=lambda row: -row[1])
    assert spots[0][0] == "level_1" and all(type(row) is tuple for row in spots)
    assert nested.get_hotspots(2) == nested.get_hotspots(limit=2) == spots[:2]
    assert nested.get_hotspots(0) == [] and nested.get_hotspots(None) == spots
    assert nested.get_hotspots(10**30) == spots


def test_slowest_calls():
    p = native.create_profiler()
    run_blocks(p, 300)
    truth = sorted(((c.name, c.duration) for c in p.get_all_calls()), key=lambda row: -row[1])
    assert p.get_slowest_calls() == truth[:10]
    for limit in (0, 1, 299, 300, 301, None):
        assert p.get_slowest_calls(limit=limit) == truth[:limit]


@pytest.mark.parametrize("method", ["get_hotspots", "get_slowest_calls", "generate_timeline_text"])
def test_limits_are_checked(nested, method):
    with pytest.raises(ValueError, match="limit must be at least 0, not -1"):
        getattr(nested, method)(-1)
    with pytest.raises(TypeError, match="limit must be an int or None, not str"):
        getattr(nested, method)(limit="3")


def test_tree(nested):
    tree = nested.get_call_tree()
    assert list(tree) == ["level_1"]
    top = tree["level_1"]
    assert list(top) == ["calls", "total_time", "own_time", "children"]
    assert top["calls"] == 1 and list(top["children"]) == ["level_2", "other"]
    two = top["children"]["level_2"]
    assert two["calls"] == 2 and two["children"]["level_3"]["calls"] == 6
    assert two["children"]["level_3"]["children"] == {}
    below = two["total_time"] + top["children"]["other"]["total_time"]
    assert close(top["own_time"], top["total_time"] - below)
    tree.clear()
    assert nested.get_call_tree()["level_1"]["calls"] == 1


def test_one_function_at_two_places_of_the_tree():
    p = native.create_profiler()

    @p.profile_function
    def leaf():
        pass

    leaf()
    with p.profile_block("block"):
        leaf()
        leaf()
    tree = p.get_call_tree()
    assert tree["leaf"]["calls"] == 1 and tree["block"]["children"]["leaf"]["calls"] == 2
    total = tree["leaf"]["total_time"] + tree["block"]["children"]["leaf"]["total_time"]
    assert close(p.get_function_stats("leaf").total_time, total)


def test_summary(nested):
    summary, s = nested.get_summary(), nested.get_all_function_stats()
    d = [call.duration for call in nested.get_all_calls()]
    assert summary["total_functions"] == 4 and summary["total_calls"] == 10
    assert summary["kept_calls"] == 10 and summary["lost_calls"] == 0
    assert summary["threads"] == 1
    assert close(summary["total_time"], s["level_1"].total_time)
    assert close(summary["own_time"], summary["total_time"])
    assert summary["waiting_time"] < 1e-12
    assert close(summary["avg_call_time"], statistics.fmean(d))
    assert close(summary["median_call_time"], statistics.median(d))
    assert close(summary["p95_call_time"], quantile(d, 95))
    assert summary["min_call_time"] == min(d) and summary["max_call_time"] == max(d)
    assert close(summary["elapsed_time"], s["level_1"].total_time)


def test_summary_without_calls_is_within_one_per_cent(both):
    kept, counted = (p.get_summary() for p in both)
    assert counted["total_calls"] == 1000 and counted["avg_call_time"] > kept["avg_call_time"]
    s = both[1].get_function_stats("block")
    assert counted["median_call_time"] == s.get_median_time()
    assert counted["p95_call_time"] == s.get_percentile(95)


def test_empty():
    p = native.create_profiler()
    assert p.get_all_function_stats() == p.get_call_tree() == {}
    assert p.get_all_calls() == [] == p.get_hotspots() == p.get_slowest_calls()
    assert set(p.get_summary().values()) == {0}
    assert p.get_function_stats("x") is None
    assert "nothing was recorded" in p.generate_flame_graph_text()
    assert "nothing was recorded" in p.generate_timeline_text()


def test_depth_and_number():
    p = native.create_profiler()

    with contextlib.ExitStack() as stack:
        for i in range(1000):
            stack.enter_context(p.profile_block(f"deep {i % 7}"))
    assert len(p.get_all_calls()[0].call_stack) == 1000
    node, depth = p.get_call_tree(), 0
    while node:
        (entry,) = node.values()
        node, depth = entry["children"], depth + 1
    assert depth == 1000
    for i in range(10_000):
        with p.profile_block(f"piece {i}"):
            pass
    assert len(p.get_all_function_stats()) == 10_007 == p.get_summary()["total_functions"]
    assert len(p.get_call_tree()) == 10_001 and len(p.get_hotspots(None)) == 10_007
    assert p.get_function_stats("piece 9999").call_count == 1


def test_answers_while_the_program_records_on():
    """Objects that are made can run the program's code: finalizers that are profiled."""
    import gc

    p = native.create_profiler()

    class Cycle:
        def __init__(self):
            self.itself = self

        def __del__(self):
            with p.profile_block(f"finalizer {random.random()}"):
                pass

    run_nested(p)
    threshold = gc.get_threshold()
    gc.set_threshold(5, 2, 2)
    try:
        for _ in range(50):
            kept = [Cycle() for _ in range(20)]
            del kept
            p.get_all_function_stats()
            p.get_call_tree()
            list(p.get_all_calls())
            p.get_hotspots(None)
            p.get_slowest_calls(None)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert p.get_summary()["total_functions"] == 4 + 50 * 20


def test_help_says_what_methods_take(nested):
    signatures = {
        "get_function_stats": "(name)",
        "get_all_function_stats": "()",
        "get_all_calls": "()",
        "get_hotspots": "(limit=10)",
        "get_slowest_calls": "(limit=10)",
        "get_call_tree": "()",
        "generate_flame_graph_text": "(width=80, *, max_depth=64, ascii=None)",
        "generate_timeline_text": "(limit=50, *, width=80, ascii=None)",
        "get_summary": "()",
        "export_to_json": "(filename)",
        "export_to_csv": "(filename)",
        "print_report": "(top_n=10, file=None)",
    }
    for name, text in signatures.items():
        method = getattr(nested, name)
        assert str(inspect.signature(method)) == text and len(method.__doc__) > 40
    for cls in (native.FunctionStats, native.FunctionCall, native.CallSequence):
        for name, member in vars(cls).items():
            assert name.startswith("_") or member.__doc__, (cls, name)


def test_type_stubs_name_what_is_there(nested):
    tree = ast.parse(pathlib.Path(_native.__file__).with_name("_pieces.pyi").read_text())
    classes = {node.name: {each.target.id if isinstance(each, ast.AnnAssign) else each.name
                           for each in node.body}
               for node in tree.body if isinstance(node, ast.ClassDef)}
    assert classes["Summary"] == set(nested.get_summary())
    assert classes["CallTreeNode"] == set(nested.get_call_tree()["level_1"])
    for name in ("FunctionStats", "FunctionCall", "CallSequence", "PerformanceProfiler"):
        public = {each for each in classes[name] if not each.startswith("_")}
        there = {each for each in vars(getattr(native, name)) if not each.startswith("_")}
        assert public == there, name
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            assert callable(getattr(native, node.name))


# ---- own time of single calls ----


def own_of(p):
    return {c.name: c.own_time for c in p.get_all_calls()}


def add_up(p):
    """Own times of calls are those of the pieces, and none exceeds its call."""
    total = {}
    for call in p.get_all_calls():
        assert 0 <= call.own_time <= call.duration
        total[call.name] = total.get(call.name, 0) + call.own_time
    for name, stats in p.get_all_function_stats().items():
        assert close(total[name], stats.own_time), name
    return total


def test_own_time_of_calls_that_recur():
    p = native.create_profiler()

    @p.profile_function
    def fib(n):
        with p.profile_block("inside", n=n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)

    fib(6)
    assert len(p.get_all_calls()) == 50
    add_up(p)
    whole = p.get_all_calls()[-1]
    assert whole.call_stack == ("fib",) and whole.own_time < whole.duration / 2


def test_own_time_of_calls_on_threads():
    p = native.create_profiler()

    @p.profile_function
    def inner():
        time.sleep(0.001)

    @p.profile_function
    def outer():
        inner()

    threads = [threading.Thread(target=outer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    add_up(p)
    assert all(c.own_time == c.duration for c in p.get_all_calls() if c.name == "inner")


def test_own_time_of_generators_and_coroutines():
    p = native.create_profiler()

    @p.profile_function
    def numbers():
        with p.profile_block("numbers' block"):
            for i in range(5):
                yield i

    @p.profile_function
    async def child():
        with p.profile_block("child's block"):
            await asyncio.sleep(0.002)
            for _ in numbers():
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(child() for _ in range(3)))

    asyncio.run(main())
    total = add_up(p)
    assert total.keys() == {"numbers", "numbers' block", "child", "child's block"}
    for call in p.get_all_calls():
        if "child" in call.name:
            assert call.own_time < call.duration - 0.001


def test_own_time_of_a_block_that_is_left_while_its_generator_waits():
    p = native.create_profiler()
    block = p.profile_block("block")

    @p.profile_function
    def numbers():
        block.__enter__()
        time.sleep(0.002)
        yield
        yield

    running = numbers()
    next(running)
    block.__exit__(None, None, None)
    next(running)
    running.close()
    assert own_of(p)["block"] >= 0.002
    add_up(p)


def test_own_time_after_clear_is_of_since_then():
    p = native.create_profiler()

    @p.profile_function
    def numbers():
        with p.profile_block("block"):
            time.sleep(0.02)
            yield
            yield

    @p.profile_function
    def waits():
        time.sleep(0.02)
        p.clear()

    running = numbers()
    next(running)
    waits()
    next(running, None)
    next(running, None)
    assert {c.name for c in p.get_all_calls()} == {"waits", "block", "numbers"}
    assert max(own_of(p).values()) < 0.02
    add_up(p)


def test_threads_are_counted_without_calls_too():
    for options in ({"keep_calls": False}, {"max_calls": 1}, {}):
        p = native.create_profiler(**options)
        work = p.profile_function(lambda: None, "work")
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
            thread.join()
        assert p.get_summary()["threads"] == 3
        p.clear()
        assert p.get_summary()["threads"] == 0
        work()
        assert p.get_summary()["threads"] == 1
