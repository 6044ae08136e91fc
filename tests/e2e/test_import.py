"""What a session leaves is taken into the store, or refused before anything is stored."""

import json
import struct
import subprocess

import pytest


@pytest.fixture
def recording(tmp_path):
    """A recording in which nothing was recorded: its head alone."""
    path = tmp_path / "call.rec"
    head = struct.pack("<8sIIQQdQ", b"PRFREC1", 1, 1234, 4096, 1, 1.0, 0)
    path.write_bytes(head.ljust(4096, b"\0"))
    return path


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


@pytest.fixture
def manifest(tmp_path, folder, recording):
    """Writes one, with changes; None takes a key out."""
    def manifest(**changes):
        content = {
            "schema": "pyprofiler/session/1", "case": f"{folder}/app.py::load", "file": f"{folder}/app.py",
            "line": 3, "root": str(folder), "started_ns": 1_700_000_000_000_000_000,
            "duration_ns": 5_000_000, "command": "python app.py", "status": "ok",
            "python": {"version": "3.11.2", "implementation": "CPython", "executable": "/usr/bin/python3",
                       "flags": "", "host": "python"},
            "results": [{"profiler": "call", "options": {"top-k": "5"}, "recording": str(recording)}],
            **changes}
        path = tmp_path / "manifest.json"
        path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
        return path
    return manifest


@pytest.fixture
def take_in(bin_dir, tmp_path):
    def take_in(*words, **kwargs):
        return subprocess.run([bin_dir / "pyprofiler", "import", *words], capture_output=True,
                              text=True, cwd=tmp_path, **kwargs)
    return take_in


def shown(bin_dir, store):
    done = subprocess.run([bin_dir / "pyprofiler", "show", "--store", store, "--format", "json"],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_session_becomes_a_run(take_in, manifest, folder, bin_dir, recording):
    done = take_in(manifest(status="failed", reason="ValueError: no"))
    assert done.returncode == 0, done.stderr
    kept = json.loads(done.stdout)
    assert kept["store"] == str(folder / ".pyprofiler" / "results.db")
    document = shown(bin_dir, kept["store"])
    result, = document["results"]
    assert document["run"] == kept["run"]
    assert document["python"]["version"] == "3.11.2" and document["python"]["host"] == "python"
    assert document["commit"]["branch"] == subprocess.run(
        ["git", "-C", folder, "symbolic-ref", "--short", "HEAD"],
        capture_output=True, text=True, check=True).stdout.strip()
    assert result["id"] == kept["results"][0]["id"]
    assert result["case"] == "app.py::load" and result["profiler"] == "call"
    assert (result["status"], result["reason"]) == ("failed", "ValueError: no")
    assert result["duration_ns"] == 5_000_000
    assert recording.exists()


def test_from_standard_input_into_another_store(take_in, manifest, folder, bin_dir, tmp_path):
    done = take_in("--store", "mine.db", "-", input=manifest().read_text())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["store"] == str(tmp_path / "mine.db")
    assert not (folder / ".pyprofiler").exists()
    assert shown(bin_dir, tmp_path / "mine.db")["results"][0]["case"] == "app.py::load"


def test_the_store_of_the_configuration(take_in, manifest, folder):
    (folder / "pyproject.toml").write_text('[tool.pyprofiler]\nstore = "elsewhere.db"\n')
    done = take_in(manifest())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["store"].endswith("elsewhere.db")


@pytest.mark.parametrize("changes, text", [
    ({"schema": "other/1"}, "its 'schema' is not 'pyprofiler/session/1'"),
    ({"schema": None}, "its 'schema' is not"),
    ({"case": None}, "it has no 'case'"),
    ({"status": "fine"}, "its 'status' is not ok, failed"),
    ({"results": []}, "it has no 'results'"),
    ({"results": [{"profiler": "call"}]}, "a result needs 'profiler', 'recording'"),
    ({"results": [{"profiler": "call", "recording": "/nowhere/x.rec"}]}, "/nowhere/x.rec"),
    ({"root": "/nowhere"}, "cannot enter 'root'"),
])
def test_a_wrong_manifest_stores_nothing(take_in, manifest, folder, changes, text):
    done = take_in(manifest(**changes))
    assert done.returncode == 4 and text in done.stderr
    assert done.stdout == ""
    assert not (folder / ".pyprofiler").exists()


@pytest.mark.parametrize("words, text", [
    ([], "give a manifest"),
    (["nowhere.json"], "cannot read 'nowhere.json'"),
    (["--nonsense"], "nonsense"),
])
def test_wrong_words(take_in, words, text):
    done = take_in(*words)
    assert done.returncode == 4 and text in done.stderr


def test_no_json(take_in, tmp_path):
    (tmp_path / "x.json").write_text("{")
    done = take_in("x.json")
    assert done.returncode == 4 and "'x.json' is no manifest" in done.stderr


def test_a_store_that_cannot_be_written(take_in, manifest):
    done = take_in("--store", "/proc/self/none.db", manifest())
    assert done.returncode == 3 and "/proc/self/none.db" in done.stderr


def test_a_damaged_recording_is_a_note(take_in, manifest, bin_dir, recording):
    recording.write_bytes(b"nonsense" * 1000)
    done = take_in(manifest())
    assert done.returncode == 0, done.stderr
    text = subprocess.run([bin_dir / "pyprofiler", "show", "--store", json.loads(done.stdout)["store"]],
                          capture_output=True, text=True, check=True).stdout
    assert "the recording cannot be read" in text
