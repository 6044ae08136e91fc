"""sqlite3: rows into a table in memory, and a question about them."""

import sqlite3
from contextlib import closing

from pyprofiler import ProfilerCase


class Queries(ProfilerCase):
    def setUp(self):
        self.db = self.enterContext(closing(sqlite3.connect(":memory:")))
        self.db.execute("CREATE TABLE sale (id INTEGER PRIMARY KEY, shop INT, sum INT)")
        self.rows = [(i % 7, i * 37 % 101) for i in range(2000)]

    def insert(self):
        self.db.executemany("INSERT INTO sale (shop, sum) VALUES (?, ?)", self.rows)

    def profile_insert(self):
        self.insert()

    def profile_group(self):
        self.insert()
        self.trace("inserted")
        query = "SELECT shop, SUM(sum) FROM sale GROUP BY shop ORDER BY 2 DESC"
        assert len(self.db.execute(query).fetchall()) == 7
        self.trace("grouped")
