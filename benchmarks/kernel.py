"""What a compiled kernel would buy: the per-cluster sums of 1M rows in C against mlpool's NumPy.

Compiles twenty lines of C with ``cc`` while it runs; mlpool itself ships no compiled code.

    python benchmarks/kernel.py
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Rows
from mlpool.engine.types import ArrayRows

SOURCE = """
/* G[j] += w w' (upper triangle) for rows w = (1, x, g, y) of cluster j. */
void sums(const double *x, const double *g, const double *y, const int *code, long n, double *G) {
    for (long i = 0; i < n; i++) {
        double *s = G + 10 * (long) code[i], a = x[i], b = g[i], c = y[i];
        s[0] += 1; s[1] += a; s[2] += b; s[3] += c;
        s[4] += a * a; s[5] += a * b; s[6] += a * c;
        s[7] += b * b; s[8] += b * c; s[9] += c * c;
    }
}
"""


def compiled(folder: Path) -> Any:
    """Return the C function."""
    source, library = folder / "sums.c", folder / "sums.so"
    source.write_text(SOURCE)
    subprocess.run(["cc", "-O3", "-shared", "-fPIC", "-o", library, source], check=True)
    function = ctypes.CDLL(str(library)).sums
    function.restype = None
    return function


def best_of(call: Callable[[], Any], repeats: int = 5) -> float:
    """Return the smallest of some times, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print milliseconds of both for sorted and shuffled clusters, and check that they agree."""
    rng = np.random.default_rng(0)
    n = 1_000_000
    x, y = rng.normal(size=(2, n))
    g = rng.integers(0, 2, n).astype(float)
    X = ArrayRows(np.column_stack([np.ones(n), x, g]))
    Z = ArrayRows(np.column_stack([np.ones(n), x]))
    print("| clusters | order | C, ms | mlpool, ms |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        kernel = compiled(Path(folder))
        for clusters in (10_000, 100_000):
            for order in ("sorted", "shuffled"):
                codes = rng.integers(0, clusters, n).astype(np.int32)
                codes = np.sort(codes) if order == "sorted" else codes
                G = np.zeros((clusters, 10))
                pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (x, g, y, codes)]
                target = G.ctypes.data_as(ctypes.c_void_p)
                rows = Rows(y=y, X=X, Z=(Z,), codes=codes, n_levels=clusters)
                theirs = best_of(lambda p=pointers, t=target: kernel(*p, ctypes.c_long(n), t))
                ours = best_of(lambda r=rows: CrossProducts.from_rows(r))
                assert np.isclose(G[:, 0].sum(), 5 * n)
                print(f"| {clusters} | {order} | {1e3 * theirs:.1f} | {1e3 * ours:.1f} |")


if __name__ == "__main__":
    main()
