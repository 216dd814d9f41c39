"""Ctrl-C reaches every process of a terminal at any moment: all of them end, soon."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no process groups")

BOOTSTRAP = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import concurrent.futures.process, multiprocessing.popen_fork, multiprocessing.synchronize
import numpy as np
from mlpool.inference.replicates import run_replicates

class Task:
    def __call__(self, rng):
        time.sleep({seconds})
        return np.array([rng.uniform()]), False

print("ready", flush=True)
try:
    run_replicates(Task(), 200_000, 1, 4)
except KeyboardInterrupt:
    sys.exit(130)
"""


def _interrupted(after: float, seconds: float = 0.0005) -> float:
    """Interrupt a bootstrap's whole process group; return how long it went on."""
    child = subprocess.Popen(
        [sys.executable, "-c", BOOTSTRAP.format(seconds=seconds)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(after)
        os.killpg(child.pid, signal.SIGINT)
        begun = time.monotonic()
        _, errors = child.communicate(timeout=30)
        took = time.monotonic() - begun
        assert (child.returncode, errors) == (130, "")
        time.sleep(0.02)
        with pytest.raises(ProcessLookupError):  # nobody of the group is left
            os.killpg(child.pid, 0)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
    return took


@pytest.mark.parametrize("after", [0.005, 0.02, 0.04, 0.08])
def test_an_early_interrupt_ends_every_process(after: float) -> None:
    assert _interrupted(after) < 10.0


def test_a_replicate_that_takes_long_is_not_waited_for() -> None:
    assert _interrupted(0.5, seconds=300.0) < 20.0


@pytest.mark.slow
@pytest.mark.long
def test_hundreds_of_interrupts_at_random_moments() -> None:
    moments = random.Random(4)
    assert max(_interrupted(moments.uniform(0.0, 0.15)) for _ in range(300)) < 10.0
