"""Time one program on one task, in a process of its own; prints one line of JSON.

The data are read and the program imported before the clock starts; the clock covers the whole call
from formula to fitted model. Peak memory is the process's, less what it had before the call.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import pandas as pd
from tasks import TASKS, Task

warnings.simplefilter("ignore")


def prepare(program: str, task: Task, d: pd.DataFrame) -> Callable[[], float]:  # noqa: C901 - one branch per program
    """Return a call that fits the model and gives its deviance."""
    if program == "mlpool":
        import mlpool
        import mlpool.models

        def run() -> float:
            return float(mlpool.fit(task.formula, d, reml=task.reml).criterion)
    elif program == "statsmodels":
        import statsmodels.formula.api as smf

        fixed, groups, random = task.statsmodels or ("", "", "")

        def run() -> float:
            model = smf.mixedlm(fixed, d, groups=d[groups], re_formula=random)
            return float(-2 * model.fit(reml=task.reml).llf)
    elif program == "mixedlm":
        from mixedlm import lmer

        def run() -> float:
            return _deviance(lmer(task.formula, d, REML=task.reml))
    elif program == "mixedlm-rs":
        from mixedlm_rs import MixedLM

        fixed, groups, random = task.statsmodels or ("", "", "")

        def run() -> float:
            model = MixedLM.from_formula(fixed, d, groups=d[groups], re_formula=random)
            return float(-2 * model.fit(reml=task.reml).llf)
    elif program == "lme-python":
        import lme_python
        import polars as pl

        frame = pl.from_pandas(d)

        def run() -> float:
            return _deviance(lme_python.lmer(task.formula, frame, reml=task.reml))
    elif program == "gpboost":
        run = prepare_gpboost(task, d)
    else:
        raise SystemExit(f"unknown program {program}")
    return run


def prepare_gpboost(task: Task, d: pd.DataFrame) -> Callable[[], float]:
    """Return a call of gpboost: intercepts only (its slopes are uncorrelated), by ML."""
    import gpboost as gpb

    response, right = task.formula.split(" ~ ")
    bars = re.findall(r"\((.+?) \| (\w+)\)", right)
    if any(terms != "1" for terms, _ in bars):
        raise SystemExit("gpboost has no correlated slopes")
    groups = [group for _, group in bars]
    predictors = [t for t in re.sub(r"\(.*\)", "", right).split(" + ") if t.strip(" +1")]

    def run() -> float:
        X = d[[p.strip() for p in predictors]].assign(Intercept=1.0).to_numpy(float)
        model = gpb.GPModel(group_data=d[groups].to_numpy(), likelihood="gaussian")
        model.fit(y=d[response].to_numpy(float), X=X)
        return 2.0 * float(model.get_current_neg_log_likelihood())

    return run


def _deviance(model: Any) -> float:
    for name in ("REMLcrit", "reml_criterion", "deviance"):
        value = getattr(model, name, None)
        if value is not None:
            value = value() if callable(value) else value
            if isinstance(value, float):
                return value
    return float("nan")


def main() -> None:
    """Read the task's data, call the program, print seconds, memory and deviance."""
    program, name, path = sys.argv[1:4]
    task = next(t for t in TASKS if t.name == name)
    d = pd.read_parquet(path)
    run = prepare(program, task, d)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, deviance = [], float("nan")
    for _ in range(task.repeats):
        start = time.perf_counter()
        deviance = run()
        seconds.append(time.perf_counter() - start)
        if seconds[-1] > 60:
            break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": min(seconds), "mb": (peak - before) / 1024, "deviance": deviance,
                      "data_mb": float(d.memory_usage(deep=True).sum()) / 1e6}))  # fmt: skip


if __name__ == "__main__":
    main()
