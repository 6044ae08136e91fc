"""Programs for the line profilers: every way in which a line can begin and end."""

import asyncio
import contextlib
import functools
import threading


def loops():
    total = 0
    for i in range(10):
        if i % 2:
            continue
        total += i
    while total > 0:
        total -= 7
    else:
        total = 1
    return total


def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)


def recursion():
    return fib(9)


def even(n):
    return True if n == 0 else odd(n - 1)


def odd(n):
    if n == 0:
        return False
    return even(n - 1)


def mutual_recursion():
    return even(11), odd(6)


def one_line(): return 1


def several(): x = 1; y = 2; return x + y


def one_liners():
    square = lambda x: x * x
    twice = lambda x: (
        x
        + x
    )
    return one_line() + several() + square(3) + twice(4)


def comprehensions():
    rows = [x * 2 for x in range(5)]
    pairs = {
        x: y
        for x in range(3)
        for y in range(2)
        if x != y
    }
    return rows, pairs, {x for x in rows}, sum(x for x in rows)


def count(n):
    i = 0
    while i < n:
        got = yield i
        if got:
            i = got
        i += 1
    return "done"


def delegate():
    result = yield from count(3)
    yield result
    yield from [1, 2]


def closing():
    try:
        yield 1
        yield 2
    finally:
        len("closed")


def catching():
    while True:
        try:
            yield "ready"
        except ValueError:
            len("caught")


def generators():
    list(count(4))
    list(delegate())
    for value in closing():
        if value == 1:
            break
    unfinished = count(10)
    next(unfinished)
    unfinished.send(7)
    thrower = catching()
    next(thrower)
    thrower.throw(ValueError)
    next(thrower)
    try:
        thrower.throw(KeyError)
    except KeyError:
        pass
    dead = catching()
    try:
        dead.throw(OSError)  # it never began
    except OSError:
        pass


def raises(depth):
    if depth == 0:
        raise ValueError("deep")
    raises(depth - 1)
    return "never"


def cleans(depth):
    try:
        raises(depth)
    finally:
        len("finally")


def exceptions():
    for depth in range(3):
        try:
            cleans(depth)
        except ValueError as error:
            str(error)
        else:
            len("never")
    with contextlib.suppress(ZeroDivisionError):
        1 / 0
    try:
        return "from try"
    finally:
        len("on the way out")


class Resource:
    def __enter__(self):
        return self

    def __exit__(self, *what):
        return True

    def __getitem__(self, index):
        return index * 2

    @property
    def size(self):
        return 3

    @classmethod
    def make(cls):
        return cls()

    @staticmethod
    def helper(x):
        return -x


def methods():
    with Resource.make() as resource:
        total = 0
        for i in range(20):
            total += resource[i] + resource.size
        raise OSError(total)
    return resource.helper(1)


def logged(function):
    @functools.wraps(function)
    def wrapper(*args):
        result = function(*args)
        return result

    return wrapper


@logged
def decorated(
    x,
    y=2,
):
    return x + y


def decorators():
    return decorated(1) + decorated(2)


def called_from_c():
    words = ["bb", "a", "ccc"]
    words.sort(key=lambda w: len(w))
    return list(map(one_argument, words)), functools.reduce(
        lambda a, b: a + b,
        words,
    )


def one_argument(x):
    return x


def matching():
    seen = []
    for value in 1, "a", (1, 2), None:
        match value:
            case int():
                seen.append("int")
            case str() as text:
                seen.append(text)
            case (a, b):
                seen.append(a + b)
            case _:
                seen.append("other")
    return seen


async def step(n):
    await asyncio.sleep(0)
    return n


async def ticks(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


async def job(n):
    total = 0
    async for i in ticks(n):
        total += await step(i)
    return total


async def gather():
    async with asyncio.timeout(60):
        return await asyncio.gather(job(2), job(3))


def coroutines():
    return asyncio.run(gather())


def code_made_late():
    names = {}
    exec("def late(x):\n    y = x\n    return y\n", names)
    return names["late"](3)


def in_thread(n):
    total = 0
    for i in range(n):
        total += fib(4)
    return total


def threads():
    running = [threading.Thread(target=in_thread, args=(n,)) for n in range(1, 4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


PROGRAMS = [loops, recursion, mutual_recursion, one_liners, comprehensions, generators,
            exceptions, methods, decorators, called_from_c, matching, coroutines,
            code_made_late, threads]
