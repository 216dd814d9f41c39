"""Power of a fitted model's tests: responses simulated from it, the model refitted to each.

What simr's ``powerSim(fit)`` does: every replicate draws new random effects and residuals, so that
power is that of repeating the study with other clusters of the same sizes.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from mlpool.argument_values import names as given_names
from mlpool.argument_values import seed_sequence
from mlpool.errors import (
    DataError,
    FitError,
    MlpoolWarning,
    NotSupportedError,
    OptionError,
    brief,
    nearest_names,
)
from mlpool.hypotheses.joint_tests import METHOD_NAMES, joint_inference
from mlpool.hypotheses.term_tests import terms_of
from mlpool.models.fitted import FittedModel
from mlpool.results import ResultFrame
from mlpool.teaching.studies import progress_over
from mlpool.teaching.studies_table import StudyLayout
from mlpool.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from mlpool.typing import SeedLike

_LEVEL = 0.95
"""Of the intervals of power."""


def power_of_model(
    m: FittedModel,
    parameter: object,
    *,
    n_sims: int,
    alpha: float,
    ci_method: str | None,
    seed: SeedLike | None,
    progress: bool | None,
) -> ResultFrame:
    """Return the power of the tests of a model's terms; see :func:`mlpool.simulate_power`."""
    tested = _tested(m, parameter)
    how = joint_inference(m, ci_method=ci_method)
    p = np.full((n_sims, len(tested)), np.nan)
    root = seed_sequence(seed)
    for i, child in enumerate(progress_over(root.spawn(n_sims), progress)):
        p[i] = _replicate(m, tested, how.method, np.random.default_rng(child))
    rows = []
    for column, (name, places) in zip(p.T, tested.items(), strict=True):
        found, count = int(np.sum(column < alpha)), int(np.sum(np.isfinite(column)))
        low, high = exact_interval(found, count)
        share = found / count if count else math.nan
        rows.append(
            {
                "Parameter": name,
                "Coefficient": float(m.fixef().iloc[places[0]]) if len(places) == 1 else math.nan,
                "Power": share, "CI_low": low, "CI_high": high, "Failed": n_sims - count,
            }
        )  # fmt: skip
    return ResultFrame(
        data=pd.DataFrame(rows),
        layout=StudyLayout(
            title="Power", percent=("Power", "CI_low", "CI_high"), whole=("Failed",),
            footers=(
                f"{n_sims} responses simulated from the model, which was refitted to each; tests "
                f"at {alpha:g} by {METHOD_NAMES[how.method]}.",
                "Intervals of the simulation's error: exact binomial, 95%.",
            ),
        ),
        metadata={
            "kind": "power_of_model", "alpha": alpha, "p": pd.DataFrame(p, columns=[*tested]),
        },
    )  # fmt: skip


def exact_interval(found: int, count: int, level: float = _LEVEL) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share (Clopper & Pearson 1934, Biometrika 26)."""
    if count == 0:
        return math.nan, math.nan
    tail = 0.5 * (1.0 - level)
    low = float(stats.beta.ppf(tail, found, count - found + 1)) if found else 0.0
    high = float(stats.beta.ppf(1.0 - tail, found + 1, count - found)) if found < count else 1.0
    return low, high


def _tested(m: FittedModel, parameter: object) -> dict[str, IntArray]:
    """Return the places of the coefficients of every hypothesis, by its name.

    Raises
    ------
    OptionError
        If there is no such coefficient or term.
    """
    terms = {t.label: t.columns for t in terms_of(m)}
    if parameter is None:
        if not terms:
            raise OptionError(
                "The model has no predictor whose power could be asked for; name "
                "parameter='(Intercept)' for the test of the mean."
            )
        return terms
    known = {name: np.array([i]) for i, name in enumerate(m.names)} | terms
    wanted = given_names(parameter, "parameter")
    for name in wanted:
        if name not in known:
            raise OptionError(
                f"parameter must name terms or coefficients of the model, among "
                f"{', '.join(known)}; got {brief(name)}.{nearest_names(name, known)}"
            )
    return {name: known[name] for name in wanted}


def _replicate(
    m: FittedModel, tested: dict[str, IntArray], method: str, rng: np.random.Generator
) -> FloatArray:
    """Return the p-values of one simulated response; NaN where it cannot be fitted or tested."""
    with warnings.catch_warnings():
        # Singular fits are part of what is simulated; a study does not repeat their messages.
        warnings.simplefilter("ignore", MlpoolWarning)
        try:
            again = m.refit(m.simulate(1, seed=rng)["sim_1"])
            how = joint_inference(again, ci_method=method)
            eye = np.eye(len(again.names))
            return np.array([how.test(eye[places]).p for places in tested.values()])
        except (DataError, FitError, NotSupportedError):
            return np.full(len(tested), np.nan)
