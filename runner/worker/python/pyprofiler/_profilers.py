"""Profilers as Python objects: the base class for users' own, and thin ones that name a
built-in backend and measure through the worker's extension module.
"""

from abc import ABC, abstractmethod


class Profiler(ABC):
    """Interface of a profiler written in Python; register it with register_profiler."""

    @classmethod
    @abstractmethod
    def add_parser_args(cls, parser):
        """Add the profiler's options to an argparse.ArgumentParser.

        An option's destination is a parameter of the constructor.
        """

    @classmethod
    @abstractmethod
    def description(cls):
        """One line for the list of profilers."""

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        self.reset()

    def __call__(self, func):
        """Run the body of a case."""
        func()

    @abstractmethod
    def start(self):
        """Begin to measure."""

    @abstractmethod
    def reset(self):
        """End to measure; what was measured is kept for `report`."""

    def trace(self, name):
        """A mark: ProfilerCase.trace was called."""

    @abstractmethod
    def report(self, stream):
        """Write what was measured; each `stream.write(text)` is a line."""

    def summarize_session(self):
        """Called after the last report."""


class Backend(Profiler):
    """A built-in profiler by name. Options are those of the command line."""

    backend = ""  # canonical name
    names = ()  # all names
    _positional = ()  # of the predecessor's constructor

    def __init__(self, *args, **options):
        if len(args) > len(self._positional):
            raise TypeError(
                f"{type(self).__name__} takes at most {len(self._positional)} "
                f"positional arguments, {len(args)} given"
            )
        self.options = {**dict(zip(self._positional, args)), **options}
        self._session = None

    @classmethod
    def add_parser_args(cls, parser):
        """The options are the backend's: ``pyprofiler-run --help NAME`` lists them."""

    @classmethod
    def description(cls):
        return cls.__doc__

    def start(self):
        self._session = _session(self.backend, _as_text(self.options))
        self._session.start()

    def reset(self):
        if self._session is not None:
            self._session.stop()

    def trace(self, name):
        if self._session is not None:
            self._session.mark(name)

    def report(self, stream):
        if self._session is not None:
            stream.write(self._session.report())


def _session(name, options):
    from pyprofiler import _native

    return _native.load().Session(name, options)


def _as_text(options):
    """Options as the command line would spell them; what is None is left out."""
    text = {}
    for name, value in options.items():
        if isinstance(value, bool):
            text[name] = "true" if value else "false"
        elif isinstance(value, (list, tuple)):
            text[name] = [str(item) for item in value]
        elif value is not None:
            text[name] = str(value)
    return text


class StopWatchProfiler(Backend):
    """how long: wall and CPU time"""

    backend = "stopwatch"
    names = ("stopwatch",)
    _positional = ("units",)


class cProfileProfiler(Backend):
    """which functions: calls, own and cumulative time"""

    backend = "call"
    names = ("call", "cprofile")
    _positional = ("sort", "strip_dirs", "top_k")


class TraceMallocProfiler(Backend):
    """which lines hold Python memory"""

    backend = "tracemalloc"
    names = ("tracemalloc",)
    _positional = ("top_k", "index", "key")


class MemoryProfilerLineByLine(Backend):
    """resident memory per line"""

    backend = "memory-line"
    names = ("memory-line", "memory-profiler-line")
    _positional = ("backend", "include_children", "max_depth")


class MemoryProfilerTime(Backend):
    """resident memory over time"""

    backend = "memory-time"
    names = ("memory-time", "memory-profiler-time")
    _positional = (
        "interval",
        "include_children",
        "multiprocess",
        "backend",
        "plots_directory",
        "keep_file",
    )


class CallGraphProfiler(Backend):
    """who calls whom"""

    backend = "callgraph"
    names = ("callgraph",)
    _positional = (
        "max_depth",
        "units",
        "include_stdlib",
        "font",
        "font_size",
        "group_font_size",
        "colormap",
        "comparator",
        "folder",
    )


class VizTracerProfiler(Backend):
    """every call on a timeline"""

    backend = "tracer"
    names = ("tracer", "viztracer")
    _positional = (
        "tracer_entries",
        "verbose",
        "max_stack_depth",
        "output_file",
        "ignore_multiprocess",
        "server_only",
        "port",
        "flamegraph",
    )


class PassThroughProfiler(Backend):
    """nothing: the case alone"""

    backend = "passthrough"
    names = ("passthrough",)


_BUILTIN = (
    StopWatchProfiler,
    cProfileProfiler,
    TraceMallocProfiler,
    MemoryProfilerLineByLine,
    MemoryProfilerTime,
    CallGraphProfiler,
    VizTracerProfiler,
    PassThroughProfiler,
)


class ProfilerFactory:
    """Profiler classes by name: the built-in ones and those that were registered."""

    callables = {name: cls for cls in _BUILTIN for name in cls.names}
    registered = {}  # name -> class, what the worker's adapter serves

    @classmethod
    def register(cls, name, cls_to_register):
        """ValueError: the name is taken by another class."""
        taken = cls.callables.get(name)
        # a module that is imported under two names registers its classes twice
        if taken is not None and not _same_source(taken, cls_to_register):
            raise ValueError(f"there is already a profiler named {name!r}")
        cls.callables[name] = cls.registered[name] = cls_to_register

    @classmethod
    def get(cls, name):
        """ValueError: nobody has that name."""
        try:
            return cls.callables[name]
        except KeyError:
            raise ValueError(f"there is no profiler named {name!r}") from None

    @classmethod
    def create(cls, name, **kwargs):
        """An instance; keyword arguments that a registered class does not take are
        left out."""
        found = cls.get(name)
        if issubclass(found, Backend):
            return found(**kwargs)
        return construct(found, kwargs)

    @classmethod
    def known_profilers(cls):
        """All names."""
        return list(cls.callables)


def _same_source(a, b):
    def place(cls):
        code = getattr(getattr(cls, "start", None), "__code__", None)
        return cls.__qualname__, getattr(code, "co_filename", None)

    return a is b or (not issubclass(a, Backend) and place(a) == place(b))


def construct(cls, values):
    """Call `cls` with those of the values that its signature takes."""
    from inspect import Parameter, signature

    parameters = signature(cls).parameters.values()
    if any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
        return cls(**values)
    keyword = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    taken = {p.name for p in parameters if p.kind in keyword}
    return cls(**{name: value for name, value in values.items() if name in taken})


class register_profiler:
    """Class decorator: the name counts on the command line."""

    def __init__(self, name):
        if not isinstance(name, str) or not name:
            raise TypeError("register_profiler needs a name: @register_profiler(\"x\")")
        self.name = name

    def __call__(self, cls):
        ProfilerFactory.register(self.name, cls)
        return cls
