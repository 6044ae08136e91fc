"""Where the cost changed: a repository with known edits, and the pictures of them."""
import json
import math
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

import pytest

from conftest import PYTHONS, make_project
from test_consumers import HERE, speedscope

SVG = "{http://www.w3.org/2000/svg}"

BASE = '''
def slower(n):
    total = 0
    for k in range(2000):
        total += k
    return total


def never_called():
    return 1


def often(n):
    return n


def gone(n):
    return sorted(range(n))


def steady(n):
    return n


def lines(n):
    total = 0
    for k in range(n):
        total += k
    total += 1
    return total


def case():
    for k in range(3):
        often(k)
    for k in range(20):
        slower(k)
        steady(k)
        gone(2000)
    lines(50)
    helped(4)
'''

NEXT = BASE.replace("range(2000):", "range(200000):") \
    .replace("return 1", "return 2") \
    .replace("def gone(n):", "def fresh(n):").replace("gone(2000)", "fresh(2000)") \
    .replace("range(3)", "range(30)").replace("range(n):\n        total", "range(2 * n):\n        total") \
    .replace("total += 1", "total += 2")

CASES = '''
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from pyprofiler import ProfilerCase
import shop

class Shop(ProfilerCase):
    def profile_case(self):
        shop.case()
    def profile_other(self):
        shop.steady(1)
'''

HELPER = "def helped(n):\n    return [piece(k) for k in range(n)]\n\n\ndef piece(k):\n    return k\n"


@pytest.fixture(scope="module")
def measured(tmp_path_factory, bin_dir):
    """Two commits, each measured once by call, line and stopwatch."""
    project = make_project(tmp_path_factory.mktemp("where"), bin_dir, next(iter(PYTHONS)))
    project.write("cases/shop_case.py", CASES)
    project.write("helper_old.py", HELPER)
    project.write("shop.py", "from helper_old import helped\n" + BASE)
    project.commit("before")
    measure(project)
    (project.path / "helper_old.py").unlink()
    project.write("helper_new.py", HELPER)
    project.write("shop.py", "import math\n\nfrom helper_new import helped\n"
                  + NEXT.replace("helped(4)", "helped(40)"))
    project.commit("after")
    measure(project)
    return project


def measure(project):
    done = project.run("-q", "cases", "call,stopwatch", "--rounds", "3")
    assert done.code == 0, done
    done = project.run("-q", "cases", "line", "--functions", "shop:lines")
    assert done.code == 0, done


def compare(project, *words, code=(0, 6), sides=("HEAD~1", "HEAD")):
    done = project.run("pyprofiler", "compare", *sides, *words)
    assert done.code in (code if isinstance(code, tuple) else (code,)), done
    return done


def where(project, *words, profiler="call", sides=("HEAD~1", "HEAD")):
    """{function or (function, line): entry} of the case, and its item."""
    done = compare(project, "--where", "-p", profiler, "-k", "profile_case", "-m", "wall_time",
                   "--format", "json", *words, sides=sides)
    (item,) = done.json["items"]
    entries = [e for e in item["where"] if not e.get("stack")]
    lines = profiler == "line"
    return {(e["function"], e["line"]) if lines else e["function"]: e for e in entries}, item


def test_functions(measured):
    entries, item = where(measured)
    slower = entries["slower"]
    assert slower["kinds"] == ["dearer"]
    assert (slower["file"], slower["column"]) == ("shop.py", "own_ns")
    assert slower["calls_base"] == slower["calls_new"] == 20
    assert slower["new"] > slower["base"] and slower["by_cost"] > 0 and slower["by_calls"] == 0
    assert "steady" not in entries
    assert item["where"][0]["function"] == "slower"
    for entry in item["where"]:
        parts = entry["by_calls"] + entry["by_cost"]
        assert parts == pytest.approx(entry["new"] - entry["base"])


def test_the_path_to_the_first(measured):
    _, item = where(measured)
    (path,) = [e for e in item["where"] if e.get("stack")]
    assert path["stack"] == ["Shop.profile_case", "case", "slower"]


def test_calls(measured):
    entries, _ = where(measured, "--column", "calls", "--top-k", "100")
    assert {k: (e["base"], e["new"], e["kinds"]) for k, e in entries.items() if "<" not in k} == {
        "often": (3, 30, ["more-calls"]),
        "fresh": (0, 20, ["new"]),
        "gone": (20, 0, ["gone"]),
        "piece": (4, 40, ["more-calls"]),
    }
    assert entries["piece"]["file"] == "helper_new.py"  # it was renamed


def test_top_k(measured):
    entries, item = where(measured, "--column", "calls", "--top-k", "1")
    assert list(entries) == ["piece"]


def test_hunks(measured):
    entries, _ = where(measured, "--column", "calls", "--top-k", "100")
    assert entries["often"]["hunks"] == []  # its callers changed, not it
    assert entries["piece"]["hunks"] == []
    (hunk,) = entries["fresh"]["hunks"]
    assert "-def gone(n):" in hunk and "+def fresh(n):" in hunk
    assert entries["gone"]["hunks"] == [hunk]
    (hunk,) = where(measured)[0]["slower"]["hunks"]
    # not that of the function behind it, which no profile has seen
    assert "+    for k in range(200000):" in hunk and "return 2" not in hunk


def test_lines(measured):
    _, item = where(measured, "--column", "hits", "--top-k", "100", profiler="line")
    text = (measured.path / "shop.py").read_text().split("\n")
    old = measured.git("show", "HEAD~1:shop.py").split("\n")
    found = {}
    assert {e["function"] for e in item["where"]} == {"lines"}
    for e in item["where"]:
        source, line = old if e["kinds"] == ["gone"] else text, e["line"]
        found[source[line - 1].strip()] = (e["kinds"], e["base"], e["new"])
    assert found == {
        "for k in range(n):": (["gone"], 51, 0),
        "for k in range(2 * n):": (["new"], 0, 101),
        "total += k": (["more-calls"], 50, 100),  # two lines were put above it
        "total += 1": (["gone"], 1, 0),
        "total += 2": (["new"], 0, 1),
    }


def test_another_profiler_tells(measured):
    entries, item = where(measured, profiler="stopwatch")
    assert item["where_profiler"] == "call"
    assert entries["slower"]["kinds"] == ["dearer"]
    assert where(measured)[1]["where_profiler"] is None
    text = compare(measured, "--where", "-p", "stopwatch", "-k", "profile_case").out
    assert "where, as call has it:" in text
    assert "shop.py:" in text and "slower" in text


def test_only_of_what_changed(measured):
    items = compare(measured, "--format", "json").json["items"]
    changed = {"slower", "faster", "larger", "smaller"}
    assert items
    for item in items:
        assert item["verdict"] in changed or item["where"] == [], item


def test_no_where(measured):
    done = compare(measured, "--where", "--no-where", "-p", "call", "--format", "json")
    assert [i["where"] for i in done.json["items"]] == [[], []]


def test_verdict_asks_for_it(project):
    """Enough runs for a verdict: the function stands under it without an option."""
    project.write("cases/c.py", '''
from pyprofiler import ProfilerCase
def work():
    return sum(range(1000))
class C(ProfilerCase):
    def profile_c(self):
        work()
''')
    project.commit("before")
    for _ in range(10):
        assert project.run("-q", "cases", "call").code == 0
    project.write("cases/c.py", (project.path / "cases/c.py").read_text().replace("1000", "9000000"))
    project.commit("after")
    for _ in range(10):
        assert project.run("-q", "cases", "call").code == 0
    done = compare(project, "--format", "json", code=6)
    (item,) = done.json["items"]
    assert item["verdict"] == "slower"
    names = [e["function"] for e in item["where"]]
    assert any("sum" in n or n == "work" for n in names), names


def test_of_many_changes_the_largest(project):
    """Recordings of fifty are read, unless one asks for all."""
    case = """
from pyprofiler import ProfilerCase
def work(n):
    return sum([k for k in range(n)])
class C(ProfilerCase):
    pass
for i in range(53):
    setattr(C, f"profile_{i:02}", lambda self, i=i: work(
        40_000 + FACTOR * 8_000 if i < 3 else FACTOR * 12_000))
"""
    for factor in 1, 30:
        # The first three become slower too, but by less; how much of it the machine adds
        # is not ours to say.
        project.write("cases/c.py", case.replace("FACTOR", str(factor)))
        project.commit(f"factor {factor}")
        assert project.run("-q", "cases", "call").code == 0
    done = compare(project, "--format", "json", code=6)
    assert "where is told of the 50 largest of 53 changes" in done.err
    items = sorted(done.json["items"], key=lambda i: abs(math.log(i["ratio"])))
    assert len(items) == 53 and [bool(i["where"]) for i in items] == [False] * 3 + [True] * 50
    assert "where is told" not in compare(project, "-q", code=6).err
    done = compare(project, "--where", "--format", "json", code=6)
    assert "where is told" not in done.err and all(i["where"] for i in done.json["items"])


def test_dirty_work_tree(project):
    project.write("shop.py", "def helped(n):\n    return n\n" + BASE)
    project.write("cases/shop_case.py", CASES)
    project.commit("before")
    measure(project)
    project.write("shop.py", "def helped(n):\n    return n\n" + NEXT)
    measure(project)
    entries, _ = where(project, "--column", "calls", sides=("HEAD",))
    assert "+def fresh(n):" in entries["fresh"]["hunks"][0]
    assert project.git("status", "--porcelain") == "M shop.py"


def test_no_repository_has_no_hunks(project):
    project.write("shop.py", "def helped(n):\n    return n\n" + BASE)
    project.write("cases/shop_case.py", CASES)
    runs = []
    for text in (BASE, NEXT):
        project.write("shop.py", "def helped(n):\n    return n\n" + text)
        measured = project.run_json("cases", "call")
        runs.append(measured.json["run"])
    entries, _ = where(project, "--column", "calls", sides=runs)
    assert entries["fresh"]["kinds"] == ["new"] and entries["fresh"]["hunks"] == []


def measured_now(project, *words):
    return project.run(
        "pyprofiler", "compare", "HEAD~1", "HEAD", "--run", "--max-runs", "1", "--where",
        *words, "--", "--python", project.python, "cases/shop_case.py", "-k", "profile_case", "call")


def test_measured_now(measured):
    """The files of both sides are in checkouts, which are not there any more."""
    done = measured_now(measured, "--format", "json", "--column", "calls", "--top-k", "100")
    assert done.code in (0, 6), done
    (item,) = done.json["items"]
    entries = {e["function"]: e for e in item["where"] if not e.get("stack")}
    assert entries["often"]["file"] == "shop.py"
    assert (entries["often"]["base"], entries["often"]["new"]) == (3, 30)
    assert "+def fresh(n):" in entries["fresh"]["hunks"][0]


def test_measured_now_and_not_stored(measured, tmp_path):
    done = measured_now(measured, "--no-store", "--format", "json")
    assert done.code in (0, 6) and "cannot say where: " in done.err, done
    assert [i["where"] for i in done.json["items"]] == [[]]
    done = measured_now(measured, "--no-store", "-o", tmp_path / "x.svg")
    assert done.code == 4 and "error: " in done.err, done


# --- exports ---

def export(project, tmp_path, *words, name="x", **how):
    file = tmp_path / name
    compare(project, "-k", "profile_case", "-o", file, *words, **how)
    return file


def test_collapsed_diff(measured, tmp_path):
    """What difffolded.pl makes; of several profilers the one that has stacks."""
    file = export(measured, tmp_path, "--format", "collapsed-diff", "--column", "calls")
    lines = file.read_text(encoding="utf-8").split("\n")
    assert lines.pop() == "" and lines
    stacks = {}
    for line in lines:
        match = re.fullmatch(r"(.+) (\d+) (\d+)", line)
        assert match and match[1] not in stacks, line
        stacks[match[1]] = (int(match[2]), int(match[3]))
    top = "cases/shop_case.py:Shop.profile_case;shop.py:case"
    assert stacks[f"{top};shop.py:often"] == (3, 30)
    assert stacks[f"{top};shop.py:fresh"] == (0, 20)
    assert stacks[f"{top};shop.py:gone"] == (20, 0)
    assert stacks[f"{top};shop.py:steady"] == (20, 20)


def test_collapsed_diff_is_own_time(measured, tmp_path):
    text = export(measured, tmp_path, "--format", "collapsed-diff").read_text()
    base, new = map(int, re.search(r";shop.py:slower (\d+) (\d+)$", text, re.M).groups())
    assert 0 < base < new


def test_speedscope_document(measured, tmp_path):
    file = json.loads(export(measured, tmp_path, name="x.speedscope.json").read_text())
    assert file["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    names = [p["name"] for p in file["profiles"]]
    assert names == ["base: HEAD~1", "new: HEAD", "difference (more or less)"]
    frames = file["shared"]["frames"]
    assert "fresh new" in {f["name"] for f in frames}
    for profile in file["profiles"]:
        at, open_ = 0, []
        for event in profile["events"]:
            assert event["at"] >= at
            at = event["at"]
            if event["type"] == "O":
                open_.append(event["frame"])
            else:
                assert open_.pop() == event["frame"]
        assert not open_ and profile["endValue"] == at > 0
        assert profile["unit"] == "nanoseconds"


def test_speedscope_takes_it(measured, tmp_path):
    folder = speedscope()
    file = export(measured, tmp_path, name="x.speedscope.json")
    done = subprocess.run(["node", HERE / "speedscope_import.js", folder, file],
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    read = json.loads(done.stdout)
    assert [p["total"] > 0 for p in read["profiles"]] == [True, True, True]
    assert "slower" in read["frames"] and "gone gone" in read["frames"]


def test_flame_graph(measured, tmp_path):
    file = export(measured, tmp_path, name="x.svg")
    root = xml.etree.ElementTree.parse(file).getroot()
    assert root.tag == f"{SVG}svg"
    assert not list(root.iter(f"{SVG}script"))
    width = float(root.get("width"))
    boxes = {}
    for box in root.iter(f"{SVG}svg"):
        title = box.find(f"{SVG}title")
        if title is not None:
            boxes[title.text.split("\n")[0]] = box
            assert float(box.get("x")) + float(box.get("width")) <= width
    slower = boxes["shop.py:slower"]
    assert "calls: 20 → 20" in slower.find(f"{SVG}title").text
    assert slower.find(f"{SVG}text").text == "slower"
    assert "shop.py:gone" not in boxes
    texts = [t.text for t in root.iter(f"{SVG}text")]
    assert "only in base:" in texts
    assert any(t and "gone ← case" in t for t in texts)


def test_flame_graph_of_calls(measured, tmp_path):
    """Colours by what is exact: times depend on the machine's mood."""
    file = export(measured, tmp_path, "--column", "calls", name="calls.svg")
    fills = {}
    for box in xml.etree.ElementTree.parse(file).getroot().iter(f"{SVG}svg"):
        title = box.find(f"{SVG}title")
        if title is not None:
            fills[title.text.split("\n")[0]] = box.find(f"{SVG}rect").get("fill")
    assert fills["helper_new.py:piece"] == "#67001f"  # the largest change, and it is more
    assert fills["shop.py:often"] not in ("#67001f", "#f7f7f7")
    assert fills["shop.py:slower"] == "#f7f7f7"  # as often as before


def test_call_graph(measured, tmp_path):
    file = export(measured, tmp_path, "--graph", name="x.svg")
    texts = [t.text for t in xml.etree.ElementTree.parse(file).getroot().iter(f"{SVG}text")]
    assert any(t and t.startswith("slower") for t in texts), texts
    assert any(t and "calls 20" in t for t in texts)


def test_dot_diff(measured, tmp_path):
    file = export(measured, tmp_path, name="x.dot")
    text = file.read_text(encoding="utf-8")
    assert "slower" in text and " → " in text
    if shutil.which("dot") is None:
        pytest.skip("dot (Graphviz) is not installed")
    done = subprocess.run(["dot", "-Tsvg", file], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "" and "slower" in done.stdout


# --- what cannot be ---

def test_one_case(measured):
    done = compare(measured, "--format", "svg", code=4)
    assert "choose with -k and -p" in done.err
    assert "profile_case (call)" in done.err and "profile_other (call)" in done.err
    assert "stopwatch" not in done.err  # it has no stacks


def test_no_stacks(measured):
    done = compare(measured, "-p", "line", "-k", "profile_case", "--format", "svg", code=4)
    assert "no stacks" in done.err and "-p call" in done.err


def test_unknown_column(measured):
    done = compare(measured, "--where", "--column", "bananas", code=4)
    assert "no column 'bananas': there are " in done.err
    done = compare(measured, "-p", "call", "-k", "profile_case", "--format", "svg", "--column",
                   "bananas", code=4)
    assert "stacks have no column 'bananas': there are calls, own_ns" in done.err


def test_not_over_a_file(measured, tmp_path):
    file = export(measured, tmp_path, name="x.svg")
    done = compare(measured, "-k", "profile_case", "-o", file, code=4)
    assert "--force" in done.err or "-f" in done.err
    compare(measured, "-k", "profile_case", "-o", file, "-f")
    assert os.path.getsize(file) > 0


def test_help_lists_the_formats(measured):
    text = measured.run("pyprofiler", "compare", "--help").out
    for name in ("collapsed-diff", "speedscope", "svg", "dot-diff"):
        assert re.search(rf"^  {name} +\w", text, re.M), name
