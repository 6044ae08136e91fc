"""rich: a package from the index, as one installs it in a virtual environment; skipped
where it is not installed. Layers of pure Python: look at it with `cprofile`."""

import io

from pyprofiler import ProfilerCase

try:
    from rich.console import Console
    from rich.table import Table
except ImportError:
    Console = None


class Tables(ProfilerCase):
    def setUp(self):
        if Console is None:
            self.skipTest("rich is not installed in this Python")
        self.console = Console(file=io.StringIO(), width=80)

    def profile_table(self):
        table = Table("id", "name", title="things")
        for i in range(10):
            table.add_row(str(i), f"[bold]thing {i}[/bold]")
        self.trace("filled")
        self.console.print(table)
