"""Satterthwaite and Kenward-Roger of all fixed effects, after the fit: mlpool, lmerTest, pbkrtest.

    python benchmarks/small_sample.py [--minutes 5] [--only NAME]

Every measurement is a process of its own: processor time (one thread, so other work on the machine
hardly counts) from a fitted model to df, standard errors and p-values of every coefficient, best of
a few repeats, and what it adds to the process at its peak (R: the whole process). R is stopped
after `--minutes`. Data sets of the reference material that are not at hand are left out.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "shared" / "data"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A model whose fixed effects are tested.

    Attributes
    ----------
    name, formula : str
    data : str
        A file of the reference material, a bundled set, or ``simulated``.
    for_r : bool
        Whether R can be asked at all (it takes n x n matrices for Kenward-Roger).
    """

    name: str
    formula: str
    data: str
    for_r: bool = True


TASKS = (
    Task(name="sleepstudy (Days | Subject)", formula="Reaction ~ Days + (Days | Subject)",
         data="sleepstudy"),
    Task(name="Penicillin, crossed", formula="diameter ~ 1 + (1 | plate) + (1 | sample)",
         data="Penicillin"),
    Task(name="popular (extraversion | class)",
         formula="popular_s ~ female + extraversion * teacher_exp + (1 + extraversion | class)",
         data="popular.csv"),
    Task(name="heck2011 (1 | school)", formula="math ~ ses + female + puniv + (1 | school)",
         data="heck2011.csv"),
    Task(name="hsb82 (ses | school)", formula="math ~ ses * meanses + (ses | school)",
         data="hsb82"),
    Task(name="InstEval, three crossed factors",
         formula="y ~ service + (1 | s) + (1 | d) + (1 | dept)", data="instEval.csv.gz",
         for_r=False),
    Task(name="1M rows x 100k (x | j)", formula="y ~ x + g + (x | j)", data="simulated",
         for_r=False),
)  # fmt: skip


def read(task: Task) -> pd.DataFrame | None:
    """Return the data, None where they are not at hand."""
    import mlpool

    if task.data == "simulated":
        rng = np.random.default_rng(1)
        n, levels = 1_000_000, 100_000
        j, x = rng.integers(0, levels, n), rng.normal(size=n)
        u = rng.normal(size=(levels, 2)) * [0.5, 0.3]
        g = rng.normal(size=levels)[j]
        y = 1 + 0.5 * x + 0.2 * g + u[j, 0] + u[j, 1] * x + rng.normal(size=n)
        return pd.DataFrame({"y": y, "x": x, "g": g, "j": j})
    if "." not in task.data:
        return mlpool.load_data(task.data)
    path = DATA / task.data
    return (
        pd.read_csv(path, encoding="utf-8-sig").rename(columns=str.strip) if path.exists() else None
    )


def worker(name: str, method: str) -> None:
    """Time mlpool on one task in this process; print one line of JSON."""
    import mlpool
    from mlpool.designs.engine_data import as_lmm_data
    from mlpool.inference.small_sample.information import variance_information
    from mlpool.inference.small_sample.kenward_roger import kenward_roger_of
    from mlpool.inference.small_sample.satterthwaite import satterthwaite_df
    from mlpool.inference.wald import wald

    task = next(t for t in TASKS if t.name == name)
    frame = read(task)
    assert frame is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        m = mlpool.lmer(task.formula, frame)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        info = variance_information(as_lmm_data(m.design), m.fit)
        if method == "Satterthwaite":
            df, vcov = satterthwaite_df(info), info.Phi
        else:
            result = kenward_roger_of(info)
            df, vcov = result.df, result.vcov
        wald(info.beta, np.sqrt(np.diag(vcov)), df)
        best = min(best, time.process_time() - begun)
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"seconds": best, "mb": added, "df": list(df)}))


def run(command: list[str], minutes: float) -> dict[str, object] | None:
    """Return the JSON line that a command prints; None if it fails or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60 * minutes
        )
    except subprocess.TimeoutExpired:
        return None
    lines = done.stdout.strip().splitlines()
    found: dict[str, object] | None = json.loads(lines[-1]) if lines else None
    return found


def in_r(task: Task, frame: pd.DataFrame, method: str, minutes: float) -> dict[str, object] | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        frame.to_csv(path, index=False)
        script = str(HERE / "small_sample.R")
        return run(["Rscript", script, task.formula, method, str(path)], minutes)


def shown(result: dict[str, object] | None) -> str:
    if result is None:
        return "-"
    return f"{result['seconds']:.2g} s ({result['mb']:.0f} MB)"


def difference(ours: dict[str, object] | None, theirs: dict[str, object] | None) -> str:
    """Return the largest relative difference of the df."""
    if ours is None or theirs is None:
        return ""
    a, b = np.array(ours["df"]), np.array(theirs["df"])
    return f"{np.max(np.abs(a - b) / b):.0e}"


def main() -> None:
    """Print a Markdown table, a row at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--worker", nargs=2, metavar=("TASK", "METHOD"))
    options = parser.parse_args()
    if options.worker:
        worker(*options.worker)
        return
    print("| model | method | mlpool | R | ratio | df differ by |\n|---|---|---|---|---|---|")
    for task in TASKS:
        frame = read(task) if options.only in task.name else None
        if frame is None:
            continue
        for method in ("Satterthwaite", "Kenward-Roger"):
            ours = run([sys.executable, __file__, "--worker", task.name, method], 10.0)
            theirs = None
            if task.for_r and shutil.which("Rscript"):
                theirs = in_r(task, frame, method, options.minutes)
            ratio = ""
            if ours is not None and theirs is not None:
                ratio = f"{theirs['seconds'] / ours['seconds']:,.0f}"  # type: ignore[operator]
            name = task.name.replace("|", r"\|")
            print(
                f"| {name} ({len(frame):,} rows) | {method} | {shown(ours)} | {shown(theirs)} | "
                f"{ratio} | {difference(ours, theirs)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
