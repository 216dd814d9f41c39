"""Repeat a try, or run many: ``python -m tests.fuzz PART SEED [STOP]``."""

from __future__ import annotations

import importlib
import sys

from tests.fuzz.runner import listed

part, first, *stop = sys.argv[1:]
attempt = importlib.import_module(f"tests.fuzz.{part}").attempt
if stop:
    listed(part, attempt, range(int(first), int(stop[0])))
else:
    attempt(int(first))
    print("no failure")
