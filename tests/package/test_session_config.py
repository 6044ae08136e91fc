"""ProfileConfig: what it takes, and what it says of what it does not take."""

import copy
import math
import os
import pathlib
import pickle

import pytest

from pyprofiler import ProfileConfig

FLAGS = ["line_profiling", "memory_profiling", "call_profiling", "sampling_profiling",
         "create_visualizations", "c_functions"]


def test_the_fields_of_the_first_lesson():
    config = ProfileConfig(line_profiling=True, memory_profiling=True, call_profiling=True,
                           sampling_profiling=True, output_dir="./profiling_results",
                           create_visualizations=True)
    assert config.output_dir == "./profiling_results" and config.create_visualizations


@pytest.mark.parametrize("field", FLAGS)
@pytest.mark.parametrize("value", [1, 0, "yes", None, []])
def test_flags_are_true_or_false(field, value):
    with pytest.raises(TypeError) as error:
        ProfileConfig(**{field: value})
    assert str(error.value) == (
        f"{field} is {value!r} ({type(value).__name__}); it takes True or False")


@pytest.mark.parametrize("field, value, error, accepts", [
    ("sampling_interval", "fast", TypeError, "seconds from 0.0001 to 10"),
    ("sampling_interval", True, TypeError, "seconds from 0.0001 to 10"),
    ("sampling_interval", None, TypeError, "seconds from 0.0001 to 10"),
    ("sampling_interval", 0, ValueError, "seconds from 0.0001 to 10"),
    ("sampling_interval", 11, ValueError, "seconds from 0.0001 to 10"),
    ("memory_interval", -1, ValueError, "seconds from 0.001 to 3600"),
    ("memory_interval", math.nan, ValueError, "seconds from 0.001 to 3600"),
    ("memory_interval", math.inf, ValueError, "seconds from 0.001 to 3600"),
    ("output_dir", 3, TypeError, "the path of a folder, or None"),
    ("output_dir", "", ValueError, "the path of a folder, or None"),
    ("output_dir", False, TypeError, "the path of a folder, or None"),
    ("name", b"x", TypeError, "a text that is not empty, or None"),
    ("name", " ", ValueError, "a text that is not empty, or None"),
    ("store", None, TypeError, "True, False, or the path of a store"),
    ("store", "", ValueError, "True, False, or the path of a store"),
    ("functions", "main", TypeError, "a list of patterns as the profiler 'line' takes them"),
    ("functions", [1], ValueError, "a list of patterns as the profiler 'line' takes them"),
    ("on_conflict", "ignore", ValueError, "'raise' or 'skip'"),
    ("on_conflict", None, TypeError, "'raise' or 'skip'"),
])
def test_wrong_types_and_ranges(field, value, error, accepts):
    with pytest.raises(error) as raised:
        ProfileConfig(**{field: value})
    assert type(raised.value) is error
    assert str(raised.value) == (
        f"{field} is {value!r} ({type(value).__name__}); it takes {accepts}")


def test_limits_are_included():
    assert ProfileConfig(sampling_interval=10, memory_interval=0.001).sampling_interval == 10.0


def test_unknown_fields_suggest():
    with pytest.raises(TypeError, match="no field 'line_profling', did you mean "
                                        "'line_profiling'\\?; its fields are line_profiling"):
        ProfileConfig(line_profling=True)
    with pytest.raises(TypeError, match="no field 'zzz'; its fields"):
        ProfileConfig().replace(zzz=1)


def test_it_does_not_change():
    config = ProfileConfig()
    with pytest.raises(AttributeError, match="replace\\(name=...\\)"):
        config.name = "x"
    with pytest.raises(AttributeError):
        del config.name
    with pytest.raises(AttributeError):
        config.nonsense = 1


@pytest.mark.parametrize("fields", [
    {"name": "a\0b"}, {"name": "\ud800"}, {"output_dir": "a\0b"}, {"output_dir": "\ud800"},
    {"store": "a\0b"}, {"functions": ["a\0b"]}, {"functions": ["fine", "\ud800"]}],
    ids=ascii)
def test_texts_that_no_result_can_have(fields):
    [name] = fields
    with pytest.raises(ValueError, match=f"^{name} is "):
        ProfileConfig(**fields)


def test_a_path_of_other_bytes():
    path = os.fsdecode(b"\xff")
    assert ProfileConfig(output_dir=path).output_dir == path


def test_replace():
    config = ProfileConfig(name="a")
    other = config.replace(name="b", functions=["f"])
    assert (config.name, other.name, other.functions) == ("a", "b", ("f",))
    with pytest.raises(ValueError, match="^memory_interval is 0"):
        config.replace(memory_interval=0)


def test_minimal_overhead():
    config = ProfileConfig(name="n", create_visualizations=True, sampling_interval=1)
    least = config.with_minimal_overhead()
    assert not (least.line_profiling or least.call_profiling or least.create_visualizations)
    assert least.sampling_profiling and least.name == "n"
    assert least.sampling_interval == 1.0 and least.memory_interval == 1.0
    assert least.with_minimal_overhead() == least
    assert ProfileConfig().with_minimal_overhead().sampling_interval == 0.01
    assert config.line_profiling  # the one it was made from stays


def test_equality_hash_and_repr():
    assert ProfileConfig() == ProfileConfig() != ProfileConfig(name="x")
    assert ProfileConfig() != "x"
    assert len({ProfileConfig(), ProfileConfig(), ProfileConfig(store=False)}) == 2
    assert repr(ProfileConfig()) == "ProfileConfig()"
    config = ProfileConfig(store=False, functions=["a", "b"])
    assert repr(config) == "ProfileConfig(store=False, functions=('a', 'b'))"
    assert eval(repr(config)) == config


def test_copies_and_pickles():
    config = ProfileConfig(output_dir=pathlib.Path("x"), memory_interval=2)
    assert config.output_dir == "x"
    assert copy.copy(config) == copy.deepcopy(config) == config
    assert pickle.loads(pickle.dumps(config)) == config


def test_without_an_extension_module():
    """It can be made, and its mistakes told, where nothing can be measured."""
    import subprocess
    import sys

    code = ("import sys; from pyprofiler import ProfileConfig; ProfileConfig(); "
            "print('_pyprofiler' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
