"""Power by simulation: how many clusters a study needs, and what a fitted model would find."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from mlpool.argument_values import flag, number, seed_sequence, whole_number
from mlpool.argument_values import level as read_level
from mlpool.errors import OptionError, brief, check_option
from mlpool.keywords import PowerOptions, spell_out
from mlpool.models.argument_checks import check_model
from mlpool.option_spellings import also_spelt
from mlpool.results import ResultFrame
from mlpool.teaching.model_power import power_of_model
from mlpool.teaching.studies import METHODS, replicate
from mlpool.teaching.studies_table import StudyLayout

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import SeedLike

_EFFECTS = {"x": "slope", "w": "effect_w"}


@also_spelt("ci_method")
@spell_out(PowerOptions)
def simulate_power(
    model: FittedModel | str | None = None,
    parameter: object = None,
    *,
    n_sims: int = 200,
    alpha: float = 0.05,
    ci_method: str | None = None,
    seed: int | np.random.SeedSequence | None = None,
    progress: bool | None = None,
    **design: Unpack[PowerOptions],
) -> ResultFrame:
    """Count how often an effect is found: of a fitted model's tests, or of designs to choose from.

    ``simulate_power(m)`` simulates responses from a fitted model, with new random effects, refits
    the model to each and tests its terms, as simr's ``powerSim``. ``simulate_power("w", ...)``
    simulates clusters, and counts by their number and size.

    Parameters
    ----------
    model : FittedModel, optional
        A pilot's model, or one whose effects and variances are those expected.
    parameter : str or list of str
        Of a model: terms (a factor's coefficients are tested together) or coefficients; by default
        every term. Without a model ``"w"`` (default) or ``"x"``, the effect of a predictor of
        clusters or within clusters; it may stand first.
    n_sims : int
        Data sets per study.
    alpha : float
        Level of the tests.
    ci_method : str, optional
        Of a model's tests, as in :func:`mlpool.model_parameters`; by default Satterthwaite's df for
        lmer, chi-square for families without a dispersion, else the residual df.
    seed : int or SeedSequence, optional
    progress : bool, optional
        Show a progress bar; default: on a terminal.
    **design
        Without a model: ``n_clusters=`` (default 10, 20, 40) and ``n_per_cluster=`` (20), numbers
        or lists of them, of which every combination is a study; ``methods=`` as in
        :func:`mlpool.coverage_study` (Satterthwaite's); ``random_slope=`` fits one of x; and the
        arguments of :func:`mlpool.simulate_clusters`: ``slope=`` or ``effect_w=`` (the effect,
        which must not be zero), ``icc=``, ``sd_slope=`` ...

    Returns
    -------
    ResultFrame
        Of a model: Parameter, Coefficient (the effect simulated), Power, CI_low, CI_high (exact
        binomial interval of the simulation's error), Failed; ``metadata["p"]`` has the p-values.
        Of designs: Clusters, Rows (per cluster), Method, Power, MC_SE (Monte Carlo error), Failed.

    Raises
    ------
    OptionError
        For an effect of zero, an unknown parameter or method, or a design beside a model.

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
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> table = mlpool.simulate_power(m, n_sims=10, seed=1, progress=False)
    >>> list(table["Parameter"]), list(table["Power"])
    (['Days'], [1.0])
    """
    count, level = whole_number(n_sims, "n_sims", least=1), read_level(alpha, "alpha")
    if progress is not None:
        flag(progress, "progress")
    if model is not None and not isinstance(model, str):
        fitted = check_model(model, "simulate_power()")
        if design:
            raise OptionError(
                f"simulate_power(m) has the model's own design and takes no {next(iter(design))}=."
            )
        return power_of_model(
            fitted, parameter, n_sims=count, alpha=level, ci_method=ci_method, seed=seed,
            progress=progress,
        )  # fmt: skip
    if isinstance(model, str) and parameter is not None:
        raise OptionError("Give parameter once; the first argument is a fitted model or its name.")
    if ci_method is not None:
        raise OptionError("ci_method= goes with a fitted model; designs take methods=.")
    first = "w" if model is None else model
    effect = first if parameter is None else parameter
    return _power_of_designs(
        effect, n_sims=count, alpha=level, seed=seed, progress=progress, **design
    )


def _power_of_designs(
    parameter: Any,
    *,
    n_clusters: Sequence[int] | int = (10, 20, 40),
    n_per_cluster: Sequence[int] | int = 20,
    methods: Sequence[str] = ("satterthwaite",),
    random_slope: bool = False,
    n_sims: int,
    alpha: float,
    seed: SeedLike | None,
    progress: bool | None,
    **design: object,
) -> ResultFrame:
    """Return power by number and size of clusters."""
    effect = _EFFECTS[check_option(parameter, _EFFECTS, argument="parameter")]
    if number(design.get(effect, 0.0), effect) == 0.0:
        raise OptionError(f"Power needs an effect to find: give {effect}=, for example 0.5.")
    root = seed_sequence(seed)
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
            cell = {"Clusters": j, "Rows": n, "Method": METHODS[name].label}
            rows.append(cell | _share_below(p, alpha))
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


def _share_below(p: pd.Series[float], alpha: float) -> dict[str, float]:
    """Return the share of p-values below alpha with its Monte Carlo error."""
    good = p.dropna()
    share = float((good < alpha).mean()) if len(good) else math.nan
    error = math.sqrt(share * (1 - share) / len(good)) if len(good) else math.nan
    return {"Power": share, "MC_SE": error, "Failed": len(p) - len(good)}


def _whole(values: Any, argument: str) -> list[int]:
    is_many = isinstance(values, (list, tuple, range)) or getattr(values, "ndim", 0) == 1
    given: list[Any] = list(values) if is_many else [values]
    for value in given:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 2:
            raise OptionError(f"{argument} must be whole numbers from 2; got {brief(values)}.")
    if not given:
        raise OptionError(f"{argument} has no numbers.")
    return [int(v) for v in given]
