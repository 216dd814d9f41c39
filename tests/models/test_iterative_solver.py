"""lmer by the iterative solver: what its tables say, what it can do, and what it refuses."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.errors import ConvergenceWarning, NotSupportedError, OptionError
from mlpool.models.mixed import LinearMixedModel

FORMULA = "rating ~ length + (length | user) + (1 | item)"


def rated() -> pd.DataFrame:
    """3,000 ratings of 60 items by 200 users."""
    rng = np.random.default_rng(4)
    n = 3_000
    user, item, length = rng.integers(0, 200, n), rng.integers(0, 60, n), rng.normal(size=n)
    rating = 3.0 + 0.4 * length + rng.normal(size=200)[user] + 0.6 * rng.normal(size=60)[item]
    rating += 0.5 * rng.normal(size=200)[user] * length + rng.normal(size=n)
    return pd.DataFrame({"rating": rating, "length": length, "user": user, "item": item})


@pytest.fixture(scope="module")
def fits() -> tuple[LinearMixedModel, LinearMixedModel]:
    """The exact fit, and the iterative one."""
    exact, found = (
        mlpool.lmer(FORMULA, rated(), control={"solver": s}) for s in ("cholesky", "iterative")
    )
    return exact, found


def test_the_table_says_its_errors_in_one_line(fits: tuple[LinearMixedModel, LinearMixedModel]):
    exact, found = fits
    text = str(mlpool.model_parameters(found))
    assert text.count("Fitted iteratively (seed 1); Monte Carlo errors: ") == 1
    assert text.splitlines()[-1].endswith("in -2 log-likelihood.")
    assert "iteratively" not in str(mlpool.model_parameters(exact))


def test_tables_are_those_of_the_exact_fit(fits: tuple[LinearMixedModel, LinearMixedModel]):
    """Average and observed information agree to some percent in 3,000 rows; so do df and SEs."""
    one, two = (
        mlpool.model_parameters(m, ci_method="satterthwaite", ci_random=True).to_pandas()
        for m in fits
    )
    assert two["Coefficient"].to_numpy() == pytest.approx(one["Coefficient"].to_numpy(), rel=2e-3)
    assert two["SE"].to_numpy() == pytest.approx(one["SE"].to_numpy(), rel=0.05)
    fixed = one["Effects"] == "fixed"
    assert two.loc[fixed, "df_error"].to_numpy() == pytest.approx(
        one.loc[fixed, "df_error"].to_numpy(), rel=0.02
    )
    assert two["CI_low"].to_numpy() == pytest.approx(one["CI_low"].to_numpy(), rel=0.03)


def test_modes_predictions_and_their_errors(fits: tuple[LinearMixedModel, LinearMixedModel]):
    exact, found = fits
    one, two = mlpool.ranef(exact), mlpool.ranef(found)
    for group in ("user", "item"):
        assert np.abs(two[group] - one[group]).to_numpy().max() < 1e-3
        assert (two.cond_sd[group] / one.cond_sd[group]).to_numpy() == pytest.approx(1.0, abs=0.01)
    new = rated().head(20)
    assert found.predict(new).to_numpy() == pytest.approx(exact.predict(new).to_numpy(), abs=1e-3)


def test_a_likelihood_ratio_says_its_error(fits: tuple[LinearMixedModel, LinearMixedModel]):
    small = mlpool.lmer("rating ~ length + (length | user)", rated())
    tables = [mlpool.anova(small, m) for m in fits]
    chi2 = [t.to_pandas()["Chi2"].iloc[-1] for t in tables]
    assert chi2[1] == pytest.approx(chi2[0], abs=0.5)
    assert "Monte Carlo" not in str(tables[0])
    assert "Chi2 of Model 2 has a Monte Carlo standard error of " in str(tables[1])
    assert "Monte Carlo standard error" in str(mlpool.test_likelihoodratio(small, fits[1]))
    assert "Monte Carlo standard error" in str(mlpool.ranova(fits[1]))


def test_a_likelihood_below_a_smaller_model_s_by_its_error_is_no_failed_search():
    """Without an item effect both models have one likelihood, but for the probes' error."""
    d = rated().assign(item=lambda d: np.arange(len(d)) % 60)
    d["rating"] -= d.groupby("item")["rating"].transform("mean")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = mlpool.lmer("rating ~ 1 + (1 | user)", d)
        for seed in (1, 2, 3):
            control = {"solver": "iterative", "seed": seed}
            big = mlpool.lmer("rating ~ 1 + (1 | user) + (1 | item)", d, control=control)
            chi2 = mlpool.anova(small, big).to_pandas()["Chi2"].iloc[-1]
            assert 0.0 <= chi2 < 0.5


@pytest.mark.parametrize(
    "ask, words",
    [
        (lambda m: mlpool.model_parameters(m, ci_method="kenward"), "satterthwaite"),
        (lambda m: mlpool.confint(m), "confint"),
    ],
)
def test_what_it_cannot_do_names_what_can(
    ask: object, words: str, fits: tuple[LinearMixedModel, LinearMixedModel]
):
    with pytest.raises(NotSupportedError, match=words):
        ask(fits[1])  # type: ignore[operator]


def test_settings_that_are_none_are_refused_in_a_sentence():
    d = rated()
    for control, words in (
        ({"solver": "iterativ"}, "Did you mean 'iterative'"),
        ({"seed": -1}, "seed"),
        ({"theta_error": 0}, "positive"),
    ):
        with pytest.raises(OptionError, match=words):
            mlpool.lmer(FORMULA, d, control=control)
    with pytest.raises(NotSupportedError, match="serves lmer"):
        mlpool.glmer(
            "up ~ 1 + (1 | user)", d.assign(up=(d["rating"] > 3) * 1), family="binomial",
            control={"solver": "iterative"},
        )  # fmt: skip


def test_an_error_above_what_was_asked_is_a_warning(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mlpool.engine.factorization.stochastic_lanczos.MOST_PROBES", 24)
    control = {"solver": "iterative", "deviance_error": 1e-6}
    with pytest.warns(ConvergenceWarning, match="Monte Carlo error is .* times what was asked"):
        mlpool.lmer("rating ~ length + (1 | user) + (1 | item)", rated(), control=control)


def test_a_bootstrap_fits_again_by_the_same_solver(
    fits: tuple[LinearMixedModel, LinearMixedModel],
):
    one, two = (mlpool.bootstrap(m, 3, seed=5).draws for m in fits)
    assert np.asarray(two) == pytest.approx(np.asarray(one), rel=1e-2, abs=1e-3)


def test_it_is_saved_and_pickled(tmp_path: Path, fits: tuple[LinearMixedModel, LinearMixedModel]):
    found = fits[1]
    found.save(tmp_path / "m.mlpool")
    for again in (mlpool.load_model(tmp_path / "m.mlpool"), pickle.loads(pickle.dumps(found))):
        assert str(mlpool.model_parameters(again)) == str(mlpool.model_parameters(found))
