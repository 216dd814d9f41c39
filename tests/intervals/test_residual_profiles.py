"""Profile and bootstrap intervals of models with a residual structure."""

from __future__ import annotations

import numpy as np
import pytest

import mlpool

SLEEP = mlpool.load_data("sleepstudy").assign(D1=lambda d: d["Days"] + 1)


def profiles(m, *parm):
    table = mlpool.confint(m, list(parm) or None, method="profile")
    return table.to_numpy()


def test_bounds_are_where_nlmes_likelihood_has_fallen():
    """Numbers of r/residual_profiles.R."""
    m = mlpool.gls("Reaction ~ Days", SLEEP, correlation="corAR1(form = ~ Days | Subject)")
    expected = [[0.7030629852, 0.8696535266], [7.15353785, 13.77993194]]
    assert profiles(m, "phi", "Days") == pytest.approx(np.array(expected), rel=1e-7)
    m = mlpool.gls("Reaction ~ Days", SLEEP, dispersion="~ power(D1)")
    assert profiles(m, "power") == pytest.approx(np.array([[0.1994231666, 0.4738216756]]), rel=1e-7)


@pytest.mark.slow
def test_random_effects_have_the_profiles_of_lmer():
    formula = "Reaction ~ Days + (Days | Subject)"
    m = mlpool.lmer(formula, SLEEP, dispersion="~ 1")
    lmer = mlpool.confint(mlpool.lmer(formula, SLEEP), oldNames=False)
    found = mlpool.confint(m, method="profile")
    # rows: both SDs, their correlation, sigma, coefficients; lme4 has the correlation second
    assert found.to_numpy() == pytest.approx(lmer.to_numpy()[[0, 2, 1, 3, 4, 5]], rel=1e-5)
    assert list(found.index)[:2] == list(mlpool.confint(m).index)[:2]


def test_compound_symmetry_has_the_profiles_of_a_random_intercept():
    """rho = tau^2 / (tau^2 + sigma^2): coefficients and total variance have equal profiles."""
    cs = mlpool.gls("Reaction ~ Days", SLEEP, correlation="cs(1 | Subject)")
    intercept = mlpool.confint(mlpool.lmer("Reaction ~ Days + (1 | Subject)", SLEEP), "beta_")
    assert profiles(cs, "beta_") == pytest.approx(intercept.to_numpy(), rel=1e-5)


def test_units_move_no_bound():
    m = mlpool.gls("Reaction ~ Days", SLEEP, correlation="car1(Days | Subject)", dispersion="~ D1")
    scaled = SLEEP.assign(Reaction=SLEEP["Reaction"] * 1e-9, D1=SLEEP["D1"] * 1e6)
    other = mlpool.gls(
        "Reaction ~ Days", scaled, correlation="car1(Days | Subject)", dispersion="~ D1"
    )
    one, two = profiles(m), profiles(other)
    unit = np.array([1e-9, 1.0, 1e-6, 1e-9, 1e-9])[:, None]
    assert two == pytest.approx(one * unit, rel=1e-5)


@pytest.mark.filterwarnings("ignore::mlpool.SingularFitWarning")
def test_a_bound_that_the_data_do_not_give_is_the_end_of_the_range():
    rng = np.random.default_rng(3)
    d = SLEEP.assign(y=rng.normal(size=180))
    m = mlpool.gls("y ~ Days", d, correlation="corExp(form = ~ Days | Subject)")
    low, high = profiles(m, "range")[0]
    assert 0.0 <= low < high


def test_bootstrap_intervals_stand_in_the_rows_of_the_others():
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", SLEEP, dispersion="~ D1")
    drawn = mlpool.bootstrap(m, 5, seed=2)
    found = mlpool.confint(m, method="boot", nsim=5, seed=2)
    assert list(found.index) == list(mlpool.confint(m).index)
    own = drawn.confint()
    for row, name in ((0, "sd_(Intercept)|Subject"), (1, "sd_Days|Subject"), (4, "expon")):
        assert found.iloc[row].to_numpy() == pytest.approx(own.loc[name].to_numpy())
    assert found.loc["Days"].to_numpy() == pytest.approx(own.loc["Days"].to_numpy())


def test_what_profiles_do_not_take_is_said():
    m = mlpool.gls("Reaction ~ Days", SLEEP, correlation="cs(1 | Subject)")
    with pytest.raises(mlpool.OptionError, match="go with method='Wald'"):
        mlpool.confint(m, method="profile", vcov="CR0")
    with pytest.raises(mlpool.OptionError, match="method must be one of"):
        mlpool.confint(m, method="bayes")
