"""Power by simulation: how many clusters a study needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlpool.errors import OptionError
from mlpool.results import ResultFrame
from mlpool.teaching.layout import StudyLayout
from mlpool.teaching.studies import METHODS, replicate

_EFFECTS = {"x": "slope", "w": "effect_w"}


def simulate_power(
    parameter: str = "w",
    *,
    n_clusters: Sequence[int] | int = (10, 20, 40),
    n_per_cluster: Sequence[int] | int = 20,
    n_sims: int = 200,
    alpha: float = 0.05,
    methods: Sequence[str] = ("satterthwaite",),
    random_slope: bool = False,
    seed: int | np.random.SeedSequence | None = None,
    progress: bool | None = None,
    **design: Any,
) -> ResultFrame:
    """Count how often an effect is found, by number and size of clusters.

    Parameters
    ----------
    parameter : {"w", "x"}
        The effect: of a predictor of clusters, or within clusters.
    n_clusters, n_per_cluster : int or sequence of int
        Every combination is a study.
    n_sims : int
        Data sets per study.
    alpha : float
        Level of the tests.
    methods : sequence of str
        As in :func:`mlpool.coverage_study`.
    random_slope : bool
        Fit a random slope of x.
    seed : int or SeedSequence, optional
    progress : bool, optional
        Show a progress bar; default: on a terminal.
    **design
        Of :func:`mlpool.simulate_clusters`: ``slope=`` or ``effect_w=`` (the effect, which must
        not be zero), ``icc=``, ``sd_slope=`` ...

    Returns
    -------
    ResultFrame
        Clusters, Rows (per cluster), Method, Power, MC_SE (Monte Carlo error), Failed.

    Raises
    ------
    OptionError
        For an effect of zero, an unknown parameter or method.

    References
    ----------
    Green & MacLeod (2016), Methods in Ecology and Evolution 7, whose simr does it in R.

    Examples
    --------
    >>> import mlpool
    >>> table = mlpool.simulate_power(
    ...     "w", n_clusters=[8, 40], n_sims=20, effect_w=0.8, icc=0.2, seed=1, progress=False
    ... )
    >>> list(table["Clusters"]), bool(table["Power"].is_monotonic_increasing)
    ([8, 40], True)
    """
    effect = _EFFECTS.get(parameter)
    if effect is None:
        raise OptionError(f"parameter must be one of {tuple(_EFFECTS)}; got {parameter!r}.")
    if not design.get(effect):
        raise OptionError(f"Power needs an effect to find: give {effect}=, for example 0.5.")
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    counts, sizes = _whole(n_clusters, "n_clusters"), _whole(n_per_cluster, "n_per_cluster")
    pairs = [(j, n) for n in sizes for j in counts]
    rows, parts = [], []
    for (j, n), child in zip(pairs, root.spawn(len(pairs)), strict=True):
        own = {**design, "n_clusters": j, "n_per_cluster": n}
        intervals, truth = replicate(
            parameter, n_sims, methods, 1.0 - alpha, random_slope, child, progress, own
        )
        parts.append(intervals.assign(Clusters=j, Rows=n))
        for name in methods:
            p = intervals.loc[intervals["Method"] == name, "p"]
            good = p.dropna()
            share = float((good < alpha).mean()) if len(good) else math.nan
            error = math.sqrt(share * (1 - share) / len(good)) if len(good) else math.nan
            rows.append(
                {
                    "Clusters": j,
                    "Rows": n,
                    "Method": METHODS[name].label,
                    "Power": share,
                    "MC_SE": error,
                    "Failed": len(p) - len(good),
                }
            )
    footer = f"Effect of {parameter}: {truth:g}; {n_sims} replicates each, tests at {alpha:g}."
    return ResultFrame(
        data=pd.DataFrame(rows),
        layout=StudyLayout(
            title="Power", percent=("Power", "MC_SE"), whole=("Clusters", "Rows", "Failed"),
            footers=(footer,),
        ),
        metadata={
            "kind": "simulate_power", "parameter": parameter, "truth": truth,
            "intervals": pd.concat(parts, ignore_index=True),
        },
    )  # fmt: skip


def _whole(values: Sequence[int] | int, argument: str) -> list[int]:
    given = [values] if isinstance(values, int) else list(values)
    for value in given:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 2:
            raise OptionError(f"{argument} must be whole numbers from 2; got {values!r}.")
    if not given:
        raise OptionError(f"{argument} has no numbers.")
    return [int(v) for v in given]
