"""What one profiler of a session measured, as plain Python data."""


class ProfilerResult:
    """The result of one profiler; all of it is read from its recording on first use.

    Times are in nanoseconds, memory in bytes, where a name does not say otherwise.
    """

    def __init__(self, name, native, options):
        self.name = name  # as in ProfilerSuite: "call"
        self.profiler = native.name  # the profiler's own: "memory-time"
        self.options = options
        self.id = None  # of the stored result
        self._native = native
        self._data = None

    def as_dict(self):
        """The whole result, as in ``results`` of schema pyprofiler/run/1."""
        if self._data is None:
            self._data = self._native.result()
        return self._data

    @property
    def status(self):
        return self.as_dict()["status"]

    @property
    def duration_ns(self):
        """From this profiler's start to its stop."""
        return self.as_dict()["duration_ns"]

    @property
    def metrics(self):
        """{name: {"unit": ..., "value": ..., "samples": [...], ...}}"""
        return self.as_dict()["metrics"]

    @property
    def sites(self):
        """Functions or lines: [{"file", "line", "function", and its figures}]"""
        return self.as_dict()["sites"]

    @property
    def edges(self):
        """Who called whom: [{"caller": {...}, "callee": {...}, and its figures}]"""
        return self.as_dict()["edges"]

    @property
    def marks(self):
        """[{"name", "at_ns", "delta_ns", "n"}]"""
        return self.as_dict()["marks"]

    @property
    def series(self):
        """Curves over time: [{"name", "unit", "at_ns": [...], "values": [...]}]"""
        return self.as_dict()["series"]

    @property
    def notes(self):
        """What the reader should know: texts."""
        return self.as_dict()["notes"]

    @property
    def lost(self):
        """How many events could not be recorded."""
        return self.as_dict()["lost"]

    @property
    def stacks(self):
        """[{"frames": [outermost, ...], "value": its own amount}]; [] without stacks."""
        if "collapsed" not in self.formats():
            return []
        stacks = []
        for line in self.export("collapsed").decode("utf-8", "replace").splitlines():
            frames, _, value = line.rpartition(" ")
            stacks.append({"frames": frames.split(";"), "value": int(value)})
        return stacks

    @property
    def recording(self):
        """Path of the file that it was recorded to; deleted with the session."""
        return self._native.recording

    def formats(self):
        """Names of the formats that `export` can write here."""
        return self._native.formats()

    def export(self, format, **options):
        """As a file of another tool, bytes. Options: sort, top_k, strip_dirs,
        time_unit, color, picture.

        ValueError: there is no such format, or this profiler does not measure what it
        needs.
        """
        return self._native.export(format, **options)

    def report(self):
        """The tables that pyprofiler-run shows, as text."""
        return self._native.report()

    def __repr__(self):
        return f"<ProfilerResult {self.name} ({self.profiler}) {self.status}>"


class Conflict:
    """A profiler of a session that could not start.

    profiler  its name, as in ProfilerSuite
    holder    who holds what it needs: "pyprofiler's 'call'", "cProfile", ...; None:
              nobody, it cannot work here
    reason    the whole text
    action    what was done
    """

    __slots__ = ("profiler", "holder", "reason", "action")

    def __init__(self, profiler, holder, reason, action):
        self.profiler = profiler
        self.holder = holder
        self.reason = reason
        self.action = action

    def __eq__(self, other):
        if not isinstance(other, Conflict):
            return NotImplemented
        return all(getattr(self, n) == getattr(other, n) for n in self.__slots__)

    __hash__ = None

    def __repr__(self):
        return f"Conflict({self.profiler!r}, holder={self.holder!r}, {self.reason!r})"

    def __str__(self):
        return f"{self.profiler}: {self.reason} ({self.action})"


class ConflictError(RuntimeError):
    """No profiler of a session could start; `conflicts` says why."""

    def __init__(self, conflicts):
        self.conflicts = list(conflicts)
        super().__init__(
            "no profiler could start: "
            + "; ".join(f"{c.profiler}: {c.reason}" for c in self.conflicts)
        )

    def __reduce__(self):  # pools of processes pickle what their work raises
        return type(self), (self.conflicts,)


def holder_of(reason):
    """Who the text of a refusal names, or None."""
    from re import search

    ours = search(r"pyprofiler's '[^']*'", reason)
    if ours:
        return ours.group()
    named = search(r"\bby (.+?)(?:; |$)", reason)
    return named.group(1) if named else None
