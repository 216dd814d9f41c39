"""The command line: arguments in, public verbs called, text out; nothing is computed here.

May import everything. Start reading in ``arguments.py``, then ``run.py``.
"""

from mlpool.cli.run import main

__all__ = ["main"]
