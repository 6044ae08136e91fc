"""Perfetto's trace format, as far as ours goes, decoded by the published field numbers
(trace_packet.proto, track_event.proto, track_descriptor.proto, interned_data.proto)."""

import struct


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """[(number, value)]: an int, or bytes."""
    at, found = 0, []
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size, at = {1: (8, at), 2: None, 5: (4, at)}[key & 7] or varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size
        found.append((key >> 3, value))
    return found


def message(data):
    """The last value of each field."""
    return dict(fields(data))


class PerfettoTrace:
    """Tracks by uuid, and events: dicts of track, type, at (ns), name, category, notes."""

    def __init__(self, data):
        self.tracks, self.events, names, categories = {}, [], {}, {}
        for number, packet in fields(data):
            assert number == 1
            packet = message(packet)
            if 60 in packet:
                track = message(packet[60])
                self.tracks[track[1]] = {
                    "parent": track.get(5), "name": track.get(2, b"").decode(),
                    "process": message(track.get(3, b"")), "counter": 8 in track,
                    "thread": message(track.get(4, b""))}
            for kind, entry in fields(packet.get(12, b"")):
                entry = message(entry)
                {1: categories, 2: names}[kind][entry[1]] = entry[2].decode()
            if 11 in packet:
                event = message(packet[11])
                assert event[11] in self.tracks  # a track comes before what is on it
                self.events.append({
                    "track": event[11], "type": event[9], "at": packet[8],
                    "name": names[event[10]] if 10 in event
                    else event.get(23, b"").decode(),
                    "category": categories[event[3]] if 3 in event
                    else event.get(22, b"").decode(),
                    "value": struct.unpack("<d", event[44])[0] if 44 in event else None,
                    "notes": [message(n) for k, n in fields(packet[11]) if k == 4]})
