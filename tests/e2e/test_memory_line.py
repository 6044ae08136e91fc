"""memory-line from a user's side: memory that the launcher's malloc counts."""

import json

import pytest

MIB = 1 << 20
FILE = """
import mmap

from pyprofiler import ProfilerCase


class Memory(ProfilerCase):
    def profile_steps(self):
        block = bytes(8 << 20)
        block = None
        pages = mmap.mmap(-1, 4 << 20)
        pages.close()
        return 0
"""
BLOCK, DROPPED, PAGES, CLOSED = 9, 10, 11, 12


@pytest.fixture
def lines(each):
    each.write("mem.py", FILE)

    def run(*options):
        done = each.run("mem.py", "memory-line", *options, "--format", "json")
        return done, json.loads(done.out)["results"][0] if done.out else None

    return run


def increments(result):
    return {row["line"]: row["increment"] for row in result["sites"]}


def test_what_came_from_malloc_is_exact(lines, bin_dir):
    done, result = lines("--backend", "malloc")
    if "sanitizer" in (result["reason"] or ""):
        pytest.skip("a sanitizer has malloc's place")
    assert done.code == 0, done
    got = increments(result)
    assert got[BLOCK] == pytest.approx(8 * MIB, abs=8192)
    assert got[DROPPED] == -got[BLOCK]
    assert got[PAGES] == pytest.approx(4 * MIB, abs=8192)
    assert got[CLOSED] == pytest.approx(-4 * MIB, abs=8192)


def test_malloc_is_not_known_in_the_users_own_program(lines):
    done, result = lines("--backend", "malloc", "--host", "python")
    assert done.code == 1
    assert result["status"] == "error" and "--host=embed" in result["reason"]


def test_malloc_knows_no_children(lines):
    done, result = lines("--backend", "malloc", "--include-children")
    assert done.code == 4 and "--include-children" in result["reason"]
