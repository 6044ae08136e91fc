"""Programs whose profile is known from the standard cProfile: each function of PROGRAMS is
one. They end with the interpreter in the state in which they found it."""

import asyncio
import collections
import contextlib
import dataclasses
import difflib
import functools
import json
import operator
import re


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def is_even(n):
    return True if n == 0 else is_odd(n - 1)


def is_odd(n):
    return False if n == 0 else is_even(n - 1)


def numbers(n):
    for i in range(n):
        yield fib(i % 4)


def delegating(n):
    total = yield from numbers(n)
    return total


def recursion():
    fib(10)
    is_even(31)


def generators():
    sum(numbers(20))
    list(delegating(5))
    left_over = numbers(5)
    next(left_over)
    left_over.close()
    [x for x in numbers(3)]
    {x: len(str(x)) for x in range(4)}
    sum(x for x in range(5))


def catching():
    while True:
        try:
            yield len("a")
        except ValueError:
            yield abs(-1)


def thrown():
    g = catching()
    next(g)
    g.throw(ValueError("x"))
    next(g)
    try:
        g.throw(KeyError("x"))
    except KeyError:
        pass
    fresh = catching()
    try:
        fresh.throw(ValueError("never started"))
    except ValueError:
        pass


def raising(n):
    if n == 0:
        raise ValueError(n)
    raising(n - 1)


def exceptions():
    for n in (0, 3):
        try:
            raising(n)
        except ValueError:
            len("x")
    try:
        sorted([3, 1, 2], key=raising_key)
    except ZeroDivisionError:
        pass
    for wrong in (lambda: len(5), lambda: int("x"), lambda: [].pop(),
                  lambda: list.append()):
        try:
            wrong()
        except (TypeError, ValueError, IndexError):
            pass


def raising_key(x):
    return 1 // (x - 2)


def c_callbacks():
    sorted([3, 1, 2], key=lambda x: -x)
    list(map(fib, [3, 4]))
    list(map(len, ["a", "bb"]))
    functools.reduce(lambda a, b: a + b, [1, 2, 3])
    functools.partial(fib, 3)()
    functools.partial(len, "abc")()
    operator.methodcaller("upper")("x")
    max([1, 2], key=abs)
    "a,b".split(",")
    str.upper("x")
    dict.fromkeys("ab")
    getattr("x", "upper")()


def mixed_site():
    for function in (fib, len, fib, abs, len):
        try:
            function(3)
        except TypeError:
            pass


def rebinding():
    return target(-3)


def target(x):
    return x


def rebound_globals():
    global target
    mine = target
    for _ in range(5):
        rebinding()
    try:
        target = abs
        for _ in range(5):
            rebinding()
    finally:
        target = mine
    rebinding()


def rebind_below():
    global target
    target = abs


def rebound_below_caller():
    rebind_below()
    return target(-3)


def rebound_below():
    global target
    mine = target
    try:
        for _ in range(3):
            rebound_below_caller()
            target = mine
    finally:
        target = mine


@contextlib.contextmanager
def managed():
    yield fib(2)


def context_managers():
    with managed():
        fib(1)
    with contextlib.suppress(ValueError):
        raising(1)
    with contextlib.ExitStack() as stack:
        stack.callback(fib, 2)


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: int = 0


class Slots:
    __slots__ = ("n",)

    def __init__(self, n):
        self.n = n

    @property
    def twice(self):
        return self.n * 2

    def __call__(self, k):
        return self.n + k

    def __eq__(self, other):
        return self.n == other.n

    def __hash__(self):
        return hash(self.n)

    @classmethod
    def make(cls):
        return cls(1)

    @staticmethod
    def nothing():
        return None


def classes():
    sorted([Point(2), Point(1), Point(1, 1)])
    repr(Point(3))
    s = Slots(4)
    s.twice, s(1), s == Slots(4), {s, Slots(4)}
    Slots.make(), Slots.nothing()
    dataclasses.make_dataclass("Made", ["a", "b"])(1, 2)
    collections.namedtuple("Pair", "a b")(1, 2)
    super(Slots, s).__hash__
    isinstance(s, Slots)


def star_calls():
    args, kwargs = (3,), {"key": abs}
    fib(*args)
    len(*["abc"])
    sorted([1, -2], **kwargs)
    list.append(*[[], 1])
    dict(a=1)


async def nested(n):
    await asyncio.sleep(0)
    return fib(n)


async def agen():
    for i in range(3):
        yield i
        await asyncio.sleep(0)


async def async_main():
    await asyncio.gather(nested(2), nested(3))
    async for _ in agen():
        pass


def coroutines():
    coroutine = nested(3)
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        pass
    async_gen = agen()
    try:
        async_gen.__anext__().send(None)
    except StopIteration:
        pass


def json_text():
    json.dumps({"a": [1, 2, {"b": None}]}, indent=1)
    json.loads('{"a": [1, 2.5, "x"]}')


def regular_expressions():
    re.purge()
    re.compile(r"(a|b)+c?[x-z]{2,3}").findall("abcxyabxx")
    re.sub("a", lambda m: m.group().upper(), "banana")


def diffs():
    list(difflib.unified_diff("a\nb\nc".split(), "a\nx\nc".split()))
    difflib.SequenceMatcher(None, "abcd", "bcde").ratio()


class Subscripted:
    def __getitem__(self, key):
        return key


def subscripts():
    """Many, so that the interpreter specialises them, of an old and of a new class."""

    class New:
        def __getitem__(self, key):
            return key

    for items in (Subscripted(), New()):
        for i in range(200):
            items[i]


class Base:
    made = []

    def __init__(self, value=0):
        self.value = value

    def __init_subclass__(cls, **kwargs):
        Base.made.append(cls())  # before type.__new__ has returned

    def read(self):
        return self.value

    @property
    def twice(self):
        return 2 * self.value


class Given:
    def __set_name__(self, owner, name):
        make(owner)


class Reached:
    def __getattribute__(self, name):
        return object.__getattribute__(self, name)


class PlainMeta(type):
    def __init__(cls, name, bases, namespace):
        super().__init__(name, bases, namespace)


class NewMeta(PlainMeta):  # type.__new__ asks what PlainMeta has for it
    def __new__(cls, name, bases, namespace):
        return type.__new__(cls, name, bases, namespace)


def make(cls):
    return cls()


def other_init(self):
    self.other = True


def instances():
    """Of classes from before and made on the way, from sites that are specialised."""
    for i in range(200):
        Base(i)
    for metaclass in type, PlainMeta, NewMeta:
        for i in range(40):
            make(metaclass("Made", (Base,), {}))
            make(metaclass("Given", (), {"__init__": other_init, "given": Given()}))
    later = type("Later", (), {})
    for i in range(40):
        later.__init__ = (lambda self: None) if i % 2 else other_init
        make(later)
    Base.made.clear()


def frames():
    """What else the interpreter specialises to enter a function."""
    base, reached = Base(1), Reached()
    reached.x = 1
    for i in range(200):
        base.read()
        base.twice
        Base.read(base)
        reached.x
        Base(value=i)
        target(x=i)
        target(*(i,))
    for _ in delegating(100):
        pass
    list(numbers(100))


PROGRAMS = [instances, frames, subscripts, recursion, generators, thrown, exceptions, c_callbacks, mixed_site,
            rebound_globals, rebound_below, context_managers, classes, star_calls,
            coroutines, json_text, regular_expressions, diffs]


def event_loop():
    asyncio.run(async_main())
