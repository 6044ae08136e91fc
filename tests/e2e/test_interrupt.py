"""Ctrl-C: stops cleanly, keeps what is done, exits 2, leaves no process behind."""

import json
import os
import signal

import pytest

from conftest import processes_with, wait_for

CASES = """\
import os, signal, subprocess, sys, time
from pyprofiler import ProfilerCase

class Long(ProfilerCase):
    def profile_a(self):
        print("done")

    def profile_b(self):
        {before}
        open("ready", "w").close()
        while True:
            time.sleep(0.01)

    def profile_c(self):
        open("too far", "w").close()
"""


def interrupted(project, before, send, *options):
    project.write("long.py", CASES.format(before=before))
    process = project.start(
        "--format=json", *options, "long.py", "passthrough", start_new_session=True)
    wait_for((project.path / "ready").exists, "the endless case")
    send(process.pid, signal.SIGINT)
    outcome = project.finish(process)
    assert outcome.code == 2, outcome
    assert outcome.json["interrupted"] is True
    assert not (project.path / "too far").exists()
    return outcome


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["runner", "terminal"])
def test_ctrl_c(each, send):
    outcome = interrupted(each, "pass", send)
    assert outcome.result("profile_a")["status"] == "ok"
    assert "Long::profile_c" not in outcome.statuses
    shown = each.run("pyprofiler", "show", "--format=json")
    assert json.loads(shown.out)["results"][0]["case"] == "long.py::Long::profile_a"
    whole = each.run_json("-k", "profile_a", "long.py", "passthrough")
    assert "interrupted" not in whole.json


@pytest.mark.parametrize("before", [
    "signal.signal(signal.SIGINT, signal.SIG_IGN)",
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])",
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], "
    "start_new_session=True)",
], ids=["deaf", "child", "child-setsid"])
def test_ctrl_c_ends_what_the_case_does(project, before):
    interrupted(project, before, os.killpg)


@pytest.mark.parametrize("isolation", ["exec", "none"])
def test_ctrl_c_in_other_isolation(project, isolation):
    outcome = interrupted(project, "pass", os.killpg, f"--isolation={isolation}")
    assert outcome.result("profile_a")["status"] == "ok"


def test_ctrl_c_during_import(project):
    text = "import time\nfrom pyprofiler import ProfilerCase\nopen('ready', 'w').close()\n"
    project.write("slow.py", text + "time.sleep(300)\n")
    process = project.start("slow.py", "passthrough", start_new_session=True)
    wait_for((project.path / "ready").exists, "the import")
    os.killpg(process.pid, signal.SIGINT)
    assert project.finish(process).code == 2


def test_killed_runner_leaves_nobody(project):
    """SIGKILL for the runner itself: the workers notice and end."""
    project.write("long.py", CASES.format(before="pass"))
    process = project.start("long.py", "passthrough", start_new_session=True)
    wait_for((project.path / "ready").exists, "the endless case")
    process.kill()
    process.wait()
    wait_for(lambda: not processes_with(process.token), "the end of the workers")
    project.finish(process)
