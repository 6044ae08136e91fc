"""The pages say what the program says: every option of --help is on its page and the
other way round, and no link leads nowhere."""
import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
COMMANDS = ["run", "list", "profilers", "show", "export", "compare", "history", "sweep", "bisect", "import", "init",
            "doctor"]
PROFILERS = ["passthrough", "stopwatch", "call", "tracemalloc", "memory-line", "memory-time",
             "callgraph", "tracer", "line", "sampling", "instructions"]
PAGES = sorted([*SOURCE.glob("*.md"), *(SOURCE / "docs").glob("*.md")])


@pytest.fixture
def printed(bin_dir):
    """What a command line prints."""
    def printed(*words):
        done = subprocess.run([bin_dir / "pyprofiler", *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout
    return printed


def options_of_help(text):
    """Long and short options that have an entry of their own in a --help."""
    entries = re.findall(r"^  (?:(-\w), |    )(--[\w-]+)", text, re.M)
    return {name for entry in entries for name in entry if name}


def options_of_page(name):
    """Options that have a heading on the page: `#### **-k**, **--keyword**=*EXPR*`."""
    text = (SOURCE / "docs" / f"{name}.md").read_text()
    headings = re.findall(r"^#### (.*)$", text, re.M)
    return {o for h in headings for o in re.findall(r"\*\*(--?[a-zA-Z][\w-]*)\*\*", h)}


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_commands(printed, command):
    of_help = options_of_help(printed(command, "--help"))
    assert "--help" in of_help
    assert options_of_page(command) == of_help - {"--help", "-h"}


@pytest.mark.parametrize("profiler", PROFILERS)
def test_options_of_profilers(printed, any_python, profiler):
    of_help = options_of_help(printed(
        "run", "--python", any_python, SOURCE / "cases/tutorial/01_first.py", profiler,
        "--help"))
    assert options_of_page(profiler) == of_help - {"--help", "-h"}


def test_every_command_has_a_page(printed):
    listed = re.findall(r"^  ([a-z]+)  ", printed("--help"), re.M)
    assert sorted(listed) == sorted(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
