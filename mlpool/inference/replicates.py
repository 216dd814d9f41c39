"""Many replicates of one task: seeded, in parallel processes, with failures counted.

Replicate i draws from the i-th child of the seed's ``SeedSequence``, so the result does not depend
on the number of processes or on which of them does what.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpool.argument_values import seed_sequence
from mlpool.engine.threads import blas_threads
from mlpool.errors import FitError, MlpoolError, OptionError, brief
from mlpool.inference.interrupts import NotedInterrupt, deaf_children
from mlpool.progress import Progress
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.typing import SeedLike

Task = Callable[[np.random.Generator], tuple[FloatArray, bool]]
"""Makes one replicate: its numbers, and whether its fit is singular. Must pickle."""

SHORT = 1.0
"""Seconds of work left below which starting processes does not pay."""
TRIED = 8
"""Replicates made first, to learn how long one takes."""
CHUNKS = 16
"""Pieces of work per process: few enough to be cheap, enough for an even end."""
TICK = 0.1
"""Seconds between two looks for Ctrl-C."""
GRACE = 2.0
"""Seconds that a process has to end the replicate it is at when it is told to stop."""

_MOST_JOBS = 10_000
"""More processes than a machine has cores, or a slip of the keyboard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicates:
    """What came of the replicates.

    Attributes
    ----------
    values : ndarray of shape (n_used, k)
        Of the replicates that could be fitted, in order.
    n : int
        Replicates asked for.
    n_singular : int
        Replicates whose fit has a variance of zero or a correlation of one; they count.
    failures : tuple of (str, int)
        Why replicates failed, and how many did so, most frequent first.
    """

    values: FloatArray
    n: int
    n_singular: int
    failures: tuple[tuple[str, int], ...]

    @property
    def n_used(self) -> int:
        """Replicates that could be fitted."""
        return len(self.values)

    @property
    def n_failed(self) -> int:
        """Replicates that could not."""
        return self.n - len(self.values)


_Outcome = tuple[FloatArray, bool] | str
"""One replicate: its numbers and whether it is singular, or why it failed."""


def run_replicates(
    task: Task,
    n: int,
    seed: SeedLike | None,
    n_jobs: int | None = None,
    *,
    start_method: str | None = None,
) -> Replicates:
    """Run a task n times.

    Parameters
    ----------
    task : callable
    n : int
    seed : int, SeedSequence, Generator or None
        A Generator is asked for children of its seed, so that a second call gives other ones.
    n_jobs : int, optional
        Processes. None: one per core, if the work is long enough and processes can be forked.
    start_method : {"fork", "spawn", "forkserver"}, optional

    Raises
    ------
    FitError
        If every replicate fails, or a process dies.
    OptionError
        If `seed` is none of what NumPy takes.
    KeyboardInterrupt
        Ctrl-C, once every process has stopped.
    """
    root = seed_sequence(seed)
    outcomes: list[_Outcome] = []
    with Progress("bootstrap", " replicates", total=n) as advance:
        begun = time.perf_counter()
        first = min(n, TRIED if n_jobs is None else 0)
        for outcome in _serially(task, root, 0, first):
            outcomes.append(outcome)
            advance(1)
        left = (time.perf_counter() - begun) / max(first, 1) * (n - first)
        jobs = _choose_jobs(n_jobs, left) if n > first else 1
        if jobs == 1:
            for outcome in _serially(task, root, first, n):
                outcomes.append(outcome)
                advance(1)
        else:
            outcomes += _in_processes(task, root, (first, n), (jobs, start_method), advance)
    return _gathered(outcomes, n)


def child(root: np.random.SeedSequence, i: int) -> np.random.Generator:
    """Return the generator of replicate i: that of ``root.spawn(i + 1)[i]`` of a fresh root."""
    key = (*root.spawn_key, i)
    own = np.random.SeedSequence(root.entropy, spawn_key=key, pool_size=root.pool_size)
    return np.random.default_rng(own)


def read_jobs(n_jobs: Any, argument: str = "n_jobs") -> int | None:
    """Return a number of processes; -1 stands for all cores.

    Raises
    ------
    OptionError
    """
    if n_jobs is None:
        return None
    is_whole = isinstance(n_jobs, (int, np.integer)) and not isinstance(n_jobs, bool)
    if not is_whole or n_jobs < -1 or n_jobs == 0 or n_jobs > _MOST_JOBS:
        raise OptionError(
            f"{argument} must be a number of processes such as 2, or -1 for one per core; "
            f"got {brief(n_jobs)}."
        )
    return available_cores() if n_jobs == -1 else int(n_jobs)


def available_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _choose_jobs(n_jobs: int | None, seconds: float) -> int:
    """Return the number of processes; a daemon may have none of its own."""
    if multiprocessing.current_process().daemon:
        return 1
    if n_jobs is not None:
        return n_jobs
    # A spawned process runs the user's script again, which needs care there: only on request.
    return available_cores() if sys.platform == "linux" and seconds > SHORT else 1


# --- one process --------------------------------------------------------------------------------


def _serially(
    task: Task, root: np.random.SeedSequence, start: int, stop: int
) -> Iterator[_Outcome]:
    with blas_threads(1):
        for i in range(start, stop):
            yield _one(task, root, i)


def _one(task: Task, root: np.random.SeedSequence, i: int) -> _Outcome:
    """Make one replicate; what mlpool and LAPACK refuse is a failure, a bug is an error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values, is_singular = task(child(root, i))
    except np.linalg.LinAlgError:
        return "The equations of the fit were singular."
    except MlpoolError as error:
        return str(error)
    # A correlation is NaN beside a SD of zero: a result, not a failure.
    if np.any(np.isinf(values)) or np.all(np.isnan(values)):
        return "An estimate was not finite."
    return values, is_singular


# --- several processes --------------------------------------------------------------------------


_WORK: list[Any] = []
"""Task, root and stop signal of a worker process; empty in all others."""


def _begin(task: Task, root: np.random.SeedSequence, stop: object) -> None:
    """Set up a worker. Ctrl-C reaches every process of a terminal: only the parent answers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _WORK[:] = [task, root, stop]


def _piece(start: int, end: int) -> tuple[int, list[_Outcome]]:
    task, root, stop = _WORK
    out: list[_Outcome] = []
    outcomes = _serially(task, root, start, end)
    while len(out) < end - start and not stop.is_set():
        out.append(next(outcomes))
    return start, out


def _in_processes(
    task: Task,
    root: np.random.SeedSequence,
    span: tuple[int, int],
    how: tuple[int, str | None],
    advance: Callable[[int], object],
) -> list[_Outcome]:
    """Return the outcomes of replicates span[0] .. span[1] - 1, in order."""
    first, n = span
    jobs, method = how
    context = multiprocessing.get_context(method or ("fork" if sys.platform == "linux" else None))
    if context.get_start_method() != "fork":
        _check_pickles(task)
    size = max(1, (n - first) // (jobs * CHUNKS))
    bounds = [(start, min(start + size, n)) for start in range(first, n, size)]
    # Before the signal is blocked: this may start the tracker of semaphores, which unblocks it.
    stop = context.Event()
    found: dict[int, list[_Outcome]] = {}
    with (
        NotedInterrupt() as interrupt,
        _Workers(jobs, context, stop, (task, root, stop)) as workers,
    ):
        for start, outcomes in workers.finished(bounds, interrupt):
            found[start] = outcomes
            advance(len(outcomes))
    return [outcome for start in sorted(found) for outcome in found[start]]


class _Workers:
    """Processes at work, of which none is left when the context ends."""

    def __init__(self, jobs: int, context: Any, stop: Any, begin: tuple[Any, ...]) -> None:
        self._stop, self._before = stop, set(multiprocessing.active_children())
        self._pool = ProcessPoolExecutor(
            jobs, mp_context=context, initializer=_begin, initargs=begin
        )
        self._pieces: set[Future[tuple[int, list[_Outcome]]]] = set()

    def __enter__(self) -> _Workers:
        return self

    def finished(
        self, bounds: list[tuple[int, int]], interrupt: NotedInterrupt
    ) -> Iterator[tuple[int, list[_Outcome]]]:
        """Give pieces of work out and yield them as they are done, until an interrupt is noted.

        Raises
        ------
        FitError
            If a process dies.
        """
        try:
            with deaf_children():
                self._pieces = {self._pool.submit(_piece, *ends) for ends in bounds}
            left = self._pieces
            while left and not interrupt.is_noted:
                done, left = wait(left, timeout=TICK, return_when=FIRST_COMPLETED)
                for piece in done:
                    yield piece.result()
        except BrokenProcessPool:
            raise FitError(
                "A process of the bootstrap died, as it does when memory runs out; use fewer "
                "processes, n_jobs=1."
            ) from None

    def __exit__(self, *_: object) -> None:
        # Pieces that wait are not cancelled: told to stop, they return at once, and a pool whose
        # processes are terminated fails on a future that somebody cancelled (CPython 3.11).
        if any(not piece.done() for piece in self._pieces):
            self._stop.set()
            if wait(self._pieces, timeout=GRACE).not_done:
                for process in set(multiprocessing.active_children()) - self._before:
                    process.terminate()
        self._pool.shutdown(wait=True)


def _check_pickles(task: Task) -> None:
    """Refuse a task that cannot be sent to a process that is not a copy of this one.

    Raises
    ------
    OptionError
    """
    try:
        pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError):
        raise OptionError(
            "statistic= must be a function at the top level of a module to be sent to other "
            "processes; use n_jobs=1 for a lambda."
        ) from None


# --- together -----------------------------------------------------------------------------------


def _gathered(outcomes: list[_Outcome], n: int) -> Replicates:
    """Put the outcomes together.

    Raises
    ------
    FitError
        If there is no usable one.
    """
    used = [o for o in outcomes if not isinstance(o, str)]
    failures = Counter(o for o in outcomes if isinstance(o, str)).most_common()
    if not used:
        raise FitError(f"None of the {n} replicates could be fitted. {failures[0][0]}")
    return Replicates(
        values=np.array([values for values, _ in used], dtype=np.float64),
        n=n,
        n_singular=sum(is_singular for _, is_singular in used),
        failures=tuple(failures),
    )
