"""json: a document of nested objects, to text and back, in C and in Python."""

import json
from json import encoder

from pyprofiler import ProfilerCase


def document(n):
    return [
        {"id": i, "name": f"item {i}", "price": i / 7, "tags": ["a", "b"], "next": None}
        for i in range(n)
    ]


class Json(ProfilerCase):
    def setUp(self):
        self.document = document(200)
        self.text = json.dumps(self.document)

    def profile_dumps(self):
        json.dumps(self.document)

    def profile_dumps_indented(self):
        """With an indent json uses its Python encoder: see it under `cprofile`."""
        encoder.JSONEncoder(indent=2).encode(self.document[:40])

    def profile_loads(self):
        json.loads(self.text)
