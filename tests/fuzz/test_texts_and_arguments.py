"""Seeded tries of every part that needs no mathematics: no failure is the bar.

A failure prints the line that repeats it: ``python -m tests.fuzz arguments 17``.
"""

from __future__ import annotations

import importlib

import pytest

from tests.fuzz.runner import attack

QUICK = {"arguments": 120, "frames": 40, "texts": 40, "files": 60, "files_commands": 40}
"""Tries of each part in the suite; all together take less than 20 s of processor time."""
SLOW = 5000


@pytest.mark.parametrize("part", QUICK)
def test_no_try_fails(part: str) -> None:
    attempt = importlib.import_module(f"tests.fuzz.{part}").attempt
    assert attack(part, attempt, range(QUICK[part])) == []


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("piece", range(4))
@pytest.mark.parametrize("part", QUICK)
def test_no_try_of_thousands_fails(part: str, piece: int) -> None:
    attempt = importlib.import_module(f"tests.fuzz.{part}").attempt
    seeds = range(10_000 + piece * SLOW // 4, 10_000 + (piece + 1) * SLOW // 4)
    assert attack(part, attempt, seeds, budget=500) == []
