"""Lesson 4: where the memory goes, by allocation, by line, and over time.

    pyprofiler-run cases/tutorial/04_memory.py::Words::profile_index tracemalloc
    pyprofiler-run cases/tutorial/04_memory.py::Words::profile_index memory-line
    pyprofiler-run cases/tutorial/04_memory.py::Words::profile_index memory-time --interval 1ms
"""

from pyprofiler import ProfilerCase


def make_words(n):
    return [f"word-{i * 7919 % n}" for i in range(n)]


def index_of(words):
    index = {}
    for position, word in enumerate(words):
        index.setdefault(word, []).append(position)
    return index


class Words(ProfilerCase):
    def profile_index(self):
        words = make_words(50_000)
        self.trace("made")  # a snapshot for tracemalloc, a line in the plot of memory-time
        index = index_of(words)
        self.trace("indexed")
        del words  # the index holds them: little is given back
        self.trace("dropped")
        return len(index)
