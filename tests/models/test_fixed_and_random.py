"""A factor among the fixed effects that is a grouping factor as well (lme4's GH 457)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.designs.engine_data import as_lmm_data
from tests.twins.dense_lmm import dense_fit

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")

# lme4 1.1-31: REMLcrit(lmer(formula, data)); its theta of the repeated factor is where the
# optimiser happened to stop, because the criterion does not depend on it.
LME4 = {
    ("diameter ~ sample + (1 | plate) + (1 | sample)", "Penicillin"): 308.279314,
    ("strength ~ cask + (1 | batch) + (1 | cask)", "Pastes"): 296.0277737,
    ("Reaction ~ Subject + Days + (1 | Subject) + (1 | Days)", "sleepstudy"): 1611.300722,
}


@pytest.mark.parametrize(("formula", "data"), LME4)
def test_lme4s_criterion_and_a_variance_of_zero(formula: str, data: str, capfd) -> None:
    m = mlpool.lmer(formula, mlpool.load_data(data))
    assert m.criterion == pytest.approx(LME4[formula, data], rel=1e-8)
    assert m.theta.min() == 0.0 and m.is_singular
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def design(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng([5, seed])
    n = int(rng.integers(30, 90))
    site = np.append(np.arange(12), rng.integers(0, 12, n - 12))
    return pd.DataFrame(
        {
            "y": rng.normal(size=n) + rng.normal(size=12)[site],
            "site": [f"s{v}" for v in site],
            "t": np.where(site < 6, "control", "treated"),
            "year": [f"y{v}" for v in np.append(np.arange(4), rng.integers(0, 4, n - 4))],
            "x": rng.normal(size=n),
        }
    )


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ t + (1 | t/site)",
        "y ~ year + (1 | year) + (1 | site)",
        "y ~ year * x + (x | year) + (1 | site)",
    ],
)
def test_every_design_is_fitted_and_the_repeated_factor_has_no_say(formula: str, capfd) -> None:
    for seed in range(12):
        m = mlpool.lmer(formula, design(seed))
        data = as_lmm_data(m.design)
        assert m.criterion == pytest.approx(dense_fit(data, m.theta, reml=True).value, rel=1e-9)
        without = mlpool.lmer(
            formula.replace("t/site", "site")
            .replace(" + (1 | year)", "")
            .replace(" + (x | year)", ""),
            design(seed),
        )
        assert m.criterion == pytest.approx(without.criterion, rel=1e-7)
    assert capfd.readouterr().err == ""


def test_ml_puts_the_repeated_variance_at_zero() -> None:
    m = mlpool.lmer(
        "diameter ~ sample + (1 | plate) + (1 | sample)",
        mlpool.load_data("Penicillin"), reml=False,
    )  # fmt: skip
    assert m.theta == pytest.approx([1.539678, 0.0], abs=2e-6)
