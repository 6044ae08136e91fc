"""The Python package by itself, as case files, type checkers and the worker see it."""

import io
import json
import os
import shutil
import subprocess
import sys

import pytest

from conftest import FIXTURES, PACKAGE

sys.path.insert(0, str(PACKAGE))

import pyprofiler  # noqa: E402
from pyprofiler import (  # noqa: E402
    ProfilerCase,
    SkipCase,
    _adapter,
    _discover,
    _driver,
    _select,
    accept_profiler,
    params,
    skip_case,
    skip_profiler,
)
from pyprofiler._profilers import Profiler, ProfilerFactory  # noqa: E402


def run_python(python, code, **env):
    # two versions of a file within a second have the same time, and so the same .pyc
    env = {"PYTHONPATH": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1", **env}
    done = subprocess.run([python, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_brings_nothing_with_it(python):
    code = """if True:
        import sys
        before = set(sys.modules)
        from pyprofiler import ProfilerCase, accept_profiler, params, skip_case
        print(*sorted(set(sys.modules) - before))
    """
    added = run_python(python, code).split()
    assert [n for n in added if not n.startswith("pyprofiler")] == []
    assert len(added) <= 4


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no_such_thing"):
        pyprofiler.no_such_thing  # noqa: B018


DISCOVER = """if True:
    import importlib.util, json, sys
    sys.path.insert(0, sys.argv[0])
    from pyprofiler import _discover
    def look(path, name):
        spec = importlib.util.spec_from_file_location(name, path)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found = _discover.cases(module, path)
        for case in found:
            case.pop("type"); case["kwargs"] = sorted(case["kwargs"])
        return found
    print(json.dumps(look({path!r}, {name!r})))
"""


def discover(python, name, path=None, **env):
    path = str(path or FIXTURES / "model" / f"{name}.py")
    return json.loads(run_python(python, DISCOVER.format(path=path, name=name), **env))


def test_hashes_are_stable(python):
    first = discover(python, "parameters", PYTHONHASHSEED="1")
    second = discover(python, "parameters", PYTHONHASHSEED="2")
    assert first == second
    assert all(len(case["hash"]) == 16 for case in first)


HASHED = """\
from pyprofiler import ProfilerCase
class Hashed(ProfilerCase):
    def profile_it(self):
        {body}
"""


def hash_of(python, folder, body):
    path = folder / "hashed.py"
    path.write_text(HASHED.format(body=body))
    (case,) = discover(python, "hashed", path)
    return case["hash"]


@pytest.mark.parametrize("body, same", [
    ("return [x for x in 'ab' if x in {'p', 'q', 'r'}]", True),
    ("'''Documented.'''\n\n        # and commented\n"
     "        return [x for x in 'ab' if x in {'p', 'q', 'r'}]", True),
    ("return [x for x in 'ab' if x in {'p', 'q', 's'}]", False),
    ("return [y.z for y in 'ab' if y in {'p', 'q', 'r'}]", False),
    ("return [x for x in 'ac' if x in {'p', 'q', 'r'}]", False),
])
def test_hash_is_of_the_code(python, tmp_path, body, same):
    original = hash_of(python, tmp_path, "return [x for x in 'ab' if x in {'p', 'q', 'r'}]")
    assert (hash_of(python, tmp_path, body) == original) == same


def test_discovered_fields(python):
    (case,) = [c for c in discover(python, "calls") if c["method"] == "profile_fib"]
    assert case["class"] == "Calls" and case["params_id"] is None
    assert case["line"] == 11 and case["is_async"] is False
    assert case["accept"] is None and case["reject"] == [] and case["skip"] is None
    found = {c["method"]: c for c in discover(python, "skips") if c["class"] == "Profilers"}
    assert found["profile_skip_wins"]["accept"] == ["call", "stopwatch"]
    assert found["profile_skip_wins"]["reject"] == ["stopwatch"]


def test_decorated_methods_keep_line_and_hash():
    import functools

    def wrap(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    class Case(ProfilerCase):
        def profile_plain(self):
            return 1

        profile_wrapped = wrap(profile_plain)

    found = {c["method"]: c for c in _discover.cases(_module(Case), "x.py")}
    assert found["profile_plain"]["hash"] == found["profile_wrapped"]["hash"]
    assert found["profile_plain"]["line"] == found["profile_wrapped"]["line"]


def _module(*classes):
    import types

    module = types.ModuleType(__name__)
    for cls in classes:
        setattr(module, cls.__name__, cls)
    return module


# decorators


def names(function):
    return getattr(function, _select.ACCEPT, None), getattr(function, _select.REJECT, None)


def test_decorators_take_strings_several_and_lists():
    for decorate in (
        accept_profiler("a", "b"),
        accept_profiler(["a", "b"]),
        accept_profiler(("a", "b")),
        accept_profiler("a", ["b"]),
    ):
        assert names(decorate(lambda self: None)) == (("a", "b"), None)


def test_decorators_stack():
    def function(self):
        pass

    accept_profiler("b", "c")(function)
    accept_profiler("a", "b")(function)
    skip_profiler("x")(function)
    skip_profiler("y")(function)
    assert names(function) == (("a", "b", "c"), ("y", "x"))


def test_a_class_of_a_profiler_is_its_name():
    assert names(accept_profiler(pyprofiler.StopWatchProfiler)(lambda s: 0))[0] == (
        "stopwatch",)


def test_class_decorators_combine():
    @accept_profiler("a")
    @skip_profiler("x")
    class Case(ProfilerCase):
        def profile_class_list(self):
            pass

        @accept_profiler("b")
        @skip_profiler("y")
        def profile_own_list(self):
            pass

    @skip_profiler("z")
    class Derived(Case):
        pass

    found = {(c["class"], c["method"]): c for c in _discover.cases(_module(Case, Derived), "")}
    assert found["Case", "profile_class_list"]["accept"] == ["a"]
    assert found["Case", "profile_own_list"]["accept"] == ["b"]
    assert found["Case", "profile_own_list"]["reject"] == ["y", "x"]
    assert found["Derived", "profile_own_list"]["reject"] == ["y", "z", "x"]


@pytest.mark.parametrize("use", [
    lambda: accept_profiler(),
    lambda: skip_profiler([]),
    lambda: accept_profiler(3),
    lambda: skip_case(3),
    lambda: skip_case("why")(3),
    lambda: accept_profiler("a")(3),
])
def test_wrong_use_of_a_decorator(use):
    with pytest.raises(TypeError):
        use()


def test_skip_case_forms():
    def reason(decorated):
        return getattr(decorated, _select.SKIP)

    assert reason(skip_case(lambda self: None))
    assert reason(skip_case()(lambda self: None))
    assert reason(skip_case("why")(lambda self: None)) == "why"
    assert reason(skip_case(reason="why")(lambda self: None)) == "why"
    assert reason(skip_case(type("C", (ProfilerCase,), {})))


# params


def sets(*decorators):
    def function(self, **kwargs):
        pass

    for decorate in reversed(decorators):
        function = decorate(function)
    return list(getattr(function, _select.PARAMS))


def test_params_product_and_order():
    assert sets(params(n=[1, 2], kind=["a"])) == [
        ("n=1,kind='a'", {"n": 1, "kind": "a"}), ("n=2,kind='a'", {"n": 2, "kind": "a"}),
    ]
    assert [text for text, _ in sets(params(a=[1, 2]), params(b=[3, 4]))] == [
        "a=1,b=3", "a=1,b=4", "a=2,b=3", "a=2,b=4",
    ]
    assert sets(params([{"a": 1}, {"a": 2, "b": 3}])) == [
        ("a=1", {"a": 1}), ("a=2,b=3", {"a": 2, "b": 3}),
    ]
    assert [text for text, _ in sets(params([{"a": 1}], b=iter([2, 3])))] == [
        "a=1,b=2", "a=1,b=3",
    ]


def test_params_are_expanded_late():
    many = range(1000)
    decorated = params(a=many, b=many, c=many)(lambda self, a, b, c: None)
    expansion = getattr(decorated, _select.PARAMS)
    assert len(expansion) == 10**9
    assert expansion._sets is None


class Same:
    def __repr__(self):
        return "same"


class BadRepr:
    def __repr__(self):
        raise RuntimeError


def test_ids_are_unique():
    assert [text for text, _ in sets(params(x=[Same(), Same(), Same()]))] == [
        "x=same", "x=same-1", "x=same-2",
    ]

    class Taken(Same):
        def __repr__(self):
            return "same-1"

    ids = [text for text, _ in sets(params(x=[Same(), Same(), Taken()]))]
    assert len(set(ids)) == 3 and ids[0] == "x=same" and ids[2] == "x=same-1"


@pytest.mark.parametrize("value, text", [
    (1, "1"),
    ("a", "'a'"),
    (1.5, "1.5"),
    (len, "<built-in function len>"),
    ("two\nlines", r"'two\nlines'"),
    (BadRepr(), "<BadRepr>"),
    ("\udcff", r"'\udcff'"),
    ("é", "'é'"),
])
def test_id_of_a_value(value, text):
    assert _select.value_id(value) == text


def test_id_of_a_value_has_no_address_and_an_end():
    assert _select.value_id(object()) == "<object object>"
    assert _select.value_id([object(), object()]) == "[<object object>, <object object>]"
    assert "0x" not in _select.value_id(lambda: 0)
    assert len(_select.value_id("x" * 1000)) == 80
    assert _select.value_id("at 0x12") == "'at 0x12'"  # text of the user's: not after ' '


@pytest.mark.parametrize("use, error, says", [
    (lambda: params(), TypeError, "at least one"),
    (lambda: params(n=[]), ValueError, "'n' is empty"),
    (lambda: params(n=3), TypeError, "'n' takes a list"),
    (lambda: params(n="abc"), TypeError, "n=['abc']"),
    (lambda: params([]), ValueError, "empty"),
    (lambda: params(3), TypeError, "list of dicts"),
    (lambda: params({"n": [1]}), TypeError, "list of dicts"),
    (lambda: params([3]), TypeError, "dicts"),
    (lambda: params([{3: 1}]), TypeError, "dicts"),
    (lambda: params([{}]), ValueError, "empty"),
    (lambda: params([{"a": 1}], [{"b": 1}]), TypeError, "one list"),
    (lambda: sets(params(n=[1]), params(n=[2])), ValueError, "'n' is given twice"),
    (lambda: sets(params([{"n": 1}], n=[2])), ValueError, "'n' is given twice"),
    (lambda: params(n=[1])(ProfilerCase), TypeError, "ProfilerCase"),
])
def test_wrong_params(use, error, says):
    with pytest.raises(error) as caught:
        use()
    assert says in str(caught.value)


# ProfilerCase


def test_cleanups_all_run_and_the_first_exception_is_raised():
    case, seen = ProfilerCase(), []

    def fail(text):
        raise ValueError(text)

    case.addCleanup(seen.append, "last")
    case.addCleanup(fail, "second")
    case.addCleanup(fail, "first")
    with pytest.raises(ValueError, match="first") as caught:
        case.doCleanups()
    assert seen == ["last"]
    assert "1 more" in caught.value.__notes__[0]
    case.doCleanups()  # nothing is due


def test_cleanup_may_add_a_cleanup():
    case, seen = ProfilerCase(), []
    case.addCleanup(lambda: case.addCleanup(seen.append, 1))
    case.doCleanups()
    assert seen == [1]


def test_class_cleanups_are_of_one_class():
    class A(ProfilerCase):
        pass

    class B(A):
        pass

    seen = []
    A.addClassCleanup(seen.append, "a")
    B.addClassCleanup(seen.append, "b")
    B.doClassCleanups()
    assert seen == ["b"]
    A.doClassCleanups()
    assert seen == ["b", "a"]


def test_enter_context():
    case = ProfilerCase()
    stream = case.enterContext(io.StringIO())
    case.doCleanups()
    assert stream.closed
    with pytest.raises(TypeError, match="context manager"):
        case.enterContext(3)


def test_subclass_without_our_constructor():
    class Case(ProfilerCase):
        def __init__(self):
            pass

    case, seen = Case(), []
    case.addCleanup(seen.append, 1)
    case.trace("no run is active")
    case.doCleanups()
    assert seen == [1]


def test_skip_test():
    with pytest.raises(SkipCase, match="why"):
        ProfilerCase().skipTest("why")


# driver


def test_loops():
    seen = []
    _driver.loop(lambda: seen.append(1), {}, 3)
    _driver.loop(lambda n: seen.append(n), {"n": 2}, 2)
    assert seen == [1, 1, 1, 2, 2]

    async def body(n=5):
        seen.append(n)

    runner = _driver.open_runner()
    runner.get_loop().run_until_complete(_driver.aloop(body, {}, 2))
    runner.get_loop().run_until_complete(_driver.aloop(body, {"n": 6}, 1))
    _driver.close_runner(runner)
    assert seen[5:] == [5, 5, 6]


def test_instances():
    class Both(ProfilerCase):
        def __init__(self, profiler, func):
            super().__init__(profiler, func)

    class Keyword(ProfilerCase):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)

    class Own(ProfilerCase):
        def __init__(self, size=3):
            super().__init__()
            self.size = size

    for cls in (ProfilerCase, Both, Keyword, Own):
        assert isinstance(_driver.instance(cls), cls)


# profilers in Python


class Example(Profiler):
    @classmethod
    def add_parser_args(cls, parser):
        parser.add_argument("-n", "--top-k", type=int, default=10, help="rows: %(default)s")
        parser.add_argument("--sort", choices=["name", "time"], default="time")
        parser.add_argument("--flag", action="store_true")
        parser.add_argument("--no-cache", dest="cache", action="store_false")
        parser.add_argument("-v", "--verbose", action="count", default=0)
        parser.add_argument("--only", action="append")
        parser.add_argument("--ratio", type=float)
        parser.add_argument("--pair", nargs=2, type=int)

    @classmethod
    def description(cls):
        return "an example\nwith a second line"

    def __init__(self, **options):
        self.options = options
        self.events = []

    def start(self):
        self.events.append("start")

    def reset(self):
        self.events.append("reset")

    def trace(self, name):
        self.events.append(name)

    def report(self, stream):
        stream.write("first")
        stream.write("second\n")
        print("third", 3, file=stream)

    def summarize_session(self):
        print("summary")


def test_describe():
    described = _adapter.describe("example", Example)
    assert described["summary"] == "an example"
    assert described["available"] and described["registered"]
    options = {o["name"]: o for o in described["options"]}
    assert {name: o["type"] for name, o in options.items()} == {
        "top-k": "int", "sort": "choice", "flag": "flag", "no-cache": "flag",
        "verbose": "count", "only": "list", "ratio": "double", "pair": "list",
    }
    assert options["top-k"]["short"] == "n" and options["top-k"]["default"] == "10"
    assert options["top-k"]["help"] == "rows: 10"
    assert options["sort"]["choices"] == ["name", "time"]
    json.dumps(described)  # it travels as JSON


def test_describe_never_raises():
    class Broken(Example):
        @classmethod
        def description(cls):
            raise RuntimeError("no words")

    class Exits(Example):
        @classmethod
        def add_parser_args(cls, parser):
            parser.parse_args(["--nothing-like-it"])

    assert _adapter.describe("b", Broken)["why"] == "RuntimeError: no words"
    assert not _adapter.describe("e", Exits)["available"]


def test_create_converts_and_checks():
    made = _adapter.create("example", Example, {
        "top-k": "3", "sort": "name", "flag": "true", "no_cache": "true", "verbose": "2",
        "only": ["a", "b"], "ratio": "0.5", "pair": ["1", "2"],
    })
    assert made.options == {
        "top_k": 3, "sort": "name", "flag": True, "cache": False, "verbose": 2,
        "only": ["a", "b"], "ratio": 0.5, "pair": [1, 2],
    }
    assert _adapter.create("example", Example, {}).options["top_k"] == 10
    for wrong in ({"top-k": "x"}, {"sort": "size"}, {"nothing": "1"}, {"pair": ["1"]}):
        with pytest.raises(ValueError):
            _adapter.create("example", Example, wrong)


def test_drive_and_report():
    example = Example()
    _adapter.start(example)
    _adapter.run(example, lambda: example.events.append("body"))
    _adapter.mark(example, "mark")
    _adapter.stop(example)
    assert example.events == ["start", "body", "mark", "reset"]
    assert _adapter.report(example) == "first\nsecond\nthird 3\nsummary\n"


def test_registering():
    register = pyprofiler.register_profiler("of-this-test")
    try:
        assert register(Example) is Example
        assert ProfilerFactory.get("of-this-test") is Example
        assert isinstance(ProfilerFactory.create("of-this-test", top_k=1), Example)
        assert ProfilerFactory.registered == {"of-this-test": Example}
        with pytest.raises(ValueError, match="of-this-test"):
            register(type("Other", (Example,), {}))
    finally:
        del ProfilerFactory.callables["of-this-test"]
        del ProfilerFactory.registered["of-this-test"]
    with pytest.raises(ValueError, match="stopwatch"):
        pyprofiler.register_profiler("stopwatch")(Example)
    with pytest.raises(ValueError, match="nobody"):
        ProfilerFactory.get("nobody")
    with pytest.raises(TypeError):
        pyprofiler.register_profiler(Example)


def test_run_cases_in_process():
    class Case(ProfilerCase):
        def setUp(self):
            self.addCleanup(print, "clean-up")

        @params(n=[1, 2])
        def profile_it(self, n):
            self.trace(f"mark {n}")
            print("body", n)

        @skip_case("why")
        def profile_skipped(self):
            raise AssertionError

        async def profile_waits(self):
            print("awaited")

    stream = _adapter.ReportStream()
    Case(profiler=Example()).runCases(stream)
    text = stream.getvalue()
    assert "Running: Case:profile_it[n=1]" in text and "body 2" in text
    assert "Add trace: `mark 1`" in text and "third 3" in text
    assert "Skipping: Case:profile_skipped" in text and "why" in text
    assert text.index("body 1") < text.index("clean-up") < text.index("body 2")
    assert "awaited" in text
    only = _adapter.ReportStream()
    Case(Example(), "profile_waits").runCases(only)
    assert "profile_it" not in only.getvalue()


def test_stubs_agree_with_the_code():
    """Every public name of a module is in its stub."""
    import ast

    for stub in PACKAGE.glob("pyprofiler/**/*.pyi"):
        if stub.name == "_pieces.pyi":
            continue  # of the extension module
        source = ast.parse(stub.with_suffix(".py").read_text())
        stubbed = {n for node in ast.parse(stub.read_text()).body for n in _defined(node)}
        public = {n for node in source.body for n in _defined(node) if n[0] != "_"}
        assert public <= stubbed, stub
    assert (PACKAGE / "pyprofiler" / "py.typed").exists()


def _defined(node):
    import ast

    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [t.id for t in node.targets if isinstance(t, ast.Name)]
    if isinstance(node, ast.AnnAssign):
        return [node.target.id]
    if isinstance(node, ast.ImportFrom):
        return [a.asname or a.name for a in node.names]
    return []


def test_stubs_under_mypy(tmp_path):
    if shutil.which("mypy") is None:
        pytest.skip("mypy is not installed")
    env = {**os.environ, "MYPYPATH": str(PACKAGE)}
    done = subprocess.run(
        ["mypy", "--strict", "--cache-dir", tmp_path, FIXTURES / "typed.py",
         FIXTURES / "typed_sessions.py"],
        env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
