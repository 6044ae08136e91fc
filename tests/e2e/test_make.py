"""`make setup` on machines that lack something: what it installs, and what it says."""
import os
import pathlib
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]

# All that the checks of the Makefile call; each answers that it is there.
CHECKED = ["cc", "cmake", "ninja", "pkg-config", "git", "go-md2man",
           "dot", "valgrind"]


@pytest.fixture
def machine(tmp_path):
    """A PATH on which every tool is a script of ours, and calls to apt-get are noted."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for tool in ["bash", "sh", "env", "nproc", "cat"]:
        (bin_dir / tool).symlink_to(shutil.which(tool))
    for tool in CHECKED:
        script(bin_dir / tool, "exit 0")
    script(bin_dir / "apt-get", f'echo "apt-get $*" >> {tmp_path}/log')
    script(bin_dir / "sudo", f'echo "sudo $*" >> {tmp_path}/log; "$@"')
    script(bin_dir / "id", "echo 0")
    return bin_dir


def script(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def make_setup(bin_dir):
    """Run `make setup` there; gives what it printed on failure, and apt-get's calls."""
    done = subprocess.run(
        [shutil.which("make"), "-C", SOURCE, "setup", "SYSTEM_PYTHON=true"],
        env={"PATH": str(bin_dir)}, capture_output=True, text=True)
    log = bin_dir.parent / "log"
    return done, log.read_text().splitlines() if log.exists() else []


def test_nothing_runs_when_all_is_there(machine):
    done, calls = make_setup(machine)
    assert done.returncode == 0, done.stderr
    assert calls == []


def test_only_what_is_missing_is_installed(machine):
    script(machine / "git", "exit 127")
    script(machine / "pkg-config", '[ "$2" != libzstd ]')
    done, calls = make_setup(machine)
    assert done.returncode == 0, done.stderr
    assert calls[0].startswith("apt-get update")
    assert calls[1].endswith("install -q -y --no-install-recommends libzstd-dev git")
    assert len(calls) == 2


def test_sudo_when_not_root(machine):
    script(machine / "git", "exit 127")
    script(machine / "id", "echo 1000")
    done, calls = make_setup(machine)
    assert done.returncode == 0, done.stderr
    assert [line for line in calls if line.startswith("sudo")] == [
        "sudo apt-get update -q",
        "sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y"
        " --no-install-recommends git",
    ]


@pytest.mark.parametrize("absent", ["apt-get", "sudo"])
def test_clear_message_when_it_cannot_install(machine, absent):
    script(machine / "git", "exit 127")
    script(machine / "id", "echo 1000")
    os.unlink(machine / absent)
    done, calls = make_setup(machine)
    assert done.returncode != 0
    assert "make: missing: git" in done.stderr
    assert calls == []


def test_failed_install_fails_setup(machine):
    script(machine / "git", "exit 127")
    script(machine / "apt-get", '[ "$1" = update ] && exit 100; exit 100')
    done, _ = make_setup(machine)
    assert done.returncode != 0
