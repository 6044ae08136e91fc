"""Results with exact values in the store of a project: the tables are the ones that the
runner made, the rows as it writes them."""

import itertools
import sqlite3
import struct

from conftest import FIXTURES

PLAIN = "model/calls.py"

_number = itertools.count(1)


class Stored:
    """The store of a project, begun by one real run outside of all commits that count."""

    def __init__(self, project):
        self.project = project
        self.path = project.path / ".pyprofiler" / "results.db"
        outside = project.path.parent / "elsewhere"
        outside.mkdir(exist_ok=True)
        (outside / "calls.py").write_text((FIXTURES / PLAIN).read_text())
        done = project.run("--store", self.path, "calls.py", "passthrough", cwd=outside)
        assert done.code == 0, done
        with self.open() as db:
            for table in "run", "series", "commit_", "environment", "machine":
                db.execute(f"DELETE FROM {table}")

    def open(self):
        db = sqlite3.connect(self.path)
        db.execute("PRAGMA foreign_keys = ON")
        return db

    def text(self, db, value):
        if value is None:
            return None
        db.execute("INSERT OR IGNORE INTO text (value) VALUES (?)", (value,))
        return db.execute("SELECT key FROM text WHERE value = ?", (value,)).fetchone()[0]

    def row(self, db, table, **values):
        where = " AND ".join(f"{name} IS ?" for name in values)
        found = db.execute(f"SELECT key FROM {table} WHERE {where}",
                           tuple(values.values())).fetchone()
        if found:
            return found[0]
        marks = ", ".join("?" * len(values))
        return db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})",
                          tuple(values.values())).lastrowid

    def run(self, results, commit=None, tree=None, dirty=False, machine=None, python=None,
            root=None):
        """One run; `results`: {case: {metric: values} or a status}. A key may be (case,
        profiler, options, hash) as far as wanted. Returns its id."""
        n = next(_number)
        run_id = f"20260101T000000-{n:06d}-{n:08x}"
        with self.open() as db:
            key = self.row(db, "commit_", id=commit, branch="main", dirty=int(dirty),
                           tree=tree, author_time=n, root=root)
            environment = self.row(db, "environment", **{
                "version": "3.12.1", "executable": "/usr/bin/python3",
                "implementation": "CPython", "host": "embed", **(python or {})})
            where = self.row(db, "machine", **{
                "fingerprint": "f00d", "hostname": "box", "cpu": "CPU", "arch": "x86_64",
                "n_cpus": 2, "ram_bytes": 1 << 33, **(machine or {})})
            run = db.execute(
                "INSERT INTO run (id, started_ns, duration_ns, commit_, environment, machine,"
                " n_results) VALUES (?, ?, 1, ?, ?, ?, ?)",
                (run_id, n, key, environment, where, len(results))).lastrowid
            for i, (what, values) in enumerate(results.items()):
                self._result(db, run, i + 1, f"{n:08x}{i:08x}", what, values)
        return run_id

    def _result(self, db, run, n, result_id, what, values):
        what = what if isinstance(what, tuple) else (what,)
        case, profiler, options, digest = (*what, *("stopwatch", "{}", "hash")[len(what) - 1:])
        series = self.row(db, "series", case_id=case, profiler=profiler)
        key = (run, series, n)
        status = values if isinstance(values, str) else "ok"
        db.execute(
            "INSERT INTO result (run, series, n, id, status, started_ns, duration_ns, cpu_ns,"
            " max_rss_bytes, case_line, case_file, case_hash, options)"
            " VALUES (?, ?, ?, ?, ?, 0, 0, 0, 0, 7, ?, ?, ?)",
            (*key, result_id, status, self.text(db, "/srv/" + case.partition("::")[0]),
             self.text(db, digest), self.text(db, options)))
        if status != "ok":
            db.execute("INSERT INTO detail (run, series, n, kind, owner, value)"
                       " VALUES (?, ?, ?, 'reason', 1, 'it went wrong')", key)
            return
        for position, (metric, samples) in enumerate(values.items()):
            unit = "bytes" if "memory" in metric else (
                "count" if "instructions" in metric else "ns")
            db.execute("INSERT INTO metric VALUES (?, ?, ?, ?, ?, ?, 1, 0)",
                       (*key, position, self.text(db, metric), self.text(db, unit)))
            db.execute("INSERT INTO sample VALUES (?, ?, ?, ?, ?)",
                       (*key, position, struct.pack(f"<{len(samples)}d", *samples)))


def values(level, n=20):
    """Rounds of a process that differ by some per mille."""
    return [level * (1 + (i * 7 % n - n / 2) * 1e-4) for i in range(n)]
