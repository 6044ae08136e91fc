"""Programs run as Python runs them: what they see of themselves, what they print, how they
end, and what is kept of each.

Most tests run a program twice, by Python itself and by us, and compare.
"""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess

import pytest

from conftest import PATIENCE_S, processes_with

# Python's own executable does not have the sanitizer's runtime.
HOSTS = ["embed"] if "ASAN_OPTIONS" in os.environ else ["embed", "python"]
EVERY = {"wall_time", "cpu_time", "average_cpu", "peak_memory"}

# Report and progress go elsewhere, so that what is left is the program's.
KEPT = ["-f", "-q", "-o", "report.json", "--format=json"]
QUIET = ["-q", "--no-store", "--format=json", "-f", "-o", "report.json"]




def by_python(project, *words, stdin=b"", env=None):
    done = subprocess.run(
        [project.python, *words],
        cwd=project.path, env={**project.env, **(env or {})}, input=stdin,
        capture_output=True,
    )
    code = done.returncode
    return 128 - code if code < 0 else code, done.stdout, neutral(done.stderr)


def neutral(text):
    """Without addresses of objects."""
    return re.sub(rb"0x[0-9a-f]+", b"0x", text)


def by_us(project, *words, stdin=b"", env=None, host="embed", profiler="call"):
    n = 2 if words[0] in ("-m", "-c") else 1
    script = [] if n == 2 else ["--script"]
    command = project.command(*QUIET, *script, f"--host={host}", *words[:n], profiler)
    done = subprocess.run(
        [*command, "--", *words[n:]],
        cwd=project.path, env={**project.env, **(env or {})}, input=stdin,
        capture_output=True,
    )
    return done.returncode, done.stdout, neutral(done.stderr)


FACTS = """
import sys, types
main = sys.modules["__main__"]
print(__name__, main.__dict__ is globals(), sorted(k for k in globals() if k[:2] == "__"))
print(__spec__ and (__spec__.name, __spec__.origin), __loader__.__class__, __package__)
print(globals().get("__file__"), globals().get("__cached__"), __doc__)
print(isinstance(__builtins__, types.ModuleType), sys.flags)
print(sys.argv, sys.path, sys.executable, sys.prefix)
print(sys.orig_argv[1:])
print([s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)])
print(sys.stdin.read())
frame, depth = sys._getframe(), 0
while frame:
    print(frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno)
    frame = frame.f_back
"""


def facts_match(project, *words, **how):
    def neutral(outcome):
        code, out, err = outcome
        text = re.sub(r", '[^']*runner/worker/python'", "", out.decode())
        text = re.sub(r", '[^']*share/pyprofiler/python'", "", text)
        return code, text, err

    expected = neutral(by_python(project, *words, **how))
    assert expected[0] == 0, expected
    for host in HOSTS:
        found = neutral(by_us(project, *words, host=host, **how))
        assert found == expected, host


def test_a_script_sees_what_python_shows_it(each):
    each.write("folder/facts.py", FACTS)
    facts_match(each, "folder/facts.py", "one", "two words", stdin=b"piped\n")
    facts_match(each, "./folder/facts.py")
    facts_match(each, str(each.path / "folder" / "facts.py"))
    (each.path / "link.py").symlink_to("folder/facts.py")
    facts_match(each, "link.py")


def test_a_module_sees_what_python_shows_it(each):
    each.write("package/__init__.py", "")
    each.write("package/inner.py", FACTS)
    each.write("package/__main__.py", FACTS)
    facts_match(each, "-m", "package.inner", "-x", "--y=1")
    facts_match(each, "-m", "package")


def test_the_hint_at_a_script_that_hides_a_module_is_pythons(each):
    each.write("colorsys.py", "import colorsys\ncolorsys.rgb_to_hsv\n")
    expected = by_python(each, "colorsys.py")
    assert expected[0] == 1
    for host in HOSTS:
        assert by_us(each, "colorsys.py", host=host) == expected


def test_code_sees_what_python_shows_it(each):
    facts_match(each, "-c", FACTS, "an argument")


def test_environment_variables_of_python_count(each):
    each.write("facts.py", FACTS)
    env = {"PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "error", "PYTHONUTF8": "1"}
    facts_match(each, "facts.py", env=env)


ENDS = {
    "falls_off": "print('x')",
    "exit_3": "import sys; sys.exit(3)",
    "exit_none": "import sys; sys.exit()",
    "exit_text": "import sys; sys.exit('a text')",
    "exit_big": "import sys; sys.exit(256 + 7)",
    "os_exit": "import os; print('lost'); os._exit(5)",
    "raises": "def f():\n    raise ValueError('no')\ntry:\n    f()\nexcept ValueError as e:\n"
    "    raise KeyError(1) from e",
    "group": "raise ExceptionGroup('g', [ValueError(1), OSError(2)])",
    "hook": "import sys\nsys.excepthook = lambda *a: print('hooked', a[0], file=sys.stderr)\n"
    "1 / 0",
    "hook_broken": "import sys\nsys.excepthook = 1\n1 / 0",
    "abort": "import os; os.abort()",
    "kill": "import os; os.kill(os.getpid(), 9)",
    "term": "import os; os.kill(os.getpid(), 15)",
    "segv": "import ctypes; ctypes.string_at(0)",
    "interrupt": "import os; os.kill(os.getpid(), 2)\nimport time; time.sleep(30)",
    "raised_interrupt": "raise KeyboardInterrupt",
    "stdout_closed": "import sys, os\nos.close(1)\nprint('lost')",
    "atexit": "import atexit\natexit.register(print, 'first')\n"
    "atexit.register(lambda: 1 / 0)\nprint('body')",
    "atexit_exits": "import atexit, sys\natexit.register(lambda: sys.exit(4))",
    "thread": "import threading, time\nmain = threading.Event()\n"
    "def f():\n    main.wait()\n    time.sleep(0.02)\n    print('thread')\n"
    "threading.Thread(target=f).start()\nprint('main')\nmain.set()",
    "thread_raises": "import threading\nt = threading.Thread(target=lambda: 1 / 0, name='t')\n"
    "t.start()\nt.join()",
    "daemon": "import threading\n"
    "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "unraisable": "class A:\n    def __del__(self):\n        print('deleted')\na = A()",
    "del_at_end": "import sys\nclass A:\n    def __del__(self):\n        1 / 0\nsys.a = A()",
    "syntax": "x = (\nprint('never')",
    "tabs": "if 1:\n\tx = 1\n        y = 2",
    "encoding": "# -*- coding: latin-1 -*-\nprint('done')",
    "bad_encoding": "# -*- coding: nope -*-\nprint('done')",
    "null": "print('a')\0",
    "recursion": "def f(n):\n    return f(n + 1)\ntry:\n    f(0)\nexcept RecursionError as e:\n"
    "    print(e)",
    "fork": "import os\nif os.fork() == 0:\n    print('child')\nelse:\n    os.wait()\n"
    "    print('parent')",
    "fork_exit": "import os, sys\npid = os.fork()\nif pid == 0:\n    sys.exit(9)\n"
    "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))",
    "exec": "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'print(6 * 7); "
    "raise SystemExit(8)'])",
    "deletes_itself": "import os\nos.unlink(__file__)\n1 / 0",
    "closes_all": "import os\nos.closerange(3, 1000)\nprint('still here')",
    "main_replaced": "import sys\nsys.modules['__main__'] = None\nprint('on')",
    "settrace": "import sys\nsys.settrace(lambda *a: None)\nprint('traced')",
    "cprofile": "import cProfile\np = cProfile.Profile()\np.enable()\nsum([1])\np.disable()\n"
    "print(len(p.getstats()) > 0)",
    "input": "print('got', input('prompt> '))",
    "chdir": "import os\nos.chdir('/')\nprint(os.getcwd())\n1 / 0",
    "pickle": "import pickle\nclass A:\n    pass\n"
    "print(pickle.loads(pickle.dumps(A())).__class__)",
    "subprocess": "import subprocess, sys\n"
    "print(subprocess.run([sys.executable, '-c', 'print(2)'], capture_output=True).stdout)",
    "asyncio": "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 3\n"
    "print(asyncio.run(f()))",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n"
    "print(P(1), P.__module__)",
    "annotations": "x: int = 1\nprint(__annotations__)",
    "sigint_default": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"
    "signal.raise_signal(signal.SIGINT)",
    "sigpipe": "import signal\nprint(signal.getsignal(signal.SIGPIPE),"
    " signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGHUP))",
    "orphans": "import os\nr, w = os.pipe()\nif os.fork() == 0:\n    if os.fork() == 0:\n"
    "        os.read(r, 1)\n    os._exit(0)\nos.wait()\n"
    "try:\n    os.wait()\nexcept ChildProcessError:\n    print('no child of ours')\n"
    "os.write(w, b'x')",
}


@pytest.mark.parametrize("name", ENDS)
def test_a_script_ends_as_under_python(each, name):
    each.write(f"a_{name}.py", ENDS[name])
    expected = by_python(each, f"a_{name}.py", stdin=b"a line\n")
    for host in HOSTS:
        each.write(f"a_{name}.py", ENDS[name])
        found = by_us(each, f"a_{name}.py", stdin=b"a line\n", host=host)
        assert found == expected, host


POOL = """
import multiprocessing, sys
class Item:
    def __init__(self, x):
        self.x = x
def double(item):
    return item.x * 2
if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    with multiprocessing.Pool(2) as pool:
        print(pool.map(double, [Item(1), Item(2)]))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("profiler", ["call", "tracer"])
def test_processes_of_multiprocessing_find_main(each, method, profiler):
    each.write("pool.py", POOL)
    for host in HOSTS:
        found = by_us(each, "pool.py", method, host=host, profiler=profiler)
        assert found == (0, b"[2, 4]\n", b""), host


def test_folders_and_archives_run_their_main(each):
    each.write("app/__main__.py", "import sys\nprint(sys.argv, sys.path[0], __spec__.name)")
    subprocess.run([each.python, "-m", "zipapp", "app"], cwd=each.path, check=True)
    for name in ("app", "app.pyz"):
        expected = by_python(each, name, "x")
        assert expected[0] == 0
        for host in HOSTS:
            assert by_us(each, name, "x", host=host) == expected, (name, host)


def test_arguments_may_be_any_bytes(each):
    each.write("args.py", "import os, sys\nprint([os.fsencode(a) for a in sys.argv])")
    for host in HOSTS:
        found = by_us(each, "args.py", b"\xff\xfe", "\u20ac", "", "--help", host=host)
        assert found[:2] == by_python(each, "args.py", b"\xff\xfe", "\u20ac", "", "--help")[:2]


def test_a_path_may_be_any_bytes(project):
    folder = os.path.join(os.fsencode(project.path), b"\xfe")
    os.mkdir(folder)
    with open(os.path.join(folder, b"\xff.py"), "w") as file:
        file.write("import sys\nprint(ascii([__file__, sys.argv, sys.path[0]]))\n1 / 0\n")
    name = os.fsdecode(b"\xfe/\xff.py")
    expected = by_python(project, name)
    assert expected[0] == 1
    for host in HOSTS:
        assert by_us(project, name, host=host) == expected, host
    assert project.run("-q", "-o", "report.txt", name).code == 1  # without --script, stored


# --- the terminal ------------------------------------------------------------------------

# A shell with job control: runs its arguments in the foreground, says when they stop,
# continues them, says how they ended.
SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    _, status = os.waitpid(pid, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        break
    print("STOPPED", flush=True)
    os.tcsetpgrp(0, pid)
    os.killpg(pid, signal.SIGCONT)
print("ENDED", os.waitstatus_to_exitcode(status), "OVER", flush=True)
"""


class Terminal:
    """A command in the foreground of a terminal of its own."""

    def __init__(self, project, *words, variables=()):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(project.path)
            command = ["/usr/bin/env", *variables, *project.command(*KEPT, *words)]
            os.execve(project.python, [project.python, "-c", SHELL, *command], project.env)

    def until(self, text):
        while text not in self.seen:
            try:
                readable, _, _ = select.select([self.fd], [], [], PATIENCE_S)
                more = os.read(self.fd, 4096) if readable else b""
            except OSError:
                more = b""
            assert more, (text, self.seen)
            self.seen += more
        return self.seen

    def type(self, text):
        os.write(self.fd, text)

    def end(self):
        """Its exit code, or minus the signal."""
        self.until(b" OVER")
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        return int(self.seen.rpartition(b"ENDED ")[2].split()[0])


TALKS = """
import sys
print([s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)])
print("hello", input("name> "))
"""


def test_the_terminal_is_the_scripts(each):
    each.write("talks.py", TALKS)
    for host in HOSTS:
        terminal = Terminal(each, f"--host={host}", "talks.py")
        terminal.until(b"name> ")
        terminal.type(b"you\n")
        assert terminal.end() == 0
        assert b"[True, True, True]" in terminal.seen
        assert b"hello you" in terminal.seen


WAITS = """
import sys, time
def wait():
    print("ready", flush=True)
    time.sleep(60)
try:
    wait()
finally:
    print("cleaned up")
"""


def test_a_terminal_goes_on_after_the_script_when_asked_to(project):
    project.write("asks.py", "x = int('42')\n")
    terminal = Terminal(project, "asks.py", variables=["PYTHONINSPECT=1"])
    terminal.until(b">>> ")
    terminal.type(b"print('x is', x)\n")
    terminal.until(b"x is 42")
    terminal.type(b"raise SystemExit(3)\n")
    assert terminal.end() == 3


def test_ctrl_c_reaches_the_script(each):
    each.write("waits.py", WAITS)
    for host in HOSTS:
        terminal = Terminal(each, f"--host={host}", "waits.py")
        terminal.until(b"ready")
        terminal.type(b"\x03")
        assert terminal.end() == 130, terminal.seen
        assert terminal.seen.count(b"KeyboardInterrupt") == 1
        assert b"cleaned up" in terminal.seen
        result = stored(each)
        assert (result["status"], result["signal"]) == ("failed", "SIGINT")
        assert result["reason"] == "KeyboardInterrupt"
        assert "wait" in [s["function"] for s in result["sites"]]


def test_ctrl_z_stops_and_continues(project):
    project.write("waits.py", WAITS.replace("time.sleep(60)", "print(input())"))
    terminal = Terminal(project, "waits.py")
    terminal.until(b"ready")
    terminal.type(b"\x1a")
    terminal.until(b"STOPPED")
    terminal.type(b"after\n")
    assert terminal.end() == 0, terminal.seen
    assert terminal.seen.count(b"after") == 2  # its echo, and the script's


# --- signals to the runner ----------------------------------------------------------------


def stored(project, name="report.json"):
    results = json.loads((project.path / name).read_text())["results"]
    assert len(results) == 1
    return results[0]


def signalled(project, signo, text=WAITS, **how):
    project.write("waits.py", text)
    words = ["-f", "-q", "-o", "report.json", "--format=json", "waits.py"]
    process = project.start(*words, stdin=subprocess.PIPE, **how)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signo)
    return project.finish(process)


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_handed_on_to_the_script(project, signo):
    outcome = signalled(project, signo)
    assert outcome.code == 128 + signo, outcome
    result = stored(project)
    assert (result["status"], result["signal"]) == ("crashed", signo.name)
    assert "wait" in [s["function"] for s in result["sites"]]
    assert EVERY <= result["metrics"].keys()


def test_an_interrupt_is_handed_on_to_the_script(each):
    outcome = signalled(each, signal.SIGINT)
    assert outcome.code == 130, outcome
    assert outcome.out == "cleaned up\n"
    assert outcome.err.endswith("KeyboardInterrupt\n")
    assert stored(each)["status"] == "failed"


def test_a_script_may_catch_what_is_handed_on(project):
    text = "import signal\nsignal.signal(signal.SIGTERM, lambda *a: exit(0))\n" + WAITS
    assert signalled(project, signal.SIGTERM, text).code == 0
    assert stored(project)["status"] == "ok"


def test_nothing_follows_a_script_that_was_told_to_stop(project):
    project.write("waits.py", WAITS)
    project.write("next.py", "print('next')")
    process = project.start("waits.py", "next.py", stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    outcome = project.finish(process)
    assert outcome.code == 130
    assert outcome.out == "cleaned up\n"


# --- what is kept ------------------------------------------------------------------------

WORK = """
import sys
def inner(n):
    return sum(range(n))
def outer():
    return [inner(i) for i in range(20)]
print(len(outer()))
"""


def one(project, *words, code=0, **how):
    outcome = project.run_json(*words, **how)
    assert outcome.code == code, outcome
    results = outcome.json["results"]
    assert len(results) == 1
    return results[0]


@pytest.mark.parametrize(
    "profiler",
    ["call", "callgraph", "stopwatch", "passthrough", "tracer", "line", "memory-line",
     "memory-time", "tracemalloc"],
)
def test_every_profiler_takes_a_script(each, profiler):
    each.write("work.py", WORK)
    for host in HOSTS:
        result = one(each, f"--host={host}", "work.py", profiler)
        assert (result["case"], result["status"]) == ("work.py", "ok"), result
        assert EVERY <= result["metrics"].keys()
        for name in EVERY:
            assert result["metrics"][name]["n"] == 1, name
        assert result["metrics"]["peak_memory"]["value"] > 1 << 20
        assert result["metrics"]["wall_time"]["value"] > 0
        assert result["metrics"]["wall_time"]["value"] == pytest.approx(result["duration_ns"])


DAEMON = """
import threading, time
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def busy():
    while True:
        fib(8)
threading.Thread(target=busy, daemon=True).start()
print(fib(10))
"""


@pytest.mark.parametrize(
    "profiler", ["call", "tracer", "line", "memory-line", "memory-time", "tracemalloc"]
)
def test_a_busy_daemon_thread_does_not_outlive_the_profiler(each, profiler):
    each.write("daemon.py", DAEMON)
    for host in HOSTS:
        assert by_us(each, "daemon.py", host=host, profiler=profiler) == (0, b"55\n", b"")


def test_instructions_of_a_script_are_counted(each):
    if not shutil.which("valgrind"):
        pytest.skip("no valgrind on PATH")
    each.write("work.py", WORK)
    outcome = each.run("-f", "-q", "-o", "report.json", "--format=json", "work.py",
                       "instructions")
    assert (outcome.code, outcome.out, outcome.err) == (0, "20\n", "")
    result = stored(each)
    assert result["metrics"]["instructions"]["value"] > 10000
    assert EVERY <= result["metrics"].keys()


def test_what_a_profiler_cannot_do_is_told(project):
    project.write("work.py", WORK)
    outcome = project.run("work.py", "stopwatch", "--quick", "--rigorous")
    assert outcome.code == 4 and "exclude each other" in outcome.err
    assert outcome.out == ""  # the script did not run


def test_a_profiler_written_in_python_takes_no_script(project):
    project.write("work.py", WORK)
    project.write("own.py", "from pyprofiler import Profiler, register_profiler\n"
                  "@register_profiler('special')\nclass Special(Profiler):\n    pass\n")
    outcome = project.run("--plugins=own", "work.py", "special",
                          env={**project.env, "PYTHONPATH": str(project.path)})
    assert outcome.code == 4 and "'special' is no profiler" in outcome.err, outcome
    assert "that is written in Python cannot profile a script" in outcome.err, outcome
    assert outcome.out == ""  # it did not run


def test_functions_of_the_script_are_counted(each):
    each.write("work.py", WORK)
    for host in HOSTS:
        result = one(each, f"--host={host}", "work.py")
        assert result["profiler"] == "call"
        calls = {s["function"]: s["calls"] for s in result["sites"]}
        assert (calls["inner"], calls["outer"], calls["<module>"]) == (20, 1, 1)
        files = {s["file"] for s in result["sites"] if s["function"] == "inner"}
        assert files == {"work.py"} or files == {str(each.path / "work.py")}


def test_no_function_of_ours_is_seen(each):
    each.write("work.py", WORK)
    for host in HOSTS:
        for words in (["work.py"], ["-m", "work"], ["-c", WORK]):
            result = one(each, f"--host={host}", *words)
            names = " ".join(s["file"] + s["function"] for s in result["sites"])
            assert "pyprofiler" not in names and "script_end" not in names


def test_lines_of_the_module_are_counted(each):
    each.write("work.py", WORK)
    for words in (["work.py"], ["-m", "work"]):
        result = one(each, *words, "line")
        hits = {s["line"]: s["hits"] for s in result["sites"] if s["line"]}
        assert hits[4] == 20  # inner
        assert hits[7] == 1  # the module's own


def test_exit_handlers_and_threads_are_measured(each):
    each.write(
        "late.py",
        "import atexit, threading\n"
        "def in_thread():\n    pass\n"
        "def at_exit():\n    pass\n"
        "atexit.register(at_exit)\n"
        "threading.Timer(0.01, in_thread).start()\n",
    )
    result = one(each, "late.py")
    calls = {s["function"]: s["calls"] for s in result["sites"]}
    assert calls["at_exit"] == 1
    assert calls["in_thread"] == 1


CRASHES = {
    "abort": ("import os\nos.abort()", "crashed", "SIGABRT", 134, ""),
    "kill": ("import os\nos.kill(os.getpid(), 9)", "crashed", "SIGKILL", 137, ""),
    "segv": ("import ctypes\nctypes.string_at(0)", "crashed", "SIGSEGV", 139, ""),
    "os_exit": ("import os\nos._exit(5)", "failed", None, 5, "exit code 5"),
    "os_exit_0": ("import os\nos._exit(0)", "ok", None, 0, None),
    "sys_exit": ("import sys\nsys.exit(3)", "failed", None, 3, "exit code 3"),
    "text": ("import sys\nsys.exit('no')", "failed", None, 1, "exit code 1"),
    "raises": ("1 / 0", "failed", None, 1, "ZeroDivisionError: division by zero"),
    "exec": ("import os\nos.execv('/bin/sh', ['sh', '-c', 'exit 6'])", "failed", None, 6,
             "exit code 6"),
}


@pytest.mark.parametrize("name", CRASHES)
def test_an_end_of_any_kind_loses_nothing(each, name):
    text, status, signo, code, reason = CRASHES[name]
    each.write("ends.py", WORK + text)
    for host in HOSTS:
        words = ["-f", "-q", "-o", "report.json", "--format=json", f"--host={host}"]
        outcome = each.run(*words, "ends.py")
        assert outcome.code == code, outcome
        result = stored(each)
        assert (result["status"], result["signal"]) == (status, signo), result
        assert reason is None or reason in result["reason"]
        calls = {s["function"]: s["calls"] for s in result["sites"]}
        assert calls["inner"] == 20
        assert EVERY <= result["metrics"].keys()
        assert result["metrics"]["wall_time"]["value"] > 0
        assert result["duration_ns"] > 0


def test_the_traceback_is_kept_without_frames_of_ours(each):
    each.write("raises.py", "def f():\n    1 / 0\nf()\n")
    result = one(each, "raises.py", code=1)
    lines = [l for l in result["traceback"].splitlines() if l.startswith("  File")]
    assert len(lines) == 2 and all("raises.py" in l for l in lines)


def test_results_are_stored_and_found_by_their_ids(project):
    project.write("work.py", WORK)
    project.commit()
    for _ in range(2):
        assert project.run("work.py", "stopwatch", "--", "a", "b c").code == 0
    shown = project.run("pyprofiler", "show", "work.py[a 'b c']")
    assert shown.code == 0 and "wall_time" in shown.out, shown
    history = project.run("pyprofiler", "history", "work.py[a 'b c']")
    assert history.code == 0, history
    listed = project.run("list", "--script", "work.py", "--", "a", "b c")
    project.commit("again")
    assert project.run("work.py", "stopwatch", "--", "a", "b c").code == 0
    compared = project.run("pyprofiler", "compare", "HEAD~1", "HEAD")
    assert "work.py[a 'b c']" in compared.out, compared


def test_ids_of_modules_and_code(project):
    project.write("pkg/mod.py", "print(1)")
    assert one(project, "-m", "pkg.mod")["case"] == "-m pkg.mod"
    assert one(project, "-m", "pkg.mod", "--", "x")["case"] == "-m pkg.mod[x]"
    code = "x = 1\nprint('a long line of code that goes on and on')"
    assert one(project, "-c", code)["case"] == "-c " + code.replace("\n", " ")[:40]


# --- which files are scripts ---------------------------------------------------------------

CASES = "from pyprofiler import ProfilerCase\nclass C(ProfilerCase):\n"
CASES += "    def profile_x(self):\n        pass\n"

KINDS = {
    "cases": (CASES, False),
    "cases_and_main": (CASES + "if __name__ == '__main__':\n    C.runCases()\n", False),
    "derived": ("from base import Base\nclass C(Base):\n    x = 1\n", False),
    "methods": ("from base import B\nclass C(B):\n    def profile_x(self): pass\nprint(1)", False),
    "main": ("def f():\n    pass\nif __name__ == '__main__':\n    f()\n", True),
    "mention": ("# ProfilerCase, profile_x\nprint('ProfilerCase profile_x')\n", True),
    "own_function": ("def profile_x():\n    pass\nprofile_x()\n", True),
    "call": ("x = print(1)\n", True),
    "class_and_code": ("class A(dict):\n    pass\nprint(A())\n", True),
    "definitions": ("import sys\ndef f():\n    print(1)\nX = 1\n", False),
    "broken": ("print(\n", True),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_without_cases_is_a_script(project, name):
    text, is_script = KINDS[name]
    project.write("base.py", "from pyprofiler import ProfilerCase as B\nBase = B\n")
    project.write(f"{name}.py", text)
    listed = project.run("--list", f"{name}.py")
    assert (listed.out == f"{name}.py\n") == is_script, listed


def test_listing_runs_no_script(project):
    project.write("writes.py", "open('written', 'w').write('x')\n")
    assert project.run("--list", "writes.py").out == "writes.py\n"
    assert project.run("pyprofiler", "list", "writes.py").out == "writes.py\n"
    assert project.run("pyprofiler", "list", "-m", "writes", "-k", "not writes").code == 5
    assert not (project.path / "written").exists()
    assert project.run("-k", "other", "writes.py").code == 5
    assert not (project.path / "written").exists()


def test_scripts_and_cases_in_one_command(project):
    project.write("case.py", CASES)
    project.write("work.py", WORK)
    outcome = project.run_json("case.py", "work.py", "stopwatch", "--rounds=2", "--max-time=1ms")
    found = {r["case"]: r["status"] for r in outcome.json["results"]}
    assert found == {"case.py::C::profile_x": "ok", "work.py": "ok"}, outcome
    assert outcome.code == 0
    assert outcome.json["schema"] == "pyprofiler/run/1"  # the document of cases


def test_a_file_that_is_neither_gets_a_hint(project):
    project.write("names.py", "import sys\nX = 1\n")
    outcome = project.run("names.py")
    assert outcome.code == 5 and "--script" in outcome.err, outcome
    assert project.run("--script", "names.py").code == 0


# --- the command line ----------------------------------------------------------------------


def test_several_scripts_and_profilers_run_in_turn(project):
    for code in (0, 4, 7):
        project.write(f"exits_{code}.py", f"print({code})\nraise SystemExit({code})\n")
    names = [f"exits_{code}.py" for code in (0, 4, 7)]
    outcome = project.run(*names, "call,stopwatch")
    assert outcome.code == 4, outcome
    assert outcome.out == "0\n0\n4\n4\n7\n7\n"
    assert project.run("--exit-zero", *names).code == 0


def test_the_report_is_on_standard_error(project):
    project.write("work.py", WORK)
    outcome = project.run("work.py")
    assert outcome.out == "20\n"
    assert "inner" in outcome.err
    outcome = project.run_json("work.py")
    assert outcome.err.startswith("20\n"), outcome
    outcome = project.run("-o", "report.txt", "-q", "work.py")
    assert (outcome.out, outcome.err) == ("20\n", "")
    assert "inner" in (project.path / "report.txt").read_text()


def test_a_limit_ends_a_script_only_when_asked_for(project):
    project.write("waits.py", WAITS)
    result = stored_after(project, "--timeout=300ms", "waits.py", code=134)
    assert result["status"] == "timeout"
    assert "wait" in result["traceback"]
    project.write("pyproject.toml", "[tool.pyprofiler]\ntimeout = '1ms'\n")
    project.write("work.py", "import time\ntime.sleep(0.02)\n")
    assert stored_after(project, "work.py")["status"] == "ok"


def stored_after(project, *words, code=0):
    outcome = project.run("-f", "-q", "-o", "report.json", "--format=json", *words)
    assert outcome.code == code, outcome
    return stored(project)


def test_rounds_of_a_script_are_one(project):
    project.write("work.py", WORK)
    result = one(project, "work.py", "stopwatch", "--rounds=5")
    assert result["metrics"]["wall_time"]["n"] == 1
    assert any("executed once" in note for note in result["notes"])


def test_what_a_script_leaves_running_goes_on(project):
    text = "import subprocess, sys\nsubprocess.Popen(['sleep', '50'], stdin=-3, stdout=-3,"
    project.write("leaves.py", text + " stderr=-3, start_new_session=True)\nprint('left')\n")
    process = project.start("leaves.py", "passthrough,stopwatch")
    assert process.wait(timeout=60) == 0
    left = processes_with(process.token)
    assert len(left) == 2
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    process.communicate()


def test_a_file_that_is_missing_is_a_mistake(project):
    project.write("script.py", "print(1)")
    outcome = project.run("scrip.py")
    assert outcome.code == 4 and "did you mean 'script.py'" in outcome.err
    outcome = project.run("--script", "scrip.py")
    assert outcome.code == 4 and "did you mean 'script.py'" in outcome.err
    outcome = project.run("--script", "script.py::Class")
    assert outcome.code == 4 and "as a whole" in outcome.err
    project.write("folder/x.py", "")
    outcome = project.run("--script", "folder")
    assert outcome.code == 4 and "__main__.py" in outcome.err
    project.write("case.py", CASES)
    outcome = project.run("case.py", "stopwatch", "--", "x")
    assert outcome.code == 4 and "--script makes it one" in outcome.err
    outcome = project.run("script.py", "call", "--nonsense")
    assert outcome.code == 4
    outcome = project.run("-m")
    assert outcome.code == 4


def test_an_unknown_module_is_told_as_python_does(each):
    found = by_us(each, "-m", "no_such_module")
    assert found == by_python(each, "-m", "no_such_module")
    assert found[0] == 1


def test_other_commands_do_not_run_scripts(project):
    project.write("work.py", "open('ran', 'w')\n")
    project.commit()
    for words in (["compare", "--run", "HEAD", "--", "work.py"], ["sweep", "HEAD", "--", "work.py"]):
        outcome = project.run("pyprofiler", *words)
        assert outcome.code == 4 and "script" in outcome.err, outcome
    assert not (project.path / "ran").exists()
