"""How cost grows: sums with n, an evaluation of the criterion with the number of clusters J.

    python benchmarks/scaling.py

The sums are the only pass over the rows. An evaluation never sees n, and for a random intercept not
even J: clusters of one size share their algebra.
"""

from __future__ import annotations

import time

import numpy as np
from tasks import simulated

from mlpool.designs.engine_data import as_lmm_data
from mlpool.engine.lmm.fit import prepare
from mlpool.engine.lmm.one_factor import OneFactor
from mlpool.engine.types import Control
from mlpool.formula.design import build_design


def evaluation_seconds(objective: OneFactor, theta: np.ndarray, repeats: int = 7) -> float:
    """Return the best timing of an evaluation, each at another theta."""
    best = float("inf")
    for i in range(repeats):
        start = time.perf_counter()
        objective.evaluate(theta * (1 + 0.01 * i))
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    """Print a Markdown table."""
    print("| rows | clusters | sums, s | one evaluation (1 \\| j), ms | (x \\| j), ms |")
    print("|---|---|---|---|---|")
    for n, clusters in (
        (100_000, 100), (1_000_000, 100), (1_000_000, 1_000), (1_000_000, 10_000),
        (1_000_000, 100_000), (4_000_000, 100_000), (4_000_000, 1_000_000),
    ):  # fmt: skip
        d = simulated(n, clusters)
        row = []
        for formula in ("y ~ x + g + (1 | j)", "y ~ x + g + (x | j)"):
            data = as_lmm_data(build_design(formula, d))
            start = time.perf_counter()
            objective = prepare(data, reml=True, control=Control())
            made = time.perf_counter() - start
            theta = np.array([0.5] if "1 | j" in formula else [0.5, 0.0, 0.25])
            row.append((made, 1e3 * evaluation_seconds(objective, theta)))
        print(f"| {n:,} | {clusters:,} | {row[1][0]:.3f} | {row[0][1]:.3f} | {row[1][1]:.2f} |")


if __name__ == "__main__":
    main()
