"""Generators, coroutines and tasks as pieces: who is inside whom, and what is own time."""

import asyncio
import contextlib
import contextvars
import functools
import gc
import inspect
import sys
import time
import types
import warnings

import pytest

from pyprofiler import _native

pieces = _native.load()


@pytest.fixture
def p():
    return pieces.create_profiler()


def counts(p):
    return {n: s.call_count for n, s in p.get_all_function_stats().items() if s.call_count}


def children(p, *path):
    tree = p.get_call_tree()
    for name in path:
        tree = tree[name]["children"]
    return set(tree)


def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


# ---- kinds ----


def test_they_are_told_by_inspect(p):
    async def coroutine():
        pass

    def generator():
        yield

    async def agen():
        yield

    c, g, a = map(p.profile_function, (coroutine, generator, agen))
    assert inspect.iscoroutinefunction(c) and asyncio.iscoroutinefunction(c)
    assert inspect.isgeneratorfunction(g) and inspect.isasyncgenfunction(a)
    assert not inspect.iscoroutinefunction(g) and not inspect.isgeneratorfunction(c)
    bound = types.MethodType(c, 1)
    assert inspect.iscoroutinefunction(bound)
    made = c()
    assert inspect.iscoroutine(made) and inspect.isawaitable(made) and asyncio.iscoroutine(made)
    assert made.cr_frame is not None and made.__name__ == "coroutine"
    assert repr(made).startswith("<profiled <coroutine object")
    made.close()
    made = g()
    assert inspect.isgenerator(made) and inspect.getgeneratorstate(made) == "GEN_CREATED"
    assert isinstance(made, types.GeneratorType) and iter(made) is made
    assert inspect.isasyncgen(a())
    assert counts(p) == {}, "what was not resumed is no call"


@pytest.mark.parametrize("wrap", [functools.partial, lambda f: f])
def test_partials_and_methods_of_coroutines(p, wrap):
    class A:
        @p.profile_function
        async def method(self, x):
            await asyncio.sleep(0)
            return x

        @p.profile_function
        @classmethod
        async def cls(cls, x):
            return x

    async def plain(x):
        return x

    f = p.profile_function(wrap(plain), "plain")
    assert asyncio.run(A().method(1)) == 1 and asyncio.run(A.cls(2)) == 2
    assert asyncio.run(f(3)) == 3
    assert counts(p) == {"A.method": 1, "A.cls": 1, "plain": 1}


def test_a_coroutine_decorated_twice(p):
    @p.profile_function
    @p.profile_function
    async def twice():
        await asyncio.sleep(0)
        return 1

    assert asyncio.run(twice()) == 1
    assert counts(p) == {"twice": 2} and children(p, "twice") == {"twice"}


# ---- generators ----


def test_a_generator_as_python_has_them(p):
    @p.profile_function
    def echo(first):
        got = yield first
        while got is not None:
            try:
                got = yield got * 2
            except KeyError as exc:
                got = exc.args[0]
        return "done"

    g = echo(1)
    with pytest.raises(TypeError, match="non-None"):
        g.send(5)
    assert next(g) == 1 and g.send(2) == 4 and g.throw(KeyError(5)) == 10
    assert counts(p) == {}, "it has not ended"
    with pytest.raises(StopIteration) as end:
        g.send(None)
    assert end.value.value == "done" and list(g) == []
    assert counts(p) == {"echo": 1}

    @p.profile_function
    def outer():
        return (yield from echo(7))

    assert list(outer()) == [7]
    assert children(p, "outer") == {"echo"}
    g = outer()
    next(g)
    with pytest.raises(StopIteration) as end:
        next(g)
    assert end.value.value == "done"


@pytest.mark.parametrize("value", [(1, 2), StopIteration(3), None, ValueError("x")])
def test_any_value_can_be_returned(p, value):
    @p.profile_function
    def f():
        yield
        return value

    @p.profile_function
    async def c():
        return value

    g = f()
    next(g)
    with pytest.raises(StopIteration) as end:
        g.send(None)
    assert end.value.value is value
    assert asyncio.run(c()) is value


def test_a_generator_closed_thrown_into_or_dropped_has_ended(p):
    closed = []

    @p.profile_function
    def f():
        try:
            yield 1
            yield 2
        finally:
            cleaner()

    cleaner = p.profile_function(lambda: closed.append(1), "cleaner")
    g = f()
    next(g)
    g.close()
    g.close()
    assert counts(p) == {"f": 1, "cleaner": 1}
    g = f()
    next(g)
    with pytest.raises(KeyError):
        g.throw(KeyError)
    for _ in f():
        break
    gc.collect()
    assert counts(p) == {"f": 3, "cleaner": 3} and len(closed) == 3
    assert children(p) == {"f"} and children(p, "f") == {"cleaner"}
    f().close()
    assert counts(p)["f"] == 3, "closed before it began"


def test_a_generator_that_ignores_close(p):
    @p.profile_function
    def stubborn():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    g = stubborn()
    next(g)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        g.close()
    assert counts(p) == {}
    with pytest.raises(StopIteration):
        next(g)
    assert counts(p) == {"stubborn": 1}


def test_a_generator_that_resumes_itself(p):
    @p.profile_function
    def f():
        with pytest.raises(ValueError, match="already executing"):
            next(g)
        yield 1

    g = f()
    assert list(g) == [1] and counts(p) == {"f": 1}


def test_a_suspended_generator_is_around_nothing(p):
    leaf = p.profile_function(lambda: time.sleep(0.002), "leaf")

    @p.profile_function
    def numbers():
        yield from range(3)

    for _ in numbers():
        leaf()
    tree = p.get_call_tree()
    assert tree["numbers"]["children"] == {} and tree["leaf"]["calls"] == 3
    assert tree["numbers"]["total_time"] >= 0.006 > tree["numbers"]["own_time"]


def test_a_generator_begun_while_disabled_stays_unseen(p):
    @p.profile_function
    def f():
        yield 1
        yield 2

    g = f()
    p.disable()
    assert next(g) == 1
    p.enable()
    assert list(g) == [2] and counts(p) == {}
    g = f()
    next(g)
    p.disable()
    assert list(g) == [2] and counts(p) == {"f": 1}, "it began while enabled"


# ---- coroutines and tasks ----


def test_tasks_that_interleave_stay_apart(p):
    @p.profile_function
    async def inner(n):
        for _ in range(n):
            await asyncio.sleep(0)

    @p.profile_function
    async def a():
        await inner(5)

    @p.profile_function
    async def b():
        with p.profile_block("block"):
            await asyncio.sleep(0)
            await inner(3)

    async def main():
        await asyncio.gather(a(), b(), a())

    asyncio.run(main())
    assert counts(p) == {"a": 2, "b": 1, "inner": 3, "block": 1}
    assert children(p) == {"a", "b"}
    assert children(p, "a") == {"inner"} and children(p, "b") == {"block"}
    assert children(p, "b", "block") == {"inner"}


def test_own_time_excludes_the_suspension(p):
    @p.profile_function
    async def waits():
        await asyncio.sleep(0.02)

    @p.profile_function
    async def works():
        await asyncio.sleep(0)
        spin(0.005)

    async def main():
        await asyncio.gather(waits(), works())

    asyncio.run(main())
    tree = p.get_call_tree()
    assert tree["waits"]["total_time"] >= 0.02 > tree["waits"]["own_time"]
    assert tree["works"]["own_time"] >= 0.005


def test_blocks_of_coroutines_that_are_not_profiled(p):
    leaf = p.profile_function(lambda: None, "leaf")

    async def task(name, n):
        with p.profile_block(name):
            for _ in range(n):
                await asyncio.sleep(0)
                leaf()

    async def main():
        await asyncio.gather(*[asyncio.create_task(task(f"t{i}", i)) for i in range(1, 5)])

    asyncio.run(main())
    assert counts(p) == {"t1": 1, "t2": 1, "t3": 1, "t4": 1, "leaf": 10}
    assert children(p) == {"t1", "t2", "t3", "t4"}
    tree = p.get_call_tree()
    for i in range(1, 5):
        assert tree[f"t{i}"]["children"]["leaf"]["calls"] == i


def test_a_block_that_waits_has_little_own_time(p):
    async def main():
        with p.profile_block("waits"):
            await asyncio.sleep(0.02)

    asyncio.run(main())
    entry = p.get_call_tree()["waits"]
    assert entry["total_time"] >= 0.02 > entry["own_time"]


def test_a_profiled_function_around_the_loop(p):
    @p.profile_function
    async def task():
        with p.profile_block("block"):
            await asyncio.sleep(0.002)

    @p.profile_function
    def program():
        async def main():
            await asyncio.gather(task(), task())
        asyncio.run(main())

    program()
    assert children(p) == {"program"} and children(p, "program") == {"task"}
    entry = p.get_call_tree()["program"]
    assert entry["own_time"] >= 0.002 - 1e-3, "waiting in select is its thread's"


def test_context_run_inside_a_block(p):
    leaf = p.profile_function(lambda: spin(0.001), "leaf")
    with p.profile_block("block"):
        contextvars.copy_context().run(leaf)
        contextvars.Context().run(spin, 0.002)
    assert children(p, "block") == {"leaf"}
    assert p.get_call_tree()["block"]["own_time"] >= 0.002


def test_cancellation_timeouts_and_groups(p):
    @p.profile_function
    async def forever():
        await asyncio.sleep(1000)

    @p.profile_function
    async def fails():
        await asyncio.sleep(0)
        raise KeyError

    async def main():
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(forever(), 0.001)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await forever()
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(forever())
                group.create_task(fails())

    asyncio.run(main())
    assert counts(p) == {"forever": 4, "fails": 1}


def test_asyncio_in_debug_mode(p):
    @p.profile_function
    async def f():
        await asyncio.sleep(0)
        return repr(asyncio.current_task())

    assert "f" in asyncio.run(f(), debug=True)


def test_a_coroutine_never_awaited_warns(p):
    @p.profile_function
    async def forgotten():
        pass

    with pytest.warns(RuntimeWarning, match="forgotten' was never awaited"):
        forgotten()
        gc.collect()
    assert counts(p) == {}


def test_a_coroutine_awaited_again_says_so(p):
    @p.profile_function
    async def f():
        return 1

    async def main():
        c = f()
        assert await c == 1
        with pytest.raises(RuntimeError, match="already awaited"):
            await c

    asyncio.run(main())
    assert counts(p) == {"f": 1}


def test_a_coroutine_is_not_iterable(p):
    @p.profile_function
    async def f():
        pass

    c = f()
    with pytest.raises(TypeError, match="iter"):
        iter(c)
    c.close()


def test_a_coroutine_by_types_coroutine(p):
    @p.profile_function
    @types.coroutine
    def old():
        yield
        return 5

    async def main():
        return await old()

    assert asyncio.run(main()) == 5
    assert list(old()) == [None]
    assert counts(p) == {"old": 2}


def test_many_tasks_end_with_empty_stacks(p):
    @p.profile_function
    async def job(i):
        with p.profile_block("x", i=i):
            await asyncio.sleep(0)
            if i % 3 == 0:
                raise ValueError

    async def main():
        await asyncio.gather(*map(job, range(300)), return_exceptions=True)

    asyncio.run(main())
    assert counts(p) == {"job": 300, "x": 300}
    assert children(p) == {"job"} and children(p, "job") == {"x"}
    assert {c.metadata["i"] for c in p.get_all_calls() if c.name == "x"} == set(range(300))


def test_threads_with_loops(p):
    import threading

    @p.profile_function
    async def job():
        await asyncio.sleep(0)
        await asyncio.to_thread(leaf)

    leaf = p.profile_function(lambda: None, "leaf")

    async def main():
        await asyncio.gather(*[job() for _ in range(10)])

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert counts(p) == {"job": 40, "leaf": 40} and children(p) == {"job", "leaf"}


# ---- async generators and context managers ----


def test_an_async_generator(p):
    @p.profile_function
    async def numbers(n):
        try:
            for i in range(n):
                await asyncio.sleep(0)
                leaf()
                got = yield i
                if got:
                    yield got
        except KeyError:
            yield "caught"

    leaf = p.profile_function(lambda: None, "leaf")

    async def main():
        assert [i async for i in numbers(3)] == [0, 1, 2]
        g = numbers(2)
        assert await g.asend(None) == 0 and await g.asend("x") == "x"
        assert await g.athrow(KeyError) == "caught"
        with pytest.raises(StopAsyncIteration):
            await anext(g)
        g = numbers(2)
        await anext(g)
        await g.aclose()
        await numbers(1).aclose()
        assert await anext(numbers(0), "none") == "none"

    asyncio.run(main())
    assert counts(p) == {"numbers": 4, "leaf": 5}
    assert children(p) == {"numbers"} and children(p, "numbers") == {"leaf"}


def test_a_dropped_async_generator_is_closed_by_its_loop(p):
    ended = []

    @p.profile_function
    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            ended.append(1)

    async def main():
        async for _ in numbers():
            break
        gc.collect()
        await asyncio.sleep(0.001)

    asyncio.run(main())
    assert ended == [1] and counts(p) == {"numbers": 1}


def test_async_context_managers(p):
    @contextlib.asynccontextmanager
    @p.profile_function
    async def manager():
        await asyncio.sleep(0)
        yield "value"
        await asyncio.sleep(0)

    @contextlib.contextmanager
    @p.profile_function
    def plain():
        yield "plain"

    async def main():
        async with manager() as value:
            assert value == "value"
        with pytest.raises(KeyError):
            async with manager():
                raise KeyError
        with plain() as value:
            assert value == "plain"
        with pytest.raises(KeyError), plain():
            raise KeyError

    asyncio.run(main())
    assert counts(p) == {"manager": 2, "plain": 2}


def test_two_that_advance_one_async_generator(p):
    @p.profile_function
    async def numbers():
        await asyncio.sleep(0.001)
        yield 1

    async def main():
        g = numbers()
        first = asyncio.create_task(advance(g))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="running"):
            await anext(g)
        assert await first == 1
        await g.aclose()

    async def advance(g):
        return await anext(g)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.run(main())
    assert counts(p) == {"numbers": 1}


# ---- odd orders ----


def test_a_block_entered_in_a_generator_and_left_elsewhere(p):
    block = p.profile_block("block")

    @p.profile_function
    def f():
        block.__enter__()
        yield
        yield

    g = f()
    next(g)
    block.__exit__()
    assert counts(p) == {"block": 1}
    list(g)
    leaf = p.profile_function(lambda: None, "leaf")
    leaf()
    assert counts(p) == {"block": 1, "f": 1, "leaf": 1} and "leaf" in p.get_call_tree()


def test_a_generator_moved_between_threads(p):
    import threading

    @p.profile_function
    def f():
        with p.profile_block("b"):
            for i in range(4):
                leaf()
                yield i

    leaf = p.profile_function(lambda: None, "leaf")
    g, got = f(), []
    for _ in range(4):
        t = threading.Thread(target=lambda: got.append(next(g)))
        t.start()
        t.join()
    assert got == [0, 1, 2, 3] and list(g) == []
    assert counts(p) == {"f": 1, "b": 1, "leaf": 4}
    assert children(p) == {"f"} and children(p, "f", "b") == {"leaf"}


def test_a_leaked_block_of_a_task_does_not_touch_others(p):
    leaf = p.profile_function(lambda: None, "leaf")
    kept = []

    async def leaks():
        kept.append(p.profile_block("open").__enter__())
        await asyncio.sleep(0)

    async def other():
        leaf()
        await asyncio.sleep(0)
        leaf()

    async def main():
        await asyncio.gather(leaks(), other())

    asyncio.run(main())
    leaf()
    assert p.get_call_tree()["leaf"]["calls"] == 3
    kept[0].__exit__()
    assert counts(p) == {"leaf": 3, "open": 1}


def test_greenlets_stay_apart(p):
    greenlet = pytest.importorskip("greenlet")

    def body(name):
        @p.profile_function
        def work():
            with p.profile_block(name):
                hub.switch()
            return name
        return work

    hub = greenlet.getcurrent()
    made = [greenlet.greenlet(body(f"b{i}")) for i in range(3)]
    for _ in range(2):
        for g in made:
            g.switch()
    assert counts(p) == {"work": 3, "b0": 1, "b1": 1, "b2": 1}
    assert children(p) == {"work"} and children(p, "work") == {"b0", "b1", "b2"}


def test_what_runs_is_not_lost_when_tracing_is_on(p):
    @p.profile_function
    def g():
        yield 1

    seen = []
    sys.setprofile(lambda frame, event, arg: seen.append(event))
    try:
        list(g())
    finally:
        sys.setprofile(None)
    assert counts(p) == {"g": 1} and "call" in seen
