"""Benchmark tasks: a formula, its data, and how each program spells the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Task:
    """A model to time.

    Attributes
    ----------
    name : str
    formula : str
        lme4's formula.
    reml : bool
    repeats : int
        Calls timed per program; the best counts.
    slow : tuple of str
        Programs left out because they take minutes or do not finish.
    statsmodels : tuple of (fixed formula, groups, re_formula) or None
        MixedLM's spelling; None where it cannot fit the model.
    """

    name: str
    formula: str
    reml: bool = True
    repeats: int = 3
    slow: tuple[str, ...] = ()
    statsmodels: tuple[str, str, str] | None = None
    make: str = "simulated"
    size: tuple[int, int] = (0, 0)
    options: dict[str, int] = field(default_factory=dict)


TASKS = (
    Task(
        name="sleepstudy (Days | Subject)", formula="Reaction ~ Days + (Days | Subject)",
        make="sleepstudy", repeats=5, statsmodels=("Reaction ~ Days", "Subject", "~Days"),
    ),
    Task(
        name="heck2011 (1 | school)", formula="math ~ ses + female + (1 | school)",
        make="heck2011.csv", repeats=5, statsmodels=("math ~ ses + female", "school", "~1"),
    ),
    Task(
        name="heck2011 (ses | school), singular", formula="math ~ ses + female + (ses | school)",
        make="heck2011.csv", repeats=5, statsmodels=("math ~ ses + female", "school", "~ses"),
    ),
    Task(
        name="InstEval, three factors, ML",
        formula="y ~ service + (1 | s) + (1 | d) + (1 | ds)", reml=False,
        make="instEval.csv.gz", slow=("lme-python",),
    ),
    Task(
        name="Chem97 (1 | lea/school)", formula="score ~ gcsecnt + (1 | lea) + (1 | leaschool)",
        make="Chem97.csv.gz",
    ),
    Task(
        name="maximal, two factors, 4 x 4 each",
        formula="y ~ x + z + w + (x + z + w | a) + (x + z + w | b)", make="maximal",
        size=(20_000, 60), slow=("statsmodels",),
    ),
    Task(
        name="1M rows x 10k, (x | j)", formula="y ~ x + g + (x | j)", size=(1_000_000, 10_000),
        slow=("statsmodels",), statsmodels=("y ~ x + g", "j", "~x"), options={"lme4_repeats": 1},
    ),
    Task(
        name="1M rows x 100k, (1 | j)", formula="y ~ x + g + (1 | j)", size=(1_000_000, 100_000),
        slow=("statsmodels",), statsmodels=("y ~ x + g", "j", "~1"), options={"lme4_repeats": 1},
    ),
    Task(
        name="1M rows x 100k, (x | j)", formula="y ~ x + g + (x | j)", size=(1_000_000, 100_000),
        slow=("statsmodels",), statsmodels=("y ~ x + g", "j", "~x"), options={"lme4_repeats": 1},
    ),
    Task(
        name="10M rows x 100k, (x | j)", formula="y ~ x + g + (x | j)", size=(10_000_000, 100_000),
        repeats=2, slow=("statsmodels", "lme4", "mixedlm", "mixedlm-rs", "lme-python", "gpboost"),
    ),
)  # fmt: skip


def make_data(task: Task, shared: Path) -> pd.DataFrame | None:
    """Return the data of a task; None where the course data are absent."""
    if task.make == "sleepstudy":
        import mlpool

        return mlpool.load_data("sleepstudy").astype({"Subject": str})
    if task.make == "simulated":
        return simulated(*task.size)
    if task.make == "maximal":
        return maximal(*task.size)
    path = shared / "data" / task.make
    if not path.exists():
        return None
    d = pd.read_csv(path, encoding="utf-8-sig")
    if task.make.startswith("inst"):
        d["ds"] = d["dept"].astype(str) + ":" + d["service"].astype(str)
    if task.make.startswith("Chem"):
        d["leaschool"] = d["lea"].astype(str) + ":" + d["school"].astype(str)
    return d


def simulated(n: int, clusters: int) -> pd.DataFrame:
    """Return n rows with a random intercept and slope over clusters in random order."""
    rng = np.random.default_rng(0)
    j = rng.integers(0, clusters, n)
    x, g = rng.normal(size=n), rng.integers(0, 2, n).astype(float)
    b = rng.normal(size=(clusters, 2)) * [1.0, 0.5]
    y = 1 + 2 * x + 0.5 * g + b[j, 0] + b[j, 1] * x + 2 * rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "g": g, "j": j})


def maximal(n: int, levels: int) -> pd.DataFrame:
    """Return two crossed factors with four correlated effects each."""
    rng = np.random.default_rng(1)
    d = pd.DataFrame(rng.normal(size=(n, 3)), columns=["x", "z", "w"])
    y = 1 + d.sum(axis=1).to_numpy() + rng.normal(size=n)
    columns = np.column_stack([np.ones(n), d])
    for name in ("a", "b"):
        codes = rng.integers(0, levels, n)
        root = np.tril(rng.normal(size=(4, 4)) * 0.3)
        effects = rng.normal(size=(levels, 4)) @ root.T
        y = y + (columns * effects[codes]).sum(axis=1)
        d[name] = codes
    return d.assign(y=y)
