"""`math ~ ses * C(school)` on heck2011 (838 columns): mlpool's whole call against the bare OLS.

python benchmarks/no_pooling.py [path to heck2011.csv]
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import statsmodels.api as sm

import mlpool
from mlpool.frames import read_frame


def main() -> None:
    """Print seconds of both, their ratio, and the process's peak memory."""
    default = Path(__file__).parents[2] / "shared" / "data" / "heck2011.csv"
    frame = read_frame(sys.argv[1] if len(sys.argv) > 1 else default)
    X = mlpool.model_matrix("~ ses * C(school)", frame).to_numpy()
    y = frame.column("math").values
    start = time.perf_counter()
    sm.OLS(y, X).fit()
    bare = time.perf_counter() - start
    start = time.perf_counter()
    mlpool.lm("math ~ ses * C(school)", frame)
    whole = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"bare statsmodels OLS {bare:.2f} s, mlpool from the formula {whole:.2f} s,")
    print(f"ratio {whole / bare:.2f}, peak memory of the process {peak:.2f} GB")


if __name__ == "__main__":
    main()
