"""Peers from PyPI, each in a virtual environment of its Python beside the build."""

import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def python_with(python, tag, module, packages):
    """`python` itself when it has `module`, else one of a virtual environment of it."""
    code = f"import {module}"
    if subprocess.run([python, "-c", code], capture_output=True).returncode == 0:
        return python
    venv = os.path.join(ROOT, "build", "bench", f"peers-{tag}")
    inner = os.path.join(venv, "bin", "python")
    if not os.path.exists(inner):
        subprocess.run([python, "-m", "venv", venv], check=True)
    if subprocess.run([inner, "-c", code], capture_output=True).returncode:
        subprocess.run([inner, "-m", "pip", "-q", "install", *packages], check=True)
    return inner
