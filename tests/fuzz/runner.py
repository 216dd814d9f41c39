"""One try of a fuzzer: a result, or one sentence in the user's terms, soon and in little memory.

Every part of this folder offers ``attempt(seed) -> None``, which raises on a failure; `attack`
runs many seeds and collects the failures, each with the line that runs it again::

    python -m tests.fuzz arguments 17            # one seed, with its traceback
    python -m tests.fuzz arguments 0 5000        # seeds 0 to 4999, failures listed
"""

from __future__ import annotations

import re
import signal
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import mlpool

SECONDS = 5.0
"""What 100 rows may take, in processor time, so that a busy machine decides nothing."""

INTERNALS = re.compile(
    r"Kind\.|object at 0x|<mlpool|<class |<function |mlpool/|site-packages|numpy\.float64\("
    r"|np\.float64\(|np\.int64\(|dtype\(|On entry to|NoneType|ndarray'|LinAlg|Traceback"
    r"|\b(LmmData|Design|Optimum|LmmFit|OlsFit|GlmmFit|VcovSpec|ModelFrame|TableSpec|narwhals)\b"
)
"""Words of the inside of the package, or of libraries below it, that no user should meet."""

LONGEST = 1500
"""Characters of a message; whole frames and models do not belong into a sentence."""

OUR_TYPE_ERRORS = re.compile(
    r"^[\w.]+\(\) (got an unexpected keyword argument|missing \d+ required|got multiple values"
    r"|takes (from )?\d+ |got some positional-only)"
)
"""Python's own sentences about calls, which name the function that the user called."""


class Failure(AssertionError):
    """What no user should meet."""


class Hang(BaseException):
    """A try took too long (no ordinary ``except`` may swallow it)."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer than `seconds` of processor time."""

    def stop(_signum: int, _frame: FrameType | None) -> None:
        raise Hang(f"more than {seconds} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def faults_of(message: str) -> str | None:
    """Return what is wrong with a sentence for the user, or None."""
    first = message.split("\n")[0]
    if not first.strip():
        return "empty message"
    if len(message) > LONGEST:
        return f"message of {len(message)} characters"
    found = INTERNALS.search(message)
    return f"names {found.group()!r}" if found else None


def run(call: Callable[[], Any], what: str, *, verb: str = "", seconds: float = SECONDS) -> Any:
    """Call, and return the result or the package's error; raise `Failure` for anything else."""
    try:
        with warnings.catch_warnings(), limited(seconds):
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", mlpool.MlpoolWarning)
            return call()
    except mlpool.MlpoolError as error:
        fault = faults_of(str(error))
        if fault:
            raise Failure(f"{what}: {fault}: {str(error)[:300]}") from error
        return error
    except TypeError as error:
        named = OUR_TYPE_ERRORS.match(str(error))
        if named and (not verb or str(error).split("(")[0].split(".")[-1] == verb):
            return error
        raise Failure(f"{what}: TypeError: {str(error)[:300]}") from error
    except (Hang, Exception) as error:
        raise Failure(f"{what}: {type(error).__name__}: {str(error)[:300]}") from error


def attack(
    name: str, attempt: Callable[[int], None], seeds: range, *, budget: float = 1e9
) -> list[str]:
    """Return the failures of many seeds, with the line that repeats each."""
    found, start = [], time.process_time()
    for seed in seeds:
        try:
            attempt(seed)
        except Failure as failure:
            found.append(f"{failure}   [python -m tests.fuzz {name} {seed}]")
        if time.process_time() - start > budget:
            break
    return found


def where(error: BaseException) -> str:
    """Return the innermost line of the package in a traceback, to count failures of one cause."""
    cause = error.__cause__ or error
    places = [f for f in traceback.extract_tb(cause.__traceback__) if "/mlpool/" in f.filename]
    return f"{places[-1].filename.split('/mlpool/')[-1]}:{places[-1].lineno}" if places else "?"


def listed(name: str, attempt: Callable[[int], None], seeds: range) -> None:
    """Print the failures of many seeds, the first of each place and how many there were."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for seed in seeds:
        try:
            attempt(seed)
        except Failure as failure:
            place = where(failure)
            counts[place] += 1
            first.setdefault(place, f"[{seed}] {failure}")
    print(f"{name}: {sum(counts.values())} failures of {len(seeds)}")
    for place, count in counts.most_common():
        print(f"{count:5d} {place}: {first[place]}")
