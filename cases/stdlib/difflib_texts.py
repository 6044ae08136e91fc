"""difflib: pure Python with deep loops, a good subject for `cprofile`."""

import difflib

from pyprofiler import ProfilerCase, params


class Texts(ProfilerCase):
    def setUp(self):
        self.old = [f"line {i * i % 97}\n" for i in range(120)]
        self.new = [line for i, line in enumerate(self.old) if i % 11] + ["end\n"]

    def profile_unified(self):
        list(difflib.unified_diff(self.old, self.new))

    @params(word=["apple", "pineapple"])
    def profile_close_matches(self, word):
        difflib.get_close_matches(word, ["ape", "apply", "maple", "puppy"] * 5)
