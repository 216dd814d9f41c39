"""Time generalised mixed models of mlpool and its peers on the same data in one run.

    python benchmarks/glmm.py [--only TEXT] [--peers PYTHON] [--output FILE] [--timeout 7200]

Peers are used where they are installed: lme4 through ``Rscript``; statsmodels
(BinomialBayesMixedGLM and its Poisson sister, MAP and variational Bayes), mixedlm and gpboost in
the interpreter that ``--peers`` names. Criteria have different constants, and Bayesian estimates
have none, so that every program is judged by one measure: Laplace's deviance at its estimates,
less the optimum.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from glmm_tasks import TASKS, Task, make_data

HERE = Path(__file__).parent
PROGRAMS = ("mlpool", "lme4", "mixedlm", "gpboost", "statsmodels MAP", "statsmodels VB")


def time_program(
    program: str, task: Task, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any] | None:
    """Return one program's figures, or None where it is absent, unfit or left out."""
    if program in task.slow:
        return None
    if program == "lme4":
        if shutil.which("Rscript") is None:
            return None
        command = ["Rscript", str(HERE / "glmm.R"), task.formula, task.family, str(task.repeats),
                   str(folder / "data.csv")]  # fmt: skip
    else:
        python = sys.executable if program == "mlpool" else arguments.peers
        if python is None:
            return None
        command = [python, str(HERE / "glmm_worker.py"), program, task.name, str(folder)]
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "PYTHONPATH": str(HERE.parent)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=arguments.timeout, env=environment,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"seconds": float("inf")}
    if done.returncode != 0 or not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        print(f"  {program}: {last}", file=sys.stderr)
        return None
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


class Judge:
    """Laplace's deviance of a task at any program's estimates."""

    def __init__(self, task: Task, d: pd.DataFrame) -> None:
        import mlpool
        from mlpool.engine.glmm.laplace import Laplace
        from mlpool.engine.glmm.prepared_data import Problem
        from mlpool.engine.types import Control
        from mlpool.models.generalized_mixed import as_glmm_data

        self.model = mlpool.glmer(task.formula, d, family=task.family)
        data = as_glmm_data(self.model.design, self.model.family)
        self.problem = Problem.of(data, Control())
        self.objective = Laplace(self.problem)

    def above(self, beta: list[float], theta: list[float]) -> float:
        """Return by how much these estimates exceed the optimum; inf where there is no number."""
        from mlpool import FitError

        p = self.problem
        if len(beta) != p.p or len(theta) != p.k:
            return float("nan")
        x = np.concatenate([np.asarray(theta) / p.scale, p.R @ np.asarray(beta)])
        try:
            return self.objective.state(x).value - float(self.model.criterion)
        except FitError:
            return float("inf")


def write_matrices(judge: Judge, path: Path) -> None:
    """Write what programs without formulas take: 0/1 (or counts) y, X and groups."""
    design = judge.model.design
    X = design.X.rows(0, design.n)
    d = pd.DataFrame({"y": design.y} | {f"X{k}": X[:, k] for k in range(X.shape[1])})
    for random in design.random:
        d[f"group {random.group}"] = random.codes
    if design.trials is not None:
        hits = np.rint(design.y * design.trials).astype(int)
        misses = np.rint(design.trials).astype(int) - hits
        rows = np.arange(len(d))
        d = pd.concat(
            [
                d.loc[np.repeat(rows, hits)].assign(y=1.0),
                d.loc[np.repeat(rows, misses)].assign(y=0.0),
            ]
        )
    d.reset_index(drop=True).to_parquet(path)


def row_text(task: Task, results: dict[str, dict[str, Any] | None], judge: Judge) -> str:
    """Return one line: seconds of mlpool, multiples of it for the others, deviance above."""
    own = results["mlpool"]
    if own is None:
        return f"| {task.name} | failed |" + " |" * (len(PROGRAMS) - 1)
    cells = [f"{own['seconds']:.3g} ({own['mb']:.0f})"]
    for program in PROGRAMS[1:]:
        other = results[program]
        if other is None:
            cells.append("-")
        elif np.isinf(other["seconds"]):
            cells.append("> limit")
        else:
            above = judge.above(other["beta"], other["theta"])
            ratio = other["seconds"] / own["seconds"]
            cells.append(f"{ratio:.3g} ({above:.1g} above)")
    return f"| {task.name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Run the tasks and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--peers", default=None, help="Python that has the peers installed")
    parser.add_argument("--output", type=Path, default=None)
    parser.add_argument("--timeout", type=float, default=7200)
    parser.add_argument("--shared", type=Path, default=HERE.parent.parent / "shared")
    arguments = parser.parse_args()
    lines = ["| task | mlpool s (MB) | " + " | ".join(PROGRAMS[1:]) + " |"]
    lines.append("|---" * (len(PROGRAMS) + 1) + "|")
    for task in TASKS:
        d = make_data(task, arguments.shared) if arguments.only in task.name else None
        if d is None:
            continue
        judge = Judge(task, d)
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            d.to_parquet(folder / "data.parquet")
            d.to_csv(folder / "data.csv", index=False)
            write_matrices(judge, folder / "matrices.parquet")
            results = {p: time_program(p, task, folder, arguments) for p in PROGRAMS}
        lines.append(row_text(task, results, judge))
        print(lines[-1], {p: r and r["seconds"] for p, r in results.items()}, file=sys.stderr)
        print({p: r and r.get("deviance") for p, r in results.items()}, file=sys.stderr)
    text = "\n".join(lines)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
