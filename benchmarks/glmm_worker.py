"""Time one program on one generalised mixed model, in a process of its own; prints JSON.

The data are read and the program imported before the clock starts. Programs that take matrices
(statsmodels, gpboost) get them ready made and expanded to rows of 0 and 1; those that take formulas
read them while the clock runs. Seconds are CPU time of all threads, which other work on the machine
disturbs least; every program is asked for one thread. mlpool's and lme4's include the standard
errors.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from glmm_tasks import TASKS, Task

warnings.simplefilter("ignore")


def prepare(program: str, task: Task, folder: Path) -> Callable[[], dict[str, Any]]:
    """Return a call that fits the model and gives its estimates."""
    if program == "mlpool":
        return prepare_mlpool(task, pd.read_parquet(folder / "data.parquet"))
    if program == "mixedlm":
        return prepare_mixedlm(task, pd.read_parquet(folder / "data.parquet"))
    matrices = pd.read_parquet(folder / "matrices.parquet")
    if program == "gpboost":
        return prepare_gpboost(task, matrices)
    return prepare_statsmodels(task, matrices, program.split()[1])


def prepare_mlpool(task: Task, d: pd.DataFrame) -> Callable[[], dict[str, Any]]:
    """Fit from the formula; the standard errors make the full Hessian."""
    import mlpool
    import mlpool.models

    def run() -> dict[str, Any]:
        m = mlpool.glmer(task.formula, d, family=task.family)
        np.asarray(m.se)
        return {"deviance": m.criterion, "beta": list(m.fit.beta), "theta": list(m.theta)}

    return run


def prepare_mixedlm(task: Task, d: pd.DataFrame) -> Callable[[], dict[str, Any]]:
    """Fit from the formula with its defaults."""
    import mixedlm

    family = getattr(mixedlm.families, task.family.capitalize())()
    formula, options = task.formula, {}
    if formula.startswith("cbind("):  # which mixedlm does not read
        d = d.assign(share=d["incidence"] / d["size"])
        formula, options = "share ~ period + (1 | herd)", {"weights": "size"}

    def run() -> dict[str, Any]:
        m = mixedlm.glmer(formula, d, family=family, **options)
        return {"deviance": None, "beta": list(m.beta), "theta": list(m.theta)}

    return run


def prepare_gpboost(task: Task, d: pd.DataFrame) -> Callable[[], dict[str, Any]]:
    """Fit by Laplace's approximation with Cholesky factors, its exact method."""
    import gpboost as gpb

    X, groups = _parts(d)
    likelihood = {"binomial": "bernoulli_logit", "poisson": "poisson"}[task.family]
    codes = d[groups].to_numpy()

    def run() -> dict[str, Any]:
        m = gpb.GPModel(
            group_data=codes, likelihood=likelihood, matrix_inversion_method="cholesky",
            num_parallel_threads=1,
        )  # fmt: skip
        m.fit(y=d["y"].to_numpy(float), X=X)
        theta = np.sqrt(np.ravel(m.get_cov_pars()))
        return {"deviance": None, "beta": list(np.ravel(m.get_coef())), "theta": list(theta)}

    return run


def prepare_statsmodels(task: Task, d: pd.DataFrame, how: str) -> Callable[[], dict[str, Any]]:
    """Fit the Bayesian mixed GLM by its maximum a posteriori or variational method."""
    from scipy.sparse import coo_array, csr_matrix, hstack
    from statsmodels.genmod import bayes_mixed_glm

    X, groups = _parts(d)
    blocks, ident = [], []
    for i, group in enumerate(groups):
        codes = pd.factorize(d[group])[0]
        blocks.append(coo_array((np.ones(len(d)), (np.arange(len(d)), codes))))
        ident += [i] * (int(codes.max()) + 1)
    Z = csr_matrix(hstack(blocks))
    kind = getattr(bayes_mixed_glm, f"{task.family.capitalize()}BayesMixedGLM")

    def run() -> dict[str, Any]:
        model = kind(d["y"].to_numpy(float), X, Z, np.array(ident))
        found = model.fit_map() if how == "MAP" else model.fit_vb()
        theta = np.exp(found.vcp_mean)
        return {"deviance": None, "beta": list(found.fe_mean), "theta": list(theta)}

    return run


def _parts(d: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Return X and the names of the groups' columns."""
    X = d[[c for c in d if c.startswith("X")]].to_numpy(float)
    return X, [c for c in d if c.startswith("group")]


def main() -> None:
    """Read the task's data, call the program, print seconds, memory and estimates."""
    program, name, folder = sys.argv[1:4]
    task = next(t for t in TASKS if t.name == name)
    run = prepare(program, task, Path(folder))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds: list[float] = []
    result: dict[str, Any] = {}
    for _ in range(task.repeats):
        start = time.process_time()
        result = run()
        seconds.append(time.process_time() - start)
        if seconds[-1] > 60:
            break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result["beta"] = [float(v) for v in result["beta"]]
    result["theta"] = [float(v) for v in result["theta"]]
    print(json.dumps({"seconds": min(seconds), "mb": (peak - before) / 1024, **result}))


if __name__ == "__main__":
    main()
