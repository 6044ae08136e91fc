"""Programs run as Python runs them: what they see of themselves, what they print, how they
end, and what is kept of each.

Most tests run a program twice, by Python itself and by us, and compare.
"""

import os
import pty
import re
import signal
import subprocess

import pytest

from conftest import PYTHONS, make_project, wait_for

PROFILERS = ["call", "stopwatch", "passthrough"]
HOSTS = ["embed", "python"]
EVERY = {"wall_time", "cpu_time", "average_cpu", "peak_memory"}

# Report and progress go elsewhere, so that what is left is the program's.
QUIET = ["-q", "--no-store", "--format=json", "-f", "-o", "report.json"]




def by_python(project, *words, stdin=b"", env=None):
    done = subprocess.run(
        [project.python, *words],
        cwd=project.path, env={**project.env, **(env or {})}, input=stdin,
        capture_output=True,
    )
    code = done.returncode
    return 128 - code if code < 0 else code, done.stdout, done.stderr


def by_us(project, *words, stdin=b"", env=None, host="embed", profiler="call"):
    n = 2 if words[0] in ("-m", "-c") else 1
    script = [] if n == 2 else ["--script"]
    command = project.command(*QUIET, *script, f"--host={host}", *words[:n], profiler)
    done = subprocess.run(
        [*command, "--", *words[n:]],
        cwd=project.path, env={**project.env, **(env or {})}, input=stdin,
        capture_output=True,
    )
    return done.returncode, done.stdout, done.stderr


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
    "thread": "import threading, time\n"
    "def f():\n    time.sleep(0.02)\n    print('thread')\n"
    "threading.Thread(target=f).start()\nprint('main')",
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
    each.write(f"{name}.py", ENDS[name])
    expected = by_python(each, f"{name}.py", stdin=b"a line\n")
    for host in HOSTS:
        each.write(f"{name}.py", ENDS[name])
        found = by_us(each, f"{name}.py", stdin=b"a line\n", host=host)
        assert found == expected, host
