"""Two large crossed factors: time, memory and estimates of mlpool's solvers and gpboost's.

    python benchmarks/crossed.py --peers PYTHON [--rows 1_000_000] [--levels 50_000 10_000]
    python benchmarks/crossed.py --scaling
    python benchmarks/crossed.py --seeds 20 --rows 200_000 --levels 20_000 2_000
    python benchmarks/crossed.py --shape movielens --rows 2_500_000 --levels 51_000 19_000

Each program fits ``y ~ x + (1 | u) + (1 | i)`` in a process of its own on the same data in one run,
one thread each; times are of the processor, so other work on the machine hardly counts. gpboost (in
the interpreter that ``--peers`` names) gets matrices ready made, outside the clock, and fits by ML;
mlpool's time is the whole call from formula and data frame, with standard errors. With
``--scaling`` mlpool's iterative solver alone fits more and more rows of the same levels per row.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PROGRAMS = ("mlpool iterative", "mlpool cholesky", "gpboost iterative", "gpboost cholesky")
REGIONS = 40
FORMULA = "y ~ x + (1 | u) + (1 | i)"


def made(rows: int, users: int, items: int, shape: str, seed: int = 0) -> pd.DataFrame:
    """Return ratings of items by users, ``even``: at random.

    ``regions``: in forty regions, each of users and items that meet no others. ``movielens``:
    activity falls off as a power of rank, so that the busiest user and the best-known item hold
    about a thousandth and a three hundredth of all rows, as in MovieLens-25M.
    """
    rng = np.random.default_rng(seed)
    if shape == "movielens":
        u = rng.choice(users, rows, p=_shares(users, 0.6))
        i = rng.choice(items, rows, p=_shares(items, 0.9))
    elif shape == "regions":
        region = rng.integers(0, REGIONS, rows)
        u = region * (users // REGIONS) + rng.integers(0, users // REGIONS, rows)
        i = region * (items // REGIONS) + rng.integers(0, items // REGIONS, rows)
    else:
        u, i = rng.integers(0, users, rows), rng.integers(0, items, rows)
    x = rng.normal(size=rows)
    y = 1.0 + 0.5 * x + rng.normal(size=users)[u] + 0.7 * rng.normal(size=items)[i]
    return pd.DataFrame({"y": y + 1.5 * rng.normal(size=rows), "x": x, "u": u, "i": i})


def _shares(levels: int, power: float) -> np.ndarray:
    weight = (np.arange(levels) + 10.0) ** -power
    return np.asarray(weight / weight.sum())


def fit_mlpool(d: pd.DataFrame, solver: str) -> dict[str, Any]:
    """Fit by mlpool; REML and ML differ in the sixth digit at these sizes: ML, as gpboost."""
    import mlpool

    few = d.head(200).assign(u=lambda d: d["u"] % 20, i=lambda d: d["i"] % 10)
    mlpool.lmer(FORMULA, few, reml=False, control={"solver": "iterative"})  # imports
    start = time.process_time()
    m = mlpool.lmer(FORMULA, d, reml=False, control={"solver": solver, "max_dense_bytes": 2**34})
    record = m.fit.monte_carlo
    # theta is in lme4's order: the factor with more levels first
    theta = dict(zip([r.group for r in m.design.random], m.theta, strict=True))
    return {
        "seconds": time.process_time() - start, "theta": [theta["u"], theta["i"]],
        "share": None if record is None else record.theta_share,
        "deviance": m.criterion, "evaluations": m.optimum.evaluations,
        "error": None if record is None else record.deviance_error,
    }  # fmt: skip


def fit_gpboost(d: pd.DataFrame, solver: str) -> dict[str, Any]:
    """Fit by gpboost with its defaults for `solver`."""
    import gpboost as gpb

    groups = d[["u", "i"]].to_numpy()
    X = np.column_stack([np.ones(len(d)), d["x"]])
    y = d["y"].to_numpy()
    start = time.process_time()
    model = gpb.GPModel(
        group_data=groups,
        likelihood="gaussian",
        matrix_inversion_method=solver,
        num_parallel_threads=1,
    )
    model.fit(y=y, X=X)
    seconds = time.process_time() - start
    variances = np.asarray(model.get_cov_pars()).ravel()
    theta = np.sqrt(variances[1:3] / variances[0])
    return {"seconds": seconds, "theta": theta.tolist(), "share": None, "error": None,
            "deviance": 2.0 * float(model.get_current_neg_log_likelihood())}  # fmt: skip


def work(program: str, path: str) -> None:
    """Fit in this process and print one line of JSON."""
    warnings.simplefilter("ignore")
    d = pd.read_parquet(path)
    name, solver = program.split()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = (fit_mlpool if name == "mlpool" else fit_gpboost)(d, solver)
    after = resource.getrusage(resource.RUSAGE_SELF)
    found |= {"mb": (after.ru_maxrss - before) / 1024}
    print(json.dumps(found))


def measured(program: str, path: Path, peers: str | None, timeout: float) -> dict[str, Any] | None:
    """Return one program's figures; None where it is absent, failed, or took too long."""
    python = sys.executable if program.startswith("mlpool") else peers
    if python is None:
        return None
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [python, __file__, "--work", program, "--data", str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        print(f"  {program}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def compare(arguments: argparse.Namespace) -> None:
    """Print a Markdown table of all programs on one set."""
    users, items = arguments.levels
    d = made(arguments.rows, users, items, arguments.shape)
    print("| program | processor seconds | MB | theta | error of theta / SE | of -2 logLik |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.parquet"
        d.to_parquet(path)
        del d
        for program in arguments.programs:
            found = measured(program, path, arguments.peers, arguments.timeout)
            if found is None:
                print(f"| {program} | - | | | | |", flush=True)
                continue
            theta = ", ".join(f"{t:.6f}" for t in found["theta"])
            share = "-" if found["share"] is None else f"{found['share']:.1e}"
            error = "-" if found["error"] is None else f"{found['error']:.2g}"
            cells = (f"{found['seconds']:.1f}", f"{found['mb']:.0f}", theta, share, error)
            print(f"| {program} | {' | '.join(cells)} |", flush=True)


def scaling(arguments: argparse.Namespace) -> None:
    """Print how the iterative solver's cost grows with the rows."""
    print("| rows | users | items | processor seconds | MB | evaluations |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.parquet"
        for rows in (125_000, 250_000, 500_000, 1_000_000, 2_000_000):
            users, items = rows // 20, rows // 100
            made(rows, users, items, arguments.shape).to_parquet(path)
            found = measured("mlpool iterative", path, None, arguments.timeout)
            if found is not None:
                cells = (f"{found['seconds']:.2f}", f"{found['mb']:.0f}", f"{found['evaluations']}")
                print(f"| {rows:,} | {users:,} | {items:,} | {' | '.join(cells)} |", flush=True)


def seeds(arguments: argparse.Namespace) -> None:
    """Print how far fits of many seeds lie from the exact one, in units of their stated errors."""
    import mlpool

    warnings.simplefilter("ignore")
    users, items = arguments.levels
    d = made(arguments.rows, users, items, arguments.shape)
    exact = mlpool.lmer(FORMULA, d, reml=False, control={"solver": "cholesky"})
    found = []
    for seed in range(arguments.seeds):
        m = mlpool.lmer(FORMULA, d, reml=False, control={"solver": "iterative", "seed": seed})
        record = m.fit.monte_carlo
        assert record is not None
        theta = (m.theta - exact.theta) / record.theta_error
        found.append([*theta, (m.criterion - exact.criterion) / record.deviance_error])
    z = np.abs(found)
    print("| of | largest | root mean square | within one error | within two |")
    print("|---|---|---|---|---|")
    for name, one in zip(("theta of u", "theta of i", "-2 logLik"), z.T, strict=True):
        shares = f"{(one < 1).mean():.0%} | {(one < 2).mean():.0%}"
        print(f"| {name} | {one.max():.2f} | {np.sqrt((one**2).mean()):.2f} | {shares} |")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=None, help="Python that has gpboost installed")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--levels", type=int, nargs=2, default=(50_000, 10_000))
    parser.add_argument("--shape", choices=("even", "movielens", "regions"), default="even")
    parser.add_argument("--programs", nargs="*", default=PROGRAMS)
    parser.add_argument("--timeout", type=float, default=1200)
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--seeds", type=int, default=0, help="fits beside the exact one")
    parser.add_argument("--work", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--data", default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work, arguments.data)
    elif arguments.seeds:
        seeds(arguments)
    elif arguments.scaling:
        scaling(arguments)
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
