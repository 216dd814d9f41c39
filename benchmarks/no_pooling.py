"""No pooling: `math ~ ses * C(school)` (838 columns) and a factor of 100,000 levels.

python benchmarks/no_pooling.py [path to heck2011.csv]
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import mlpool
from mlpool.frames import read_frame


def best_of(call: Callable[[], Any], repeats: int) -> float:
    """Return the smallest of some times, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print seconds of each way, their ratio, and the process's peak memory."""
    import statsmodels.api as sm

    default = Path(__file__).parents[2] / "shared" / "data" / "heck2011.csv"
    frame = read_frame(sys.argv[1] if len(sys.argv) > 1 else default)
    rng = np.random.default_rng(5)
    J, n = 100_000, 1_000_000
    g, x = np.repeat(np.arange(J), n // J), rng.normal(size=n)
    wide = {"y": 2 * x + rng.normal(size=J)[g] + rng.normal(size=n), "x": x, "g": g}
    print("| model | columns | mlpool | dense (statsmodels) | ratio |\n|---|---|---|---|---|")
    whole = best_of(lambda: mlpool.lm("y ~ x + factor(g)", wide), 2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    for formula in ("math ~ ses + C(school)", "math ~ ses * C(school)"):
        matrix = mlpool.model_matrix("~" + formula.split("~")[1], frame).to_numpy()
        y = frame.column("math").values
        ours = best_of(lambda f=formula: mlpool.lm(f, frame), 5)
        bare = best_of(lambda X=matrix, y=y: sm.OLS(y, X).fit(method="qr"), 2)
        print(f"| {formula} | {matrix.shape[1]} | {1e3 * ours:.1f} ms | {1e3 * bare:.0f} ms |"
              f" {bare / ours:.0f} |")  # fmt: skip
    print(f"| y ~ x + factor(g), 1M rows | {J + 1} | {whole:.2f} s | (800 GB) | |")
    print(f"\npeak memory with 1M rows {peak:.2f} GB")


if __name__ == "__main__":
    main()
