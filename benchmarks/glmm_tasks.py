"""Generalised mixed models to time: formula, family, data."""

from __future__ import annotations

from dataclasses import dataclass
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
    family : {"binomial", "poisson"}
    make : str
        ``cbpp`` (bundled), a file of the reference data, or ``simulated``.
    repeats : int
        Calls timed per program; the best counts.
    slow : tuple of str
        Programs left out because they do not finish or need more memory than there is.
    """

    name: str
    formula: str
    family: str
    make: str
    repeats: int = 3
    slow: tuple[str, ...] = ()


TASKS = (
    Task(
        name="cbpp", family="binomial", make="cbpp", repeats=10,
        formula="cbind(incidence, size - incidence) ~ period + (1 | herd)",
    ),
    Task(
        name="Contraception", family="binomial", make="Contraception.csv", repeats=10,
        formula="use ~ age + age2 + urban + livch + (1 | district)",
    ),
    Task(
        name="VerbAgg", family="binomial", make="VerbAgg.csv.gz", repeats=5,
        formula="r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)",
    ),
    Task(
        name="grouseticks", family="poisson", make="grouseticks.csv",
        formula="TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
        slow=("statsmodels MAP",),
    ),
    Task(
        name="1M rows x 10k, (1 | j)", family="binomial", make="simulated", repeats=2,
        formula="y ~ x + t + (1 | j)", slow=("statsmodels VB", "statsmodels MAP"),
    ),
    Task(
        name="1M rows x 10k, (x | j)", family="binomial", make="simulated", repeats=2,
        formula="y ~ x + t + (x | j)",
        slow=("lme4", "statsmodels VB", "statsmodels MAP", "gpboost"),
    ),
)  # fmt: skip


def make_data(task: Task, shared: Path) -> pd.DataFrame | None:
    """Return the data of a task; None where the reference data are absent."""
    if task.make == "simulated":
        return simulated(1_000_000, 10_000)
    if task.make == "cbpp":
        import mlpool

        return mlpool.load_data("cbpp").astype({"herd": str, "period": str})
    path = shared / "data" / task.make
    if not path.exists():
        return None
    d = pd.read_csv(path)
    for name in ("use", "r2"):
        if name in d:
            d[name] = (d[name] == "Y").astype(int)
    if "age" in d:
        d["age2"] = d["age"] ** 2
    groups = [c for c in ("district", "id", "item", "BROOD", "INDEX", "LOCATION") if c in d]
    return d.astype({c: str for c in [*groups, *(["YEAR"] if "YEAR" in d else [])]})


def simulated(n: int, clusters: int) -> pd.DataFrame:
    """Return n binary rows with random intercepts and slopes over clusters in random order."""
    rng = np.random.default_rng(0)
    j = rng.integers(0, clusters, n)
    x, t = rng.normal(size=n), rng.integers(0, 2, n).astype(float)
    b = rng.normal(size=(clusters, 2)) * [0.8, 0.3]
    eta = -0.5 + 0.5 * x + 0.3 * t + b[j, 0] + b[j, 1] * x
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(int)
    return pd.DataFrame({"y": y, "x": x, "t": t, "j": j.astype(str)})
