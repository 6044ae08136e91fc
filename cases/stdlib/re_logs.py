"""re: compiling a pattern and reading a log with it."""

import re

from pyprofiler import ProfilerCase

PATTERN = r'(?P<host>\S+) \[(?P<time>[^]]+)\] "(?P<verb>\w+) (?P<path>\S+)" (\d{3})'


class Logs(ProfilerCase):
    def setUp(self):
        line = '10.0.0.{} [21/Nov/2026:01:02:03] "GET /page/{}?q=x" 200\n'
        self.log = "".join(line.format(i % 256, i) for i in range(300))
        self.pattern = re.compile(PATTERN)
        re.purge()  # else profile_compile finds the pattern in re's cache

    def profile_compile(self):
        re.compile(PATTERN)

    def profile_finditer(self):
        hosts = {match["host"] for match in self.pattern.finditer(self.log)}
        assert len(hosts) == 256

    def profile_sub(self):
        self.pattern.sub(r"\g<verb> \g<path>", self.log)
