"""ProfilerCase: the class that case files derive from.

The life of a case (set-up, body, tear-down, clean-ups) is driven by the worker; here is
what user code calls. Nothing is imported at module level.
"""


class SkipCase(Exception):
    """Raised to skip the case that is running; its text is the reason."""


def _enter(context, add_cleanup):
    """Enter `context`, to be left by a clean-up."""
    cls = type(context)
    try:
        enter, leave = cls.__enter__, cls.__exit__
    except AttributeError:
        raise TypeError(
            f"'{cls.__module__}.{cls.__qualname__}' object is not a context manager"
        ) from None
    value = enter(context)
    add_cleanup(leave, context, None, None, None)
    return value


def _run_cleanups(stack):
    """Run all clean-ups, last added first, then raise the first exception of them."""
    first = None
    others = 0
    while stack:
        function, args, kwargs = stack.pop()
        try:
            function(*args, **kwargs)
        except BaseException as exc:  # the rest of the clean-ups must run
            if first is None:
                first = exc
            else:
                others += 1
    if first is not None:
        if others:
            first.add_note(f"{others} more clean-up(s) raised after this one")
        try:
            raise first
        finally:
            first = None  # no cycle through this frame


class ProfilerCase:
    """Methods named ``profile_*`` are cases, each run on an instance of its own."""

    def __init__(self, profiler=None, func=None):
        """
        :param profiler: used by `runCases`; under the runner it is None
        :param func: name of the only method that `runCases` should run
        """
        self._profiler = profiler
        self._only = func
        self._stream = None
        self._cleanups = []

    def setUp(self):
        """Called before each execution, outside the measured region."""

    def tearDown(self):
        """Called after each execution, also one that raised, if `setUp` succeeded."""

    @classmethod
    def setUpClass(cls):
        """Called once in the process of a case, before its instance is made."""

    @classmethod
    def tearDownClass(cls):
        """Called once in the process of a case, after all executions."""

    def addCleanup(self, function, /, *args, **kwargs):
        """Call `function` after `tearDown`; last added, first called."""
        try:
            stack = self._cleanups
        except AttributeError:  # a subclass that does not call our __init__
            stack = self._cleanups = []
        stack.append((function, args, kwargs))

    def doCleanups(self):
        """Run the clean-ups that are due. Raises the first exception after the last."""
        _run_cleanups(getattr(self, "_cleanups", ()))

    def enterContext(self, context):
        """Enter a context manager and return its value; left as a clean-up."""
        return _enter(context, self.addCleanup)

    @classmethod
    def addClassCleanup(cls, function, /, *args, **kwargs):
        """Call `function` after `tearDownClass`."""
        if "_class_cleanups" not in cls.__dict__:
            cls._class_cleanups = []  # of this class, not shared with its bases
        cls._class_cleanups.append((function, args, kwargs))

    @classmethod
    def doClassCleanups(cls):
        """Run the clean-ups of the class that are due."""
        _run_cleanups(cls.__dict__.get("_class_cleanups", ()))

    @classmethod
    def enterClassContext(cls, context):
        """Enter a context manager and return its value; left as a class clean-up."""
        return _enter(context, cls.addClassCleanup)

    def skipTest(self, reason):
        """Skip the case that is running."""
        raise SkipCase(reason)

    def trace(self, name):
        """Record a mark: a named moment of the measured region, in every profiler."""
        # under the runner the worker's own function stands here
        profiler = getattr(self, "_profiler", None)
        if profiler is not None:
            self._trace_into(profiler, name)

    def counter(self, name, value):
        """Record the value of a quantity at this moment, in profilers that have a timeline.

        :param name: the curve; the same name continues it
        :param value: a number, in whatever unit the name says
        """
        # under the runner the worker's own function stands here
        float(value)

    def _trace_into(self, profiler, name):
        if self._stream is not None:
            self._stream.write(f"Add trace: `{name}`\n")
        profiler.trace(name)

    @classmethod
    def with_profiler_name(cls, name, **kwargs):
        """An instance whose `runCases` uses the profiler of that name."""
        from pyprofiler._profilers import ProfilerFactory

        return cls(profiler=ProfilerFactory.create(name, **kwargs))

    @staticmethod
    def list_functions(object, funcname=None):
        """The cases of a class or an instance, alphabetical."""
        names = [n for n in dir(object) if n.startswith("profile_")]
        if funcname is not None:
            names = [n for n in names if n == funcname]
        functions = [getattr(object, n) for n in names]
        return [f for f in functions if callable(f)]

    def runCases(self, stream):
        """Run this object's cases in this process and write the reports to `stream`."""
        from pyprofiler._inprocess import run_cases

        run_cases(self, stream)
