"""`pyprofiler init`: a project gets its first case and make targets, and loses nothing."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

LAYOUTS = {
    "src": ("src/shop/__init__.py", "import sys\n\n\ndef total(n=3):\n    return n\n"),
    "flat": ("shop/__init__.py", "def needs(a, b):\n    return a\n"),
    "module": ("shop.py", "def total():\n    return 1\n"),
    "none inside": ("shop/__init__.py", "X = 1\n"),
}
PYPROJECT = '# kept\n[project]\nname = "Shop"\nversion = "1"'  # without a newline
CASE = "profiling/profile_shop.py"
FRAGMENT = "profiling/pyprofiler.mk"
WORKFLOW = ".github/workflows/profile.yml"


@pytest.fixture
def shop(project):
    project.write("pyproject.toml", PYPROJECT)
    project.write(*LAYOUTS["src"])
    return project


def init(project, *words, **how):
    done = project.run("pyprofiler", "init", "--python", project.python, *words, **how)
    assert done.code == 0, done
    return done.out


def files(project):
    return {str(p.relative_to(project.path)): p.read_bytes()
            for p in project.path.rglob("*")
            if p.is_file() and ".git/" not in str(p) and "__pycache__" not in str(p)
            and ".pyprofiler" not in str(p)}


def make(project, *words, code=0):
    env = {**project.env, "PATH": f"{project.bin_dir}:{os.environ['PATH']}",
           "PYPROFILER_PYTHON": project.python}
    done = subprocess.run(["make", *words], cwd=project.path, env=env, text=True,
                          capture_output=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def uncomment(project, name=CASE):
    """The example as a case."""
    path = project.path / name
    head, mark, tail = path.read_text().partition("# The next case could be this one:\n#\n")
    assert mark
    path.write_text(head + re.sub(r"^# ?", "", tail, flags=re.M))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_make_profile(project, layout):
    project.write("pyproject.toml", PYPROJECT)
    project.write(*LAYOUTS[layout])
    project.commit()
    out = init(project)
    assert all(name in out for name in (CASE, FRAGMENT, "pyproject.toml", "Makefile"))
    assert "Import::profile_import" in make(project, "profile")


@pytest.mark.parametrize("layout", ["src", "module", "none inside"])
def test_the_example_is_right(project, layout):
    project.write("pyproject.toml", PYPROJECT)
    project.write(*LAYOUTS[layout])
    init(project)
    uncomment(project)
    done = project.run_json(CASE, "passthrough")
    assert done.code == 0, done
    assert len(done.json["results"]) == 2


def test_the_example_names_what_is_missing(project):
    project.write("pyproject.toml", PYPROJECT)
    project.write(*LAYOUTS["flat"])
    init(project)
    assert "self.module.needs(a, b)  # with values" in (project.path / CASE).read_text()


@pytest.mark.parametrize("body", [
    "def _private():\n    pass\n", "def main():\n    pass\n", "async def later():\n    pass\n",
    "def each():\n    yield 1\n", "import functools\n@functools.cache\ndef f():\n    pass\n",
    "if True:\n    def f():\n        pass\n    def f(a):\n        pass\n", "def f(*, a):\n    pass\n",
    "this is no Python\n",
])
def test_what_is_no_example(project, body):
    project.write("shop.py", body)
    init(project)
    assert "profile_something" in (project.path / CASE).read_text()


def test_the_import_is_a_first_one(project):
    """The package's body runs again each time, and not because init ran it."""
    project.write("shop/__init__.py", "import pathlib\n"
                  "with open(pathlib.Path(__file__).parents[1] / 'log', 'a') as out:\n"
                  "    print('imported', file=out)\nfrom shop import part\n")
    project.write("shop/part.py", "value = 1\n")
    init(project)
    assert not (project.path / "log").exists()
    done = project.run_json(CASE, "passthrough")
    assert done.code == 0, done
    assert (project.path / "log").read_text().count("imported") == 2  # setUp, the case


def test_names(project):
    """The package of the project's name, whoever says it, before the others."""
    project.write("aaa/__init__.py", "")
    project.write("tests/__init__.py", "")
    project.write("shop_floor/__init__.py", "")
    sources = {
        "pyproject.toml": '[project]\nname = "Shop-Floor"\n',
        "setup.cfg": "[metadata]\nname = shop.floor\n",
    }
    for name, text in sources.items():
        project.write(name, text)
        assert "profile_shop_floor.py" in init(project, "-n")
        (project.path / name).unlink()
    project.write("pyproject.toml", '[tool.poetry]\nname = "python-aaa"\n')
    assert "profile_aaa.py" in init(project, "--dry-run")
    (project.path / "pyproject.toml").unlink()
    assert "profile_aaa.py" in init(project, "-n")
    shutil.rmtree(project.path / "aaa")
    shutil.rmtree(project.path / "shop_floor")
    project.write("setup.py", "")
    project.write("conftest.py", "")
    project.write("tool.py", "")
    assert "profile_tool.py" in init(project, "-n")


def test_compiled_packages_are_taken_as_installed(shop):
    shop.write("src/shop/fast.pyx", "")
    init(shop)
    assert "sys.path" not in (shop.path / CASE).read_text()
    assert "# build = " in (shop.path / "pyproject.toml").read_text()


def test_nothing_changes(shop):
    """Text is added at the end of two files, that is all."""
    shop.write("Makefile", "all:\n\techo all \\")
    shop.write(".gitignore", "x\n")
    before = files(shop)
    init(shop)
    after = files(shop)
    assert after.pop("pyproject.toml") == before.pop("pyproject.toml") + (
        b'\n\n[tool.pyprofiler]\ntargets = ["profiling"]\n')
    assert after.pop("Makefile") == before.pop("Makefile") + (
        b"\n\n-include profiling/pyprofiler.mk\n")
    assert set(after) - set(before) == {CASE, FRAGMENT}
    assert {name: after[name] for name in before} == before
    assert make(shop).splitlines()[-1].strip() == "all"  # still the first target


def test_again(shop):
    init(shop, "--github")
    before = files(shop)
    out = init(shop, "--github")
    assert out.count("there already: ") == 5 and "made" not in out and "added" not in out
    assert files(shop) == before


def test_dry_run(shop):
    before = files(shop)
    out = init(shop, "--dry-run", "--github")
    assert out.count("would ") == 5
    assert files(shop) == before


def test_force_is_for_our_own_files(shop):
    init(shop, "--github")
    fresh = files(shop)
    for name in CASE, FRAGMENT, WORKFLOW:
        shop.write(name, "Written by `pyprofiler init`: changed\n")
    init(shop, "--github", "--force")
    assert files(shop) == fresh
    for name in CASE, FRAGMENT, WORKFLOW:
        shop.write(name, "theirs\n")
    theirs = files(shop)
    assert init(shop, "--github", "-f").count("and not ours") == 3
    assert files(shop) == theirs


def test_an_existing_table_stays(shop):
    text = PYPROJECT + "\n[tool.pyprofiler]\ntimeout = 3\n"
    shop.write("pyproject.toml", text)
    assert "there already: [tool.pyprofiler]" in init(shop)
    assert (shop.path / "pyproject.toml").read_text() == text


@pytest.mark.parametrize("text", ["[project\n", 'tool = {other = 1}\n', "\xff"])
def test_a_toml_that_takes_no_table(shop, text):
    (shop.path / "pyproject.toml").write_bytes(text.encode("latin-1"))
    before = files(shop)
    done = shop.run("pyprofiler", "init", "--python", shop.python)
    assert done.code == 4 and "pyproject.toml" in done.err
    assert files(shop) == before


@pytest.mark.parametrize("name", ["GNUmakefile", "makefile", "Makefile"])
def test_targets_of_their_own(shop, name):
    shop.write(name, "profile-gate := no target\nother profile: dep\n\t@echo theirs\ndep:\n"
                     "# include profiling/pyprofiler.mk in a comment is none\n")
    out = init(shop)
    assert f"left out: {name} has a target 'profile'" in out
    assert "profile-gate" not in out
    assert make(shop, "profile").strip() == "theirs"
    assert "compare --run HEAD~1" in make(shop, "-n", "profile-gate")


def test_a_makefile_without_tabs(shop):
    """Ours is read with their prefix of recipes, and may not break their targets."""
    shop.write("Makefile", ".RECIPEPREFIX = >\nall:\n> @echo theirs\n")
    init(shop)
    assert make(shop, "all").strip() == "theirs"
    assert "run profiling" in make(shop, "-n", "profile")


def test_variables_of_the_makefile_are_theirs(shop):
    shop.write("Makefile", "BASE := theirs\nARGS := theirs\n")
    init(shop)
    assert "compare --run HEAD~1" in make(shop, "-n", "profile-gate")
    assert "theirs" not in make(shop, "-n", "profile")
    assert "compare --run v1" in make(shop, "-n", "profile-gate", "BASE=v1")
    assert "run profiling call" in make(shop, "-n", "profile", "ARGS=call")


def test_make_compare_and_gate(shop):
    """Both measure the commit before, which has no cases, against the work tree."""
    shop.commit()
    init(shop)
    shop.commit("profiling")
    assert "--exit-zero" in make(shop, "-n", "profile-compare")
    out = make(shop, "profile-compare", "BASE=HEAD~1",
               "PYPROFILER=pyprofiler compare --run --max-time 1s HEAD~1; :")
    assert "profile_import" in out


def test_a_slower_import_fails_the_gate(shop):
    init(shop)
    shop.commit()
    shop.write("src/shop/__init__.py", "sum(range(3_000_000))\n")
    make(shop, "profile-compare", "BASE=HEAD")
    make(shop, "profile-gate", "BASE=HEAD", code=2)  # make's own: a command failed


def test_the_workflow(shop):
    init(shop, "--github")
    text = (shop.path / WORKFLOW).read_text()
    for words in ("fetch-depth: 0", "contents: read", "GITHUB_STEP_SUMMARY", "pull_request:",
                  "github.event.pull_request.base.sha", "compare --run"):
        assert words in text
    assert "write" not in text.replace("writes it again", "")
    yaml = pytest.importorskip("yaml", reason="no PyYAML to read the workflow with")
    steps = yaml.safe_load(text)["jobs"]["profile"]["steps"]
    assert steps[0]["with"]["fetch-depth"] == 0
    # What an event says is never part of a script.
    assert not any("${{" in step.get("run", "") for step in steps)


def test_a_folder_and_one_below(shop, tmp_path):
    out = init(shop, "--dry-run", shop.path / "src" / "shop", cwd=tmp_path)
    assert CASE in out
    assert CASE in init(shop, "-n", cwd=shop.path / "src")
    assert "no git repository" in out


def test_in_a_repository_nothing_is_said(shop):
    shop.commit()
    assert "git" not in init(shop)


def test_quiet(shop):
    assert init(shop, "-q") == ""
    assert (shop.path / CASE).exists()


def test_color_and_verbose_are_taken(shop):
    assert "\033" not in init(shop, "-v", "--color=always", "-n")


@pytest.mark.parametrize("words, said", [
    (["nowhere"], "'nowhere' is no folder"),
    (["empty"], "no Python package or module"),
    (["a", "b"], "b"),
    (["--python", "/nowhere/python"], "/nowhere/python"),
])
def test_usage(project, words, said):
    project.write("empty/setup.cfg", "")
    done = project.run("pyprofiler", "init", *words)
    assert done.code == 4 and said in done.err, done


def test_a_folder_that_cannot_be_made(shop):
    shop.write("profiling", "a file\n")
    done = shop.run("pyprofiler", "init", "--python", shop.python)
    assert done.code == 3 and "profiling" in done.err, done


@pytest.mark.parametrize("name, folder", [("attrs==24.2.0", "src"), ("rich==13.9.4", ".")])
def test_real_projects(project, name, folder, tmp_path):
    """Their sources, laid out as in their repositories."""
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary",
           ":all:", "-d", str(tmp_path / "wheel"), name]
    try:
        done = subprocess.run(pip, capture_output=True, text=True, timeout=100)
    except subprocess.TimeoutExpired:
        pytest.skip("nothing from PyPI within 100 s")
    if done.returncode != 0:
        pytest.skip(f"nothing from PyPI: {done.stderr.strip()[-200:]}")
    [wheel] = (tmp_path / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as sources:
        sources.extractall(project.path / folder)
    package = name.partition("==")[0]
    project.write("pyproject.toml", f'[project]\nname = "{package}"\nversion = "1"\n')
    project.write("Makefile", "all:\n\t@echo all\n")
    project.commit()
    before = files(project)
    assert f"profile_{package}.py" in init(project)
    after = files(project)
    changed = {n for n in before if after[n] != before[n]}
    assert changed == {"pyproject.toml", "Makefile"}
    assert all(after[n].startswith(before[n]) for n in changed)
    assert "Import::profile_import" in make(project, "profile")
