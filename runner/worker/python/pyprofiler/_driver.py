"""The loops around a case's body, in Python as timeit's: the worker calls them.

What stands between two executions is measured, so there is as little of it as possible.
"""

from itertools import repeat


def loop(method, kwargs, n):
    """Call `method` `n` times."""
    if kwargs:
        for _ in repeat(None, n):
            method(**kwargs)
    else:
        for _ in repeat(None, n):
            method()


async def aloop(method, kwargs, n):
    """Await `method` `n` times."""
    if kwargs:
        for _ in repeat(None, n):
            await method(**kwargs)
    else:
        for _ in repeat(None, n):
            await method()


def open_runner():
    """An asyncio.Runner with its loop made: the cost is paid before the first start."""
    import asyncio

    runner = asyncio.Runner()
    runner.get_loop()
    return runner


def close_runner(runner):
    """Cancel what is left in the loop and close it."""
    runner.close()


def instance(cls):
    """An instance of a case's class.

    Classes written for the predecessor may demand `profiler` or `func`: they get None.
    """
    init = getattr(cls.__init__, "__code__", None)
    if init is None:
        return cls()
    first_default = init.co_argcount - len(cls.__init__.__defaults__ or ())
    needed = init.co_varnames[1:first_default]
    return cls(**{name: None for name in needed if name in ("profiler", "func")})


def bind(method, kwargs):
    """`method` with its parameters, as a callable without any that keeps its name."""
    if not kwargs:
        return method

    def body():
        return method(**kwargs)

    body.__name__ = method.__name__
    body.__qualname__ = method.__qualname__
    return body
