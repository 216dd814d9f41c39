"""Studies of methods on simulated clusters: coverage, type I error, design effects.

Every replicate is a new data set from :func:`simulate_clusters`; its seed is a child of the study's
own (``SeedSequence.spawn``), so replicate i is the same however many are run.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd

from mlpool.argument_values import flag, generator, number, numbers, seed_sequence, whole_number
from mlpool.argument_values import level as read_level
from mlpool.argument_values import names as given_names
from mlpool.errors import (
    DataError,
    FitError,
    MlpoolWarning,
    OptionError,
    brief,
    check_option,
    nearest_names,
)
from mlpool.hypotheses.linear_combinations import contrast_inference
from mlpool.keywords import SampleOptions, spell_out
from mlpool.models.fit import fit
from mlpool.progress import Progress
from mlpool.results import ResultFrame
from mlpool.teaching.clusters import simulate_clusters
from mlpool.teaching.studies_table import StudyLayout

if TYPE_CHECKING:
    from mlpool.models import FittedModel
    from mlpool.typing import SeedLike


@dataclass(frozen=True, slots=True)
class _Method:
    """How one interval is made: a model, a covariance, degrees of freedom."""

    label: str
    mixed: bool
    vcov: str | None = None
    ci_method: str | None = None
    dummies: bool = False

    def formula(self, parameter: str, random_slope: bool) -> str:
        """Return the model this method fits."""
        fixed = "y ~ 1" if parameter == "(Intercept)" else f"y ~ {parameter}"
        if self.mixed:
            return f"{fixed} + ({'x' if random_slope else '1'} | cluster)"
        return f"{fixed} + factor(cluster)" if self.dummies else fixed


_ARGUMENTS = {"(Intercept)": "intercept", "x": "slope", "w": "effect_w"}
"""Coefficients that can be judged, and the arguments of `simulate_clusters` that set them."""

METHODS = {
    "lm": _Method("OLS, naive", mixed=False),
    "CR1": _Method("OLS, CR1", mixed=False, vcov="CR1"),
    "CR2": _Method("OLS, CR2 + Satterthwaite", mixed=False, vcov="CR2", ci_method="satterthwaite"),
    "fixed": _Method("OLS, cluster dummies", mixed=False, dummies=True),
    "normal": _Method("Mixed, normal", mixed=True, ci_method="normal"),
    "lmer": _Method("Mixed, residual df", mixed=True),
    "satterthwaite": _Method("Mixed, Satterthwaite", mixed=True, ci_method="satterthwaite"),
    "kenward": _Method("Mixed, Kenward-Roger", mixed=True, ci_method="kenward"),
}
"""Methods that a study can compare, by the name it is asked for."""


@spell_out(SampleOptions, like=simulate_clusters)
def coverage_study(
    parameter: str = "x",
    *,
    n_sims: int = 500,
    methods: Sequence[str] = ("lm", "CR1", "lmer", "satterthwaite"),
    level: float = 0.95,
    random_slope: bool = False,
    seed: int | np.random.SeedSequence | None = None,
    progress: bool | None = None,
    **design: Unpack[SampleOptions],
) -> ResultFrame:
    """Count how often confidence intervals contain the truth.

    Parameters
    ----------
    parameter : {"(Intercept)", "x", "w"}
        The coefficient that is judged. The models fitted are ``y ~ 1``, ``y ~ x`` or ``y ~ w``
        with the clusters entering as each method says.
    n_sims : int
        Replicates.
    methods : sequence of str
        ``lm`` (naive OLS), ``CR1``, ``CR2`` (with Satterthwaite df), ``fixed`` (dummies per
        cluster); mixed models with ``normal``, ``lmer`` (residual df), ``satterthwaite`` and
        ``kenward`` intervals.
    level : float
        Confidence level.
    random_slope : bool
        Let mixed models have ``(x | cluster)`` instead of ``(1 | cluster)``.
    seed : int or SeedSequence, optional
    progress : bool, optional
        Show a bar; None: on a terminal only.
    **design
        Arguments of :func:`simulate_clusters`.

    Returns
    -------
    ResultFrame
        One row per method: Method, Coverage, MC_SE (Monte Carlo standard error), Width (mean),
        SE_mean, SD_estimate, Failed. `metadata["intervals"]` holds every interval.

    Raises
    ------
    OptionError
        For unknown methods or parameters.

    Examples
    --------
    >>> study = coverage_study("w", n_sims=20, n_clusters=8, methods=["lm"], seed=1)
    >>> list(study.columns)
    ['Method', 'Coverage', 'MC_SE', 'Width', 'SE_mean', 'SD_estimate', 'Failed']
    """
    intervals, truth = replicate(
        parameter, n_sims, methods, level, random_slope, seed, progress, design
    )
    rows = []
    for name in methods:
        own = intervals[intervals["Method"] == name]
        good = own.dropna()
        hits = (good["CI_low"] <= truth) & (truth <= good["CI_high"])
        share = float(hits.mean()) if len(good) else math.nan
        rows.append(
            {
                "Method": METHODS[name].label, "Coverage": share,
                "MC_SE": math.sqrt(share * (1 - share) / len(good)) if len(good) else math.nan,
                "Width": float((good["CI_high"] - good["CI_low"]).mean()),
                "SE_mean": float(good["SE"].mean()),
                "SD_estimate": float(good["Coefficient"].std(ddof=1)),
                "Failed": len(own) - len(good),
            }
        )  # fmt: skip
    return _study(rows, "coverage_study", f"Coverage of {100 * level:g}% intervals",
                  parameter, n_sims, truth, intervals)  # fmt: skip


@spell_out(SampleOptions, like=simulate_clusters)
def type_one_error_study(
    parameter: str = "w",
    *,
    n_sims: int = 500,
    alpha: float = 0.05,
    methods: Sequence[str] = ("lm", "CR1", "lmer", "satterthwaite"),
    random_slope: bool = False,
    seed: int | np.random.SeedSequence | None = None,
    progress: bool | None = None,
    **design: Unpack[SampleOptions],
) -> ResultFrame:
    """Count how often a true null hypothesis is rejected.

    The effect of `parameter` is set to zero; the other arguments are those of
    :func:`coverage_study`.

    Returns
    -------
    ResultFrame
        Method, Rejected (share of p < alpha), MC_SE, Failed.

    Raises
    ------
    OptionError
        For unknown methods or parameters, or a design that gives `parameter` an effect.
    """
    check_option(parameter, tuple(_ARGUMENTS), argument="parameter")
    given: Mapping[str, object] = design
    argument, alpha = _ARGUMENTS[parameter], read_level(alpha, "alpha")
    if number(given.get(argument, 0.0), argument) != 0.0:
        raise OptionError(
            f"A study of type I errors needs {argument}=0; got {brief(given[argument])}."
        )
    intervals, _ = replicate(
        parameter, n_sims, methods, 1.0 - alpha, random_slope, seed, progress, design
    )
    rows = []
    for name in methods:
        own = intervals[intervals["Method"] == name]
        good = own.dropna()
        share = float((good["p"] < alpha).mean()) if len(good) else math.nan
        rows.append(
            {
                "Method": METHODS[name].label, "Rejected": share,
                "MC_SE": math.sqrt(share * (1 - share) / len(good)) if len(good) else math.nan,
                "Failed": len(own) - len(good),
            }
        )  # fmt: skip
    return _study(rows, "type_one_error_study", f"Type I errors at {100 * alpha:g}%",
                  parameter, n_sims, 0.0, intervals)  # fmt: skip


def design_effect_study(
    *,
    icc: Sequence[float] = (0.0, 0.05, 0.2, 0.5),
    n_per_cluster: Sequence[int] = (5, 20, 50),
    n_clusters: int = 30,
    draws: int = 2000,
    seed: int | None = None,
) -> ResultFrame:
    """Compare the variance of a mean of clusters with that of independent units.

    Returns
    -------
    ResultFrame
        One row per combination: ICC, n, DEFF (1 + ICC (n - 1)), DEFF_observed (variance of the
        mean over `draws` data sets, divided by the variance for independent units), N, N_effective.

    Raises
    ------
    OptionError
        For an ICC outside [0, 1) or fewer than 2 draws.
    """
    draws = whole_number(draws, "draws", least=2, most=10**7)
    n_clusters = whole_number(n_clusters, "n_clusters", least=1, most=10**6)
    rng = generator(seed)
    sizes = [whole_number(n, "n_per_cluster", least=1) for n in _each(n_per_cluster)]
    rows = []
    for rho in numbers(icc, "icc").ravel().tolist():
        if not 0.0 <= rho < 1.0:
            raise OptionError(f"icc must be at least 0 and below 1; got {brief(rho)}.")
        for n in sizes:
            # Mean of J cluster means, total variance 1: no unit has to be drawn by itself.
            u = rng.standard_normal((draws, n_clusters)) * math.sqrt(rho)
            e = rng.standard_normal((draws, n_clusters)) * math.sqrt((1.0 - rho) / n)
            observed = float((u + e).mean(axis=1).var(ddof=1)) * n * n_clusters
            expected = 1.0 + rho * (n - 1)
            rows.append(
                {
                    "ICC": rho, "n": n, "DEFF": expected, "DEFF_observed": observed,
                    "N": n * n_clusters, "N_effective": n * n_clusters / expected,
                }
            )  # fmt: skip
    return ResultFrame(
        data=pd.DataFrame(rows),
        layout=StudyLayout(
            title="Design effect", whole=("n", "N"),
            footers=(f"{n_clusters} clusters, {draws} draws each.",),
        ),
        metadata={"kind": "design_effect_study"},
    )  # fmt: skip


def replicate(
    parameter: str,
    n_sims: int,
    methods: Sequence[str],
    level: float,
    random_slope: bool,
    seed: SeedLike | None,
    progress: bool | None,
    design: Mapping[str, Any],
) -> tuple[pd.DataFrame, float]:
    """Return every interval (Replicate, Method, Coefficient, SE, CI_low, CI_high, p), the truth."""
    check_option(parameter, tuple(_ARGUMENTS), argument="parameter")
    _check_methods(methods, parameter)
    n_sims = whole_number(n_sims, "n_sims", least=1)
    level = read_level(level, "level")
    random_slope = flag(random_slope, "random_slope")
    if progress is not None:
        flag(progress, "progress")
    _check_design(design)
    if (
        check_option(design.get("family", "gaussian"), ("gaussian", "binomial"), argument="family")
        != "gaussian"
    ):
        raise OptionError("Studies compare linear models; family must be 'gaussian'.")
    root = seed_sequence(seed)
    found = []
    truth = 0.0
    for i, child in enumerate(progress_over(root.spawn(n_sims), progress)):
        data = simulate_clusters(**design, seed=np.random.default_rng(child))
        truth = data.attrs["truth"][_ARGUMENTS[parameter]]
        models: dict[str, Any] = {}  # methods that differ in their inference alone share a fit
        for name in methods:
            method = METHODS[name]
            formula = method.formula(parameter, random_slope)
            if formula not in models:
                models[formula] = _fitted(formula, data)
            found.append((i, name, *_interval(models[formula], method, parameter, level)))
    columns = ["Replicate", "Method", "Coefficient", "SE", "CI_low", "CI_high", "p"]
    return pd.DataFrame(found, columns=columns), truth


def _check_design(design: Mapping[str, object]) -> None:
    known = [name for name in signature(simulate_clusters).parameters if name != "seed"]
    for name in design:
        if name not in known:
            raise OptionError(
                f"simulate_clusters() has no argument {brief(name)}.{nearest_names(name, known)}"
            )


def _each(values: object) -> Iterable[object]:
    return values if isinstance(values, Iterable) and not isinstance(values, str) else [values]


def _fitted(formula: str, data: pd.DataFrame) -> object:
    """Return the model, or None where it cannot be fitted."""
    with warnings.catch_warnings():
        # Singular fits and few clusters are what a study is about; it does not repeat them.
        warnings.simplefilter("ignore", MlpoolWarning)
        try:
            return fit(formula, data)
        except (DataError, FitError):
            return None


def _interval(
    model: FittedModel | None, method: _Method, parameter: str, level: float
) -> tuple[float, ...]:
    """Return estimate, SE, bounds and p; NaN (counted by the study) where a fit or its df fail."""
    from scipy.stats import t as student

    if model is None:
        return (math.nan,) * 5
    L = np.zeros((1, len(model.names)))
    L[0, model.names.index(parameter)] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MlpoolWarning)
        try:
            parts = contrast_inference(
                model, L, vcov=method.vcov, cluster="cluster" if method.vcov else None,
                ci_method=method.ci_method,
            )  # fmt: skip
        except (DataError, FitError):
            return (math.nan,) * 5
    b, se, df = float(parts.estimate[0]), float(parts.se[0]), float(parts.df[0])
    half = float(student.ppf(0.5 * (1.0 + level), df)) * se
    p = 2.0 * float(student.sf(abs(b) / se, df)) if se > 0 else math.nan
    return b, se, b - half, b + half, p


def _check_methods(methods: Sequence[str], parameter: str) -> None:
    if not isinstance(methods, (list, tuple)) or not methods:
        raise OptionError("methods must be a list such as ['lm', 'lmer'].")
    for name in given_names(methods, "methods"):
        if name not in METHODS:
            raise OptionError(
                f"There is no method {brief(name)}; there are {', '.join(METHODS)}."
                + nearest_names(name, list(METHODS))
            )
    if "fixed" in methods and parameter != "x":
        raise OptionError(
            f"Cluster dummies leave nothing to estimate {brief(parameter)} from: drop 'fixed'."
        )


def _study(
    rows: list[dict[str, object]],
    kind: str,
    title: str,
    parameter: str,
    n_sims: int,
    truth: float,
    intervals: pd.DataFrame,
) -> ResultFrame:
    shares = ("Coverage", "Rejected", "MC_SE")
    return ResultFrame(
        data=pd.DataFrame(rows),
        layout=StudyLayout(
            title=title, percent=shares, whole=("Failed",),
            footers=(f"Parameter: {parameter} (truth {truth:g}); {n_sims} replicates.",),
        ),
        metadata={"kind": kind, "parameter": parameter, "truth": truth, "intervals": intervals},
    )  # fmt: skip


def progress_over(steps: Sequence[Any], show: bool | None) -> Iterator[Any]:
    """Yield the steps, with a bar on a terminal."""
    with Progress("simulating", " data sets", total=len(steps), show=show) as advance:
        for step in steps:
            yield step
            advance(1)
