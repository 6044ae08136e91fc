"""``python -m pyprofiler COMMAND ...``: the program pyprofiler; what it runs, it runs
with this interpreter, unless --python or $PYPROFILER_PYTHON say another.
"""

import os
import sys

from pyprofiler import cli

if __name__ == "__main__":
    os.environ.setdefault("PYPROFILER_PYTHON", sys.executable)
    sys.exit(cli.hand_over("pyprofiler"))
