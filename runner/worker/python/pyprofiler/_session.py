"""Sessions: a block, a function or a whole process under several profilers at once.

The profilers are the built-in ones, in this process; see docs/sessions.md.
"""

import _thread
import atexit
import functools
import os
import sys
import types

from pyprofiler import _native
from pyprofiler._config import DEFAULT_OUTPUT_DIR, ProfileConfig
from pyprofiler._results import Conflict, ConflictError, ProfilerResult, holder_of

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_Region = _native.load().Region
_hide = _Region._hide

_USAGE, _IO, _MEMORY = -2, -4, -1  # enum prf_code

# name in the suite: the field that switches it on, the profiler. In the order in which
# they are started: those that disturb the others most come last and stop first.
_PROFILERS = {
    "memory": ("memory_profiling", "memory-time"),
    "sampling": ("sampling_profiling", "sampling"),
    "line": ("line_profiling", "line"),
    "call": ("call_profiling", "call"),
}

# What can be drawn of a profiler, when the result has what the format needs.
_PICTURES = {
    "memory": ("svg", "html"),
    "sampling": ("flamegraph", "html", "speedscope"),
    "line": ("html", "markdown"),
    "call": ("flamegraph", "svg", "html", "speedscope"),
}
_ENDINGS = {
    "flamegraph": ".flame.svg",
    "html": ".html",
    "json": ".json",
    "markdown": ".md",
    "speedscope": ".speedscope.json",
    "svg": ".svg",
    "text": ".txt",
}


def _options(name, config):
    """Of a profiler, as its command line spells them."""
    if name == "memory":
        return {"interval": f"{config.memory_interval:g}"}
    if name == "sampling":
        return {"interval": str(round(config.sampling_interval * 1e6))}
    if name == "line" and config.functions:
        return {"functions": list(config.functions)}
    if name == "call" and not config.c_functions:
        return {"ignore-c-function": "true"}
    return {}


def _store_is_off():
    """By the environment, with anything but "" and "0"."""
    return os.environ.get("PYPROFILER_NO_STORE", "") not in ("", "0")


def _warn(text):
    """Never an exception in the user's program, also where warnings are errors."""
    import warnings

    try:
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    except Exception:
        print(f"pyprofiler: {text}", file=sys.stderr)


class _Place:
    """What is measured: a name, and where it stands."""

    def __init__(self, path, line, name, code=None):
        self.file = path if os.path.isfile(path) else None
        self.source = _utf8(path)  # what its code calls it: a cell has a name, no file
        self.line = line
        self.hash = None
        self.case = _utf8(f"{self.file or path.strip('<>') or 'session'}::{name}")
        try:
            self.root = os.getcwd()
        except OSError:  # it was deleted
            self.root = os.path.dirname(self.file or "/")
        if code is not None:
            from pyprofiler._discover import source_hash

            self.hash = source_hash(None, code, name)

    @classmethod
    def of_frame(cls, frame, name):
        """The code that begins a session: the nearest that is not our own."""
        while frame.f_back is not None and _is_between(frame.f_code.co_filename):
            frame = frame.f_back
        code = frame.f_code
        inside = code.co_qualname if code.co_name != "<module>" else "session"
        path = _absolute(code.co_filename, frame.f_globals)
        return cls(path, frame.f_lineno, name or inside)

    @classmethod
    def of_function(cls, function, name):
        code = getattr(function, "__code__", None)
        qualname = getattr(function, "__qualname__", type(function).__name__)
        if code is None:
            return cls("", 0, name or qualname)
        path = _absolute(code.co_filename, getattr(function, "__globals__", {}))
        return cls(path, code.co_firstlineno, name or qualname, code)


def _utf8(text):
    """A name or path, which may be of other bytes, as results can have it."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def _is_between(path):
    return path.startswith(_PACKAGE) or os.path.basename(path) == "contextlib.py"


def _absolute(path, namespace):
    """A script's code has the path of its command line, and the folder may have been
    changed since."""
    known = namespace.get("__file__")
    if isinstance(known, str) and os.path.basename(known) == os.path.basename(path):
        path = known
    return path if path.startswith("<") else os.path.abspath(path)


def _draw(result, format):
    """Bytes; None: there is nothing to draw, as of a block that called nothing."""
    if format not in result.formats():
        return None
    try:
        return result.export(format)
    except RuntimeError as e:  # Graphviz is missing
        _warn(f"cannot draw {result.name!r} as {format}: {e}")
        return None


class ProfileSession(_Region):
    """A block under the profilers that its configuration names; see `profile`.

    As a decorator, it is a pattern: each outermost call of the function is a session of
    its own, the last one is the function's attribute ``session``.
    """

    def __init__(self, config=None, *, _place=None):
        if config is None:
            config = ProfileConfig()
        if not isinstance(config, ProfileConfig):
            raise TypeError(
                f"a session takes a ProfileConfig, not {type(config).__qualname__}"
            )
        self.config = config
        self.results = {}
        self.conflicts = []
        self.files = []  # what was written to output_dir
        self.reason = self.traceback = None
        self.run_id = self.store_path = None
        self._place = _place
        self._names = []
        self._failed = False
        self._pid = None

    # ---- the block: called by the base class, while nothing is measured ----

    def _begin(self):
        self._pid = os.getpid()
        if self._place is None:
            self._place = _Place.of_frame(sys._getframe(1), self.config.name)
        native = _native.load()
        sessions = []
        for name, (field, profiler) in _PROFILERS.items():
            if not getattr(self.config, field):
                continue
            options = _options(name, self.config)
            try:
                sessions.append(
                    native.Session(
                        profiler, options, self._place.case, self._place.source
                    )
                )
            except ValueError as e:  # this build lacks it
                self.conflicts.append(Conflict(name, None, str(e), "left out"))
                continue
            self._names.append((name, options))
        if not sessions and self.conflicts and self.config.on_conflict == "raise":
            raise ConflictError(self.conflicts)
        return sessions

    def _take_failures(self):
        taken = {conflict.profiler for conflict in self.conflicts}
        for index, _, reason in self._failures:
            name = self._names[index][0]
            if name in taken:
                continue
            holder = holder_of(reason)
            ours = holder is not None and holder.startswith("pyprofiler's")
            action = "left out: the other one measures it" if ours else "left out"
            if self._sessions[index].recording is not None:
                action = "its result may not be whole"  # it could not be stopped
            self.conflicts.append(Conflict(name, holder, reason, action))

    def _refused(self):
        """Nothing could start, or something could not for a reason of its own."""
        for index, code, reason in self._failures:
            kind = {_USAGE: ValueError, _IO: OSError, _MEMORY: MemoryError}.get(code)
            if kind is not None:
                raise kind(f"{self._names[index][0]}: {reason}")
        self._take_failures()
        ours = all((c.holder or "").startswith("pyprofiler's") for c in self.conflicts)
        if not ours and self.config.on_conflict == "raise":
            raise ConflictError(self.conflicts)

    def _end(self, kind, value, traceback):
        if os.getpid() != self._pid:
            return  # a fork: the session is the parent's
        try:
            self._take_failures()
            self._take_outcome(kind, value)
            self._take_results()
            self._write()
            self._store()
        except Exception as e:
            _warn(f"the session {self.case!r} was not kept whole: {e!r}")

    def _take_outcome(self, kind, value):
        if kind is None or issubclass(kind, GeneratorExit):
            return
        if issubclass(kind, SystemExit) and getattr(value, "code", 1) in (0, None):
            return
        import traceback

        self._failed = True
        if value is None:  # called by hand
            self.reason = kind.__qualname__
            return
        self.reason = traceback.format_exception_only(kind, value)[-1].strip()
        where = value.__traceback__
        while where is not None and where.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            where = where.tb_next  # of the function that is around a decorated one
        self.traceback = "".join(traceback.format_exception(kind, value, where))

    def _take_results(self):
        for (name, options), native in zip(self._names, self._sessions):
            try:
                native.stop()
                native.finish(self.status, self.reason, self.traceback)
            except (RuntimeError, OSError, MemoryError) as e:
                if name not in {c.profiler for c in self.conflicts}:
                    self.conflicts.append(Conflict(name, None, str(e), "lost"))
                continue
            self.results[name] = ProfilerResult(name, native, options)

    # ---- what becomes of it ----

    def _write(self):
        config = self.config
        if config.output_dir is None and not config.create_visualizations:
            return
        folder = config.output_dir or DEFAULT_OUTPUT_DIR
        try:
            self.save(folder, pictures=config.create_visualizations)
        except OSError as e:
            _warn(f"cannot write results to {folder!r}: {e}")

    def save(self, folder, pictures=True):
        """Write each result as JSON and as text into a folder, and what can be drawn of
        it: flame graphs, curves, tables. Returns the paths. OSError."""
        os.makedirs(folder, exist_ok=True)
        written = []
        for name, result in self.results.items():
            for format in ("json", "text", *(_PICTURES[name] if pictures else ())):
                data = _draw(result, format)
                if data:
                    path = os.path.join(os.path.abspath(folder), name + _ENDINGS[format])
                    with open(path, "wb") as out:
                        out.write(data)
                    written.append(path)
        self.files += written
        return written

    def _store(self):
        if not self.config.store or not self.results or _store_is_off():
            return
        from pyprofiler import _keep  # imports what costs milliseconds

        try:
            kept = _keep.store(self)
        except _keep.StoreError as e:
            _warn(f"the session {self.case!r} is not stored: {e}")
            return
        self.run_id = kept["run"]
        self.store_path = kept.get("store")
        for result, stored in zip(self.results.values(), kept["results"]):
            result.id = stored["id"]

    # ---- for its user ----

    @property
    def case(self):
        """The id of what is measured, "path::name"; None before the start."""
        return self._place.case if self._place is not None else None

    @property
    def status(self):
        """"new", "running", then "ok", or "failed" when the block raised."""
        if self.running:
            return "running"
        if not self.ended:
            return "new"
        return "failed" if self._failed else "ok"

    @property
    def result_ids(self):
        """{profiler: id of its stored result}"""
        return {name: r.id for name, r in self.results.items() if r.id is not None}

    def get_completed_profilers(self):
        """Names of those that measured: of "memory" "sampling" "line" "call"."""
        return list(self.results)

    def get_running_profilers(self):
        """Names of those that measure now."""
        return [n for (n, _), s in zip(self._names, self._sessions) if s.measuring]

    def export(self, profiler, format, **options):
        """A result in another tool's format, bytes; see ProfilerResult.export.

        KeyError: that profiler did not measure.
        """
        return self._result(profiler).export(format, **options)

    def _result(self, profiler):
        if profiler not in self.results:
            have = ", ".join(self.results) or "none: it has not ended"
            raise KeyError(f"no result of {profiler!r}; there are: {have}")
        return self.results[profiler]

    def report(self):
        """All results as the tables that pyprofiler-run shows, and what was left out."""
        parts = [f"{self.case}  {self.status}  {self.duration:.6f} s\n"]
        if self.reason:
            parts.append(self.reason + "\n")
        parts += [result.report() for result in self.results.values()]
        parts += [f"not measured: {conflict}\n" for conflict in self.conflicts]
        return "\n".join(parts)

    def __repr__(self):
        return f"<ProfileSession {self.case or ''} {self.status}>".replace("  ", " ")

    # ---- as a decorator ----

    def __call__(self, function):
        if not callable(function):
            raise TypeError(
                f"a session decorates a function, not {type(function).__qualname__}"
            )
        if isinstance(function, type):
            raise TypeError("a session decorates a function, not a class: its methods")
        return _decorate(function, self.config)


def _decorate(function, config):
    from inspect import (
        isasyncgenfunction,
        iscoroutinefunction,
        isgeneratorfunction,
    )

    if isasyncgenfunction(function):
        raise TypeError(
            "a session does not decorate an asynchronous generator: use `with profile()` "
            "in what iterates over it"
        )
    place = _Place.of_function(function, config.name)
    # The running session. Hooks are the process's: a call that begins while one is
    # measured, on any thread, belongs to that. The list is looked at first because that
    # calls nothing, so that the session sees nothing; the lock tells threads apart that
    # come at once.
    busy, lock = [], _thread.allocate_lock()
    kind = (
        _wrap_coroutine
        if iscoroutinefunction(function)
        else _wrap_generator
        if isgeneratorfunction(function)
        else _wrap_call
    )
    wrapper = kind(function, lambda: ProfileSession(config, _place=place), busy, lock)
    wrapper.session = None
    return wrapper


def _wrap_call(function, new, busy, lock):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        if busy or not lock.acquire(False):
            return function(*args, **kwargs)
        session = None
        try:
            session = new()
            busy.append(session)
            with session:
                return function(*args, **kwargs)
        finally:
            busy.clear()
            wrapper.session = session
            lock.release()

    _hide(wrapper)
    return wrapper


def _wrap_coroutine(function, new, busy, lock):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        if busy or not lock.acquire(False):
            return await function(*args, **kwargs)
        session = None
        try:
            session = new()
            busy.append(session)
            with session:
                return await function(*args, **kwargs)
        finally:
            busy.clear()
            wrapper.session = session
            lock.release()

    _hide(wrapper)
    return wrapper


def _wrap_generator(function, new, busy, lock):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        if busy or not lock.acquire(False):
            return (yield from function(*args, **kwargs))
        session = None
        try:
            session = new()
            busy.append(session)
            with session:
                return (yield from function(*args, **kwargs))
        finally:
            busy.clear()
            wrapper.session = session
            lock.release()

    _hide(wrapper)
    return wrapper


def profile(target=None, /, *args, **fields):
    """Profile a function, a block, or pieces of a program.

    ``with profile() as session:`` and ``@profile()`` make sessions: `target` is a
    ProfileConfig, keyword arguments are its fields. ``@profile``, ``profile(function)``,
    ``@profile("name")`` and ``@profile(name="name")`` instrument a function with the
    global PerformanceProfiler.
    """
    if target is None and not args and fields.keys() == {"name"}:
        return _piece(fields["name"])
    if isinstance(target, str):
        _only_name(args, fields)
        return _piece(target)
    if target is not None and callable(target):
        name = args[0] if len(args) == 1 else fields.pop("name", None)
        _only_name(args[1:], fields)
        return _instrument(target, name)
    if args:
        raise TypeError("profile() takes one ProfileConfig, function or name")
    if target is None:
        return ProfileSession(ProfileConfig(**fields))
    if isinstance(target, ProfileConfig):
        return ProfileSession(target.replace(**fields) if fields else target)
    raise TypeError(
        "profile() takes a ProfileConfig, a function or a name, not "
        f"{type(target).__qualname__}"
    )


def _only_name(args, fields):
    if args or fields:
        what = ", ".join(fields) or f"{len(args)} more arguments"
        raise TypeError(f"profile(function) and profile(name) take no {what}")


def _instrument(function, name):
    return _native.load().instrument(function, name)


def _piece(name):
    if not isinstance(name, str) or not name:
        raise TypeError(f"the name of a piece is {name!r}; it takes a text")

    def decorator(function):
        return _instrument(function, name)

    return decorator


class _OnEither:
    """A method for the class and for its instances."""

    def __init__(self, function):
        self.function = _hide(function)
        self.__doc__ = function.__doc__

    @_hide
    def __get__(self, instance, owner):
        return types.MethodType(self.function, owner if instance is None else instance)


_whole = None  # the session of enable_profiling


class ProfilerSuite:
    """The profilers line, memory, call and sampling, together."""

    def __init__(self, config=None):
        self.config = ProfileConfig() if config is None else config
        if not isinstance(self.config, ProfileConfig):
            raise TypeError(
                f"a suite takes a ProfileConfig, not {type(config).__qualname__}"
            )

    def profile(self, **changes):
        """A session: ``with suite.profile() as session:``, ``@suite.profile()``."""
        return profile(self.config, **changes)

    @_OnEither
    def enable_profiling(suite, config=None):
        """Profile this process from now on, until `disable_profiling` or its end; the
        results are stored then. Returns the session.

        RuntimeError: that was done already.
        """
        if config is None and isinstance(suite, ProfilerSuite):
            config = suite.config
        return enable_profiling(config)

    @_OnEither
    def disable_profiling(suite):
        """End what `enable_profiling` began; returns the session, or None when nothing
        is enabled."""
        return disable_profiling()


def enable_profiling(config=None):
    """As ProfilerSuite.enable_profiling."""
    global _whole
    if _whole is not None and _whole.running and _whole._pid == os.getpid():
        raise RuntimeError(
            f"profiling is enabled already, since {_whole.case}: call disable_profiling()"
        )
    _whole = session = ProfileSession(config)
    atexit.unregister(disable_profiling)  # of one that could not start
    atexit.register(disable_profiling)
    return session.__enter__()


@_hide
def disable_profiling():
    """As ProfilerSuite.disable_profiling."""
    global _whole
    session = _whole
    if session is None:
        return None
    if session.running:
        session.__exit__(None, None, None)
    _whole = None
    atexit.unregister(disable_profiling)
    return session
