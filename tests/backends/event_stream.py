"""Reading the events of a recording from its bytes, by the description in
<pyprofiler/events.h> and <pyprofiler/recording.h> alone: the truth that both the tracer
and the runner's reader are tested against."""

import struct
from collections import namedtuple

RETURN, UNWIND, CALL, INSTANT, COUNTER, EXCEPTION, SPAN, NOTE = range(8)
CODE, THREAD, EVENT = 3, 15, 10
GC, TASK = range(2)
ARGS, RETVAL = range(2)

Code = namedtuple("Code", "file line name qualname is_c")
Event = namedtuple("Event", "op ticks code kind name text value",
                   defaults=(None, None, None, None, None))


class Trace:
    """codes by id, threads (tid, name) by id, and the events of each thread id."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        magic, version, self.pid, self.committed, self.start_ns, self.ns_per_tick, \
            self.lost = struct.unpack_from("<8sIIQQdQ", self.data)
        assert magic == b"PRFREC1\0" and version == 1
        self.codes, self.threads, self.events, self.chunks = {}, {}, {}, []
        self.n_bytes = 0
        for kind, read in ((CODE, self.read_codes), (THREAD, self.read_threads),
                           (EVENT, self.read_events)):  # events may precede their codes
            for body in self.bodies(kind):
                read(body)

    def bodies(self, wanted):
        at = 4096
        while at + 32 <= self.committed:
            kind, _, capacity, used, _ = struct.unpack_from("<IIQQQ", self.data, at)
            if kind == wanted:
                yield self.data[at + 32:at + 32 + used]
            at += 32 + capacity

    def read_codes(self, body):
        while body:
            size, line, flags, n_file, n_name, n_qual = struct.unpack_from("<6I", body)
            text = body[24:24 + n_file + n_name + n_qual]
            self.codes[len(self.codes) + 1] = Code(
                text[:n_file].decode(), line, text[n_file:n_file + n_name].decode(),
                text[n_file + n_name:].decode(), bool(flags & 1))
            body = body[size:]

    def read_threads(self, body):
        while body:
            size, n_name, tid = struct.unpack_from("<IIQ", body)
            self.threads[len(self.threads) + 1] = tid, body[16:16 + n_name].decode()
            body = body[size:]

    def read_events(self, body):
        if len(body) < 16:
            return
        thread, depth, ticks = struct.unpack_from("<IIQ", body)
        self.chunks.append((thread, depth, ticks))
        self.n_bytes += len(body)
        events = self.events.setdefault(thread, [])
        cursor = Cursor(body, 16)
        while cursor.at < len(body):
            event = cursor.event(ticks, self.codes)
            ticks = event.ticks
            events.append(event)

    def all(self):
        return [event for events in self.events.values() for event in events]

    def calls(self):
        """(depth, name) of each call of all threads, in order, balanced by the stream."""
        result = []
        for events in self.events.values():
            depth = 0
            for event in events:
                if event.op == CALL:
                    result.append((depth, event.code.name))
                    depth += 1
                elif event.op in (RETURN, UNWIND):
                    depth -= 1
                    assert depth >= 0
        return result

    def stacks(self):
        """name -> names of the calls around it, outermost first, of its last call."""
        result = {}
        for events in self.events.values():
            stack = []
            for event in events:
                if event.op == CALL:
                    result[event.code.name] = list(stack)
                    stack.append(event.code.name)
                elif event.op in (RETURN, UNWIND):
                    stack.pop()
        return result

    def counts(self):
        """(file, line, name) -> calls"""
        result = {}
        for event in self.all():
            if event.op == CALL:
                code = event.code
                key = code.file, code.line, code.qualname if code.is_c else code.name
                result[key] = result.get(key, 0) + 1
        return result

    def of(self, op):
        return [event for event in self.all() if event.op == op]


class Cursor:
    def __init__(self, data, at):
        self.data, self.at = data, at

    def number(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def text(self):
        n = self.number()
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def event(self, ticks, codes):
        head = self.number()
        op, argument = head & 7, head >> 3
        if op == CALL:
            return Event(op, ticks + self.number(), codes[argument])
        if op == NOTE:
            return Event(op, ticks, kind=argument, text=self.text())
        ticks += argument
        if op == INSTANT:
            return Event(op, ticks, name=self.text(), text=self.text())
        if op == COUNTER:
            name = self.text()
            self.at += 8
            value, = struct.unpack_from("<d", self.data, self.at - 8)
            return Event(op, ticks, name=name, value=value)
        if op == EXCEPTION:
            return Event(op, ticks, text=self.text())
        if op == SPAN:
            return Event(op, ticks, kind=self.number(), name=self.text())
        return Event(op, ticks)
