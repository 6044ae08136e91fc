"""The case model: fixtures, clean-ups, the skip family, parameters, coroutines, marks."""

import json

import pytest

ORDER = """\
setUpClass
setUp
enter
body
tearDown
leave
second clean-up
first clean-up
tearDownClass
class clean-up
"""


def test_life_cycle(each):
    done = each.add("model/lifecycle.py").run_json("model/lifecycle.py", "passthrough")
    assert done.code == 1
    assert done.statuses == {
        "CleanupRaises::profile_body": "error",
        "Order::profile_fails": "failed",
        "Order::profile_works": "ok",
        "OwnConstructor::profile_body": "ok",
        "SetUpClassRaises::profile_never": "error",
        "SetUpRaises::profile_never": "error",
        "SetUpSkips::profile_never": "skipped",
        "TearDownRaises::profile_body": "error",
    }
    works, fails = done.result("profile_works"), done.result("profile_fails")
    assert works["output"] == ORDER
    assert fails["output"] == ORDER  # also when the body raises
    assert fails["reason"] == "ValueError: on purpose"
    assert "lifecycle.py" in fails["traceback"] and "profile_fails" in fails["traceback"]
    assert works["traceback"] is None and works["reason"] is None

    never = done.result("SetUpRaises::profile_never")
    assert never["output"] == "clean-up\n"  # no body, no tearDown
    assert "in setUp" in never["reason"] and "in setUp" in never["traceback"]
    assert done.result("SetUpSkips::profile_never")["reason"] == "not on a Tuesday"
    assert done.result("TearDownRaises::profile_body")["output"] == "body\nclean-up\n"
    assert "in tearDown" in done.result("TearDownRaises::profile_body")["reason"]
    assert done.result("CleanupRaises::profile_body")["output"] == "body\nclean-up\n"
    class_raises = done.result("SetUpClassRaises::profile_never")
    assert class_raises["output"] == "class clean-up\n"
    assert "in setUpClass" in class_raises["reason"]


def test_fresh_fixture_and_process(each):
    """With a fixture every execution gets a fresh one, also under many rounds."""
    done = each.add("model/fresh.py").run_json("model/fresh.py", "stopwatch", "--quick")
    assert done.code == 0, done
    assert set(done.statuses.values()) == {"ok"}
    n = done.result("profile_consumes")["metrics"]["wall_time"]["n"]
    assert n > 1


@pytest.mark.parametrize("profiler", ["stopwatch", "call"])
def test_skips(each, profiler):
    done = each.add("model/skips.py").run_json("model/skips.py", profiler)
    assert done.code == 0, done
    ran = {case for case, status in done.statuses.items() if status == "ok"}
    assert ran == {
        "stopwatch": {
            "Profilers::profile_several",
            "Profilers::profile_skip_alias",
            "WholeAccept::profile_of_class",
        },
        "call": {
            "Profilers::profile_alias",
            "Profilers::profile_canonical",
            "Profilers::profile_several",
            "Profilers::profile_skip_wins",
            "WholeAccept::profile_own_list",
        },
    }[profiler]
    assert set(done.statuses.values()) == {"ok", "skipped"}
    assert done.result("profile_reason")["reason"] == "too slow"
    assert done.result("profile_keyword")["reason"] == "by keyword"
    assert done.result("profile_inside")["reason"] == "found out late"
    assert done.result("profile_unittest")["reason"] == "unittest's own"
    assert done.result("profile_unittest_decorator")["reason"] == "by unittest"
    assert done.result("Whole::profile_one")["reason"] == "all of it"
    for result in done.json["results"]:
        assert result["status"] == "ok" or result["reason"]


def test_passthrough_is_always_accepted(project):
    done = project.add("model/skips.py").run_json("model/skips.py", "passthrough")
    assert done.result("profile_alias")["status"] == "ok"
    assert done.result("WholeAccept::profile_of_class")["status"] == "ok"


def test_unknown_names_in_decorators(each):
    """The file imports, the case is not run, and the name is suggested."""
    done = each.add("model/unknown.py").run_json("model/unknown.py", "stopwatch")
    assert done.result("profile_plain")["status"] == "ok"
    accepts = done.result("profile_accepts")
    assert accepts["status"] == "skipped"
    text = done.out + done.err
    assert "stopwach" in text and "cprofil" in text
    assert "stopwatch" in text and "cprofile" in text


def test_parameters(each):
    done = each.add("model/parameters.py").run_json("model/parameters.py", "passthrough")
    assert done.code == 1
    ids = {}
    for case in done.statuses:
        method, _, text = case.partition("[")
        ids.setdefault(method.partition("::")[2], []).append(text[:-1])
    assert sorted(ids["profile_product"]) == [
        "n=1,kind='a'", "n=1,kind='b'", "n=2,kind='a'", "n=2,kind='b'",
    ]
    assert sorted(ids["profile_sets"]) == ["n=1", "n=2,kind='b'"]
    assert len(ids["profile_stacked"]) == 4 and "n=1,m=4" in ids["profile_stacked"]
    thing = "x=<parameters.Thing object>"
    assert sorted(ids["profile_objects"]) == [thing, f"{thing}-1", f"{thing}-2"]
    assert "text='a::b'" in ids["profile_texts"] and "text='[x]'" in ids["profile_texts"]
    assert all(len(text) < 100 for text in ids["profile_texts"])
    assert done.statuses["Parameters::profile_one_fails[n=0]"] == "failed"
    assert done.statuses["Parameters::profile_one_fails[n=1]"] == "ok"
    assert done.result("profile_product[n=2,kind='a']")["output"] == "2 a\n"
    assert done.result("profile_sets[n=1]")["output"] == "1 default\n"


def test_parameters_are_selected_by_id(project):
    project.add("model/parameters.py")
    node = "model/parameters.py::Parameters::"
    for name in ["profile_product[n=2,kind='a']", "profile_texts[text='a::b']"]:
        done = project.run_json(node + name, "passthrough")
        assert [r["case"] for r in done.json["results"]] == [node + name]
    done = project.run_json(node + "profile_sets", "passthrough")
    assert len(done.json["results"]) == 2


@pytest.mark.parametrize("profiler", ["passthrough", "stopwatch", "call"])
def test_coroutines(each, profiler):
    done = each.add("model/asynchronous.py").run_json("model/asynchronous.py", profiler)
    assert done.code == 1
    assert done.statuses == {
        "Async::profile_awaits": "ok",
        "Async::profile_gathers[n=1]": "ok",
        "Async::profile_gathers[n=3]": "ok",
        "Async::profile_generator": "skipped",
        "Async::profile_leaves_task": "ok",
        "Async::profile_raises": "failed",
        "Async::profile_skips": "skipped",
    }
    assert done.result("profile_awaits")["output"].startswith("awaited\n")
    assert done.result("profile_gathers[n=3]")["output"].startswith("[0, 1, 2]\n")
    assert "after an await" in done.result("profile_raises")["reason"]
    assert "never awaited" not in done.out + done.err


def test_discovery(each):
    each.add("model/inherit.py", "model/base.py")
    done = each.run_json("model/inherit.py", "passthrough")
    assert [r["case"].partition("::")[2] for r in done.json["results"]] == [
        "Concrete::profile_made",
        "Derived::profile_a",
        "Derived::profile_b",
        "Derived::profile_inherited",
    ]
    assert done.code == 0
    assert done.result("profile_inherited")["output"] == "Derived\n"


def test_marks(each):
    done = each.add("model/marks.py").run_json("model/marks.py", "stopwatch", "--quick")
    assert done.code == 0, done
    marks = done.result("profile_marks")["marks"]
    assert [m["name"] for m in marks] == ["one", "two ü"]
    assert 0 <= marks[0]["at_ns"] <= marks[1]["at_ns"]


def test_counts_of_calls(each):
    done = each.add("model/calls.py").run_json("model/calls.py", "call")
    assert done.code == 0, done
    sites = done.result("profile_fib")["sites"]
    fib = [s for s in sites if s["function"] == "fib"]
    assert [s["calls"] for s in fib] == [177]
    assert fib[0]["file"].endswith("model/calls.py") and fib[0]["line"] == 6
    named = [s["function"] for s in sites]
    assert not any("_driver" in s["file"] for s in sites), named
    sort = done.result("profile_sort")["sites"]
    assert [s["calls"] for s in sort if "sorted" in s["function"]] == [1]


def test_names_outside_ascii(each):
    done = each.add("model/größe.py").run_json("model/größe.py", "passthrough")
    assert done.statuses == {
        "Größe::profile_naïve[名='✓']": "ok",
        "Größe::profile_naïve[名='é']": "ok",
    }
    assert done.result("[名='✓']")["output"] == "✓\n"
    assert done.json["results"][0]["case"].startswith("model/größe.py::")


def test_process_of_the_case(each):
    """`sys.argv`, `sys.path[0]` and the working folder as `python file.py` has them."""
    each.add("model/environment.py")
    done = each.run_json("model/environment.py", "passthrough")
    seen = json.loads(done.result("profile_look")["output"])
    folder = each.path / "model"
    assert seen["path0"] == str(folder)
    assert seen["cwd"] == str(each.path)
    assert seen["argv"][0].endswith("model/environment.py")
    assert seen["pyprofiler"] == "1"
    assert seen["file"] == str(folder / "environment.py")
    assert ".".join(map(str, seen["version"])) == done.json["python"]["version"]


def test_thread_at_import(each):
    """A process with threads is not forked: the case runs in one of its own."""
    each.add("model/thread_at_import.py")
    done = each.run_json("model/thread_at_import.py", "passthrough")
    assert done.code == 0, done
    assert done.result("profile_body")["output"] == "ran\n"
    assert "thread" in (done.out + done.err)


def test_module_that_replaces_itself(each):
    each.add("model/module_replaced.py")
    done = each.run_json("model/module_replaced.py", "passthrough")
    assert done.code == 0, done
    assert done.result("profile_body")["output"] == "ran\n"


@pytest.mark.parametrize("isolation", ["fork", "exec", "none"])
def test_isolation(each, isolation):
    each.add("model/lifecycle.py")
    done = each.run_json(f"--isolation={isolation}", "model/lifecycle.py", "passthrough")
    assert done.code == 1
    assert done.result("profile_works")["output"] == ORDER
    assert done.result("profile_fails")["status"] == "failed"
