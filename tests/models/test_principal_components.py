"""Principal components of random effects are lme4's: R 4.2.2, lme4's rePCA."""

from __future__ import annotations

import numpy as np
import pytest

import mlpool


def test_of_two_correlated_terms() -> None:
    """R: summary(rePCA(lmer(Reaction ~ Days + (Days | Subject), sleepstudy)))."""
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    table = mlpool.rePCA(m)
    # relative: lme4's theta is good to 1e-5
    np.testing.assert_allclose(table["SD"], [0.966867972252, 0.230879814201], rtol=2e-5)
    np.testing.assert_allclose(table["Proportion"], [0.94605, 0.05395], rtol=2e-4)
    np.testing.assert_allclose(abs(table["(Intercept)"]), [0.99986158, 0.01663769], rtol=1e-3)
    total = float(np.trace(mlpool.VarCorr(m)["Subject"])) / m.sigma**2
    assert (table["SD"] ** 2).sum() == pytest.approx(total, rel=1e-10)


def test_terms_of_one_group_stand_together_and_groups_apart() -> None:
    m = mlpool.lmer("Reaction ~ Days + (Days || Subject)", mlpool.load_data("sleepstudy"))
    table = mlpool.rePCA(m)
    assert table["Group"].to_list() == ["Subject", "Subject"]
    assert sorted(table["(Intercept)"]) == [0.0, 1.0]
    crossed = mlpool.lmer(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", mlpool.load_data("Penicillin")
    )
    assert mlpool.rePCA(crossed)["Proportion"].to_list() == [1.0, 1.0]
    assert mlpool.rePCA(crossed)["SD"].iloc[0] == pytest.approx(1.53967555431, rel=1e-5)


def test_models_without_random_effects() -> None:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    with pytest.raises(mlpool.NotSupportedError, match=r"rePCA\(\)"):
        mlpool.rePCA(m)
