"""Time mlpool and its peers on the same data in one run; print seconds, ratios and memory.

    python benchmarks/run.py [--only TEXT] [--peers PYTHON] [--output FILE] [--timeout 600]

Peers are used where they are installed: statsmodels (a dependency of mlpool), lme4 through
``Rscript``, and mixedlm, mixedlm-rs, lme-python and gpboost in the interpreter that ``--peers``
names.
Everything runs with one BLAS thread unless ``--threads`` says otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tasks import TASKS, Task, make_data

HERE = Path(__file__).parent
PROGRAMS = ("mlpool", "statsmodels", "lme4", "mixedlm", "mixedlm-rs", "lme-python", "gpboost")


def time_program(
    program: str, task: Task, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any] | None:
    """Return one program's figures, or None where it is absent, unfit or too slow."""
    if program in task.slow:
        return None
    if program in ("statsmodels", "mixedlm-rs") and task.statsmodels is None:
        return None
    if program == "lme4":
        if shutil.which("Rscript") is None:
            return None
        repeats = str(task.options.get("lme4_repeats", task.repeats))
        command = ["Rscript", str(HERE / "lme4.R"), task.formula, str(task.reml).upper(), repeats,
                   str(folder / "data.csv")]  # fmt: skip
    else:
        own = program in ("mlpool", "statsmodels")
        python = sys.executable if own else arguments.peers
        if python is None:
            return None
        command = [
            python,
            str(HERE / "worker.py"),
            program,
            task.name,
            str(folder / "data.parquet"),
        ]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(arguments.threads)}
    environment["PYTHONPATH"] = str(HERE.parent)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=arguments.timeout, env=environment,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"seconds": float("inf"), "mb": float("nan"), "deviance": float("nan")}
    if done.returncode != 0 or not done.stdout.strip():
        print(
            f"  {program}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}", file=sys.stderr
        )
        return None
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def plain_product(d: pd.DataFrame) -> float:
    """Return seconds of X'X plus coding of the groups: what any fit of these rows must do."""
    X = np.column_stack([np.ones(len(d)), d["x"], d["g"], d["y"]])
    made = time.perf_counter()
    X.T @ X
    product = time.perf_counter()
    pd.factorize(d["j"])
    return (product - made) + (time.perf_counter() - product)


def main() -> None:
    """Run the tasks and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--peers", default=None, help="Python that has the peers installed")
    parser.add_argument("--output", type=Path, default=None)
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shared", type=Path, default=HERE.parent.parent / "shared")
    arguments = parser.parse_args()
    lines = ["| task | mlpool s (MB) | " + " | ".join(f"{p} ratio" for p in PROGRAMS[1:]) + " |"]
    lines.append("|---" * (len(PROGRAMS) + 1) + "|")
    for task in TASKS:
        if arguments.only not in task.name:
            continue
        d = make_data(task, arguments.shared)
        if d is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            d.to_parquet(Path(folder) / "data.parquet")
            if "lme4" not in task.slow and shutil.which("Rscript"):
                d.to_csv(Path(folder) / "data.csv", index=False)
            results = {p: time_program(p, task, Path(folder), arguments) for p in PROGRAMS}
        lines.append(row_text(task, results))
        print(lines[-1], {p: r and r["deviance"] for p, r in results.items()}, file=sys.stderr)
        if task.size[0] == 10_000_000 and results["mlpool"]:
            floor = plain_product(d)
            lines.append(
                f"| plain X'X and factor coding of those rows: {floor:.2f} s; mlpool takes "
                f"{results['mlpool']['seconds'] / floor:.1f} times that, "
                f"{results['mlpool']['mb'] / results['mlpool']['data_mb']:.2f} times the "
                "columns' memory |" + " |" * (len(PROGRAMS) - 1)
            )
    text = "\n".join(lines)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")


def row_text(task: Task, results: dict[str, dict[str, Any] | None]) -> str:
    """Return one line of the table: seconds of mlpool, multiples of it for the others."""
    own = results["mlpool"]
    if own is None:
        return f"| {task.name} | failed |" + " |" * (len(PROGRAMS) - 1)
    cells = [f"{own['seconds']:.4g} ({own['mb']:.0f})"]
    for program in PROGRAMS[1:]:
        other = results[program]
        if other is None:
            cells.append("-")
        elif np.isinf(other["seconds"]):
            cells.append("> limit")
        else:
            cells.append(f"{other['seconds'] / own['seconds']:.3g}")
    return f"| {task.name} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
