"""What it costs to serve a profiler that is written in Python."""

from pyprofiler import Profiler, ProfilerCase


class Example(Profiler):
    @classmethod
    def add_parser_args(cls, parser):
        parser.add_argument("--top-k", type=int, default=10, help="rows to print")
        parser.add_argument("--sort", choices=["name", "time"], default="time")
        parser.add_argument("--all", action="store_true", help="also what is hidden")

    @classmethod
    def description(cls):
        return "an example"

    def __init__(self, top_k=10, sort="time", all=False):
        self.top_k = top_k

    def start(self):
        pass

    def reset(self):
        pass

    def report(self, stream):
        for i in range(self.top_k):
            stream.write(f"row {i}")


class Adapter(ProfilerCase):
    def setUp(self):
        from pyprofiler import _adapter  # argparse: not before it is needed

        self.adapter = _adapter

    def profile_describe(self):
        described = self.adapter.describe("example", Example)
        assert len(described["options"]) == 3

    def profile_create(self):
        self.adapter.create("example", Example, {"top-k": "20", "all": "true"})

    def profile_drive(self):
        example = Example(top_k=100)
        self.adapter.start(example)
        self.adapter.run(example, int)
        self.adapter.stop(example)
        assert self.adapter.report(example).count("\n") == 100
