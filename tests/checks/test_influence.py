"""Influence against R's, lme4's and performance's numbers (r/influence.R), and refits."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.errors import ConvergenceWarning, NotSupportedError, OptionError
from tests.tolerances import REL_GLM, REL_OLS

R = json.loads((Path(__file__).parent / "r" / "influence.json").read_text())


def _r(values: Any) -> np.ndarray:
    return np.array([np.nan if v == "Inf" else v for v in np.ravel(values)], dtype=float).reshape(
        np.shape(values)
    )


@pytest.fixture(scope="module")
def growth() -> pd.DataFrame:
    d = mlpool.load_data("Orthodont")
    return d.assign(
        Sex=d["Sex"].astype(str), w=1.0 + (np.arange(len(d)) + 1) % 3, tall=1.0 * (d.distance > 24)
    )


@pytest.fixture(scope="module")
def slopes() -> Any:
    return mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))


@pytest.mark.parametrize("name", ["lm", "glm", "gamma"])
def test_single_rows_equal_r(name: str, growth: pd.DataFrame) -> None:
    if name == "lm":
        m: Any = mlpool.lm("distance ~ age + Sex", growth, weights="w")
    elif name == "glm":
        m = mlpool.glm("tall ~ age + Sex", growth, family="binomial")
    else:
        m = mlpool.glm("distance ~ age + Sex", growth, family="Gamma(log)", weights="w")
    tolerance = REL_OLS if name == "lm" else REL_GLM
    # a change of a row whose residual is zero is zero but for rounding
    close = {"rtol": tolerance, "atol": 1e-10}
    np.testing.assert_allclose(mlpool.dfbeta(m), _r(R[name]["dfbeta"]), **close)
    np.testing.assert_allclose(mlpool.dfbetas(m), _r(R[name]["dfbetas"]), **close)
    np.testing.assert_allclose(mlpool.cooks_distance(m), _r(R[name]["cook"]), **close)
    np.testing.assert_allclose(mlpool.hatvalues(m), _r(R[name]["hat"]), **close)
    found = mlpool.influence(m)
    pd.testing.assert_series_equal(found.cooks_distance, mlpool.cooks_distance(m))
    pd.testing.assert_frame_equal(found.dfbetas, mlpool.dfbetas(m))


@pytest.mark.parametrize("name", ["sleep", "cbpp"])
def test_groups_of_mixed_models_equal_lme4s(name: str, slopes: Any) -> None:
    if name == "sleep":
        m, group, tolerance = slopes, "Subject", 1e-4
    else:
        m = mlpool.glmer(
            "cbind(incidence, size - incidence) ~ period + (1 | herd)", mlpool.load_data("cbpp"),
            family="binomial",
        )  # fmt: skip
        group, tolerance = "herd", 2e-4  # lme4's Hessian is a finite difference
    found, r = mlpool.influence(m, group), R[name]
    assert list(found.cooks_distance.index) == r["labels"]
    size = np.abs(_r(r["dfbetas"])).max()
    np.testing.assert_allclose(found.dfbetas, _r(r["dfbetas"]), atol=tolerance * size)
    change = _r(r["dfbeta"])
    np.testing.assert_allclose(found.dfbeta, change, atol=tolerance * np.abs(change).max())
    J, p = found.dfbeta.shape
    lme4 = found.cooks_distance * (J - p) / J
    np.testing.assert_allclose(lme4, _r(r["cook"]), rtol=0, atol=tolerance * max(r["cook"]))
    pd.testing.assert_series_equal(mlpool.cooks_distance(m, group), found.cooks_distance)
    sd = found.without[f"sd_(Intercept)|{group}"]
    column = 1 if name == "sleep" else 0
    np.testing.assert_allclose(sd**2, _r(r["varcov"])[:, column], rtol=2e-3, atol=1e-6)


def test_r_asks_what_influence_returned(slopes: Any) -> None:
    found = mlpool.influence(slopes, "Subject", refit=False)
    assert mlpool.cooks_distance(found) is found.cooks_distance
    assert mlpool.dfbeta(found) is found.dfbeta
    assert mlpool.dfbetas(found) is found.dfbetas
    with pytest.raises(OptionError, match="belong to influence"):
        mlpool.dfbetas(found, "Subject")


def test_single_rows_of_mixed_models_keep_theta(slopes: Any) -> None:
    np.testing.assert_allclose(mlpool.cooks_distance(slopes), R["sleep"]["case_cook"], rtol=1e-4)
    np.testing.assert_allclose(mlpool.hatvalues(slopes), R["sleep"]["hat"], rtol=1e-5)


def test_linear_groups_are_those_of_refits(growth: pd.DataFrame) -> None:
    m = mlpool.lm("distance ~ age * Sex", growth, weights="w", offset="tall")
    found = mlpool.influence(m, "age")
    for age in ("8", "14"):
        rest = growth[growth["age"].astype(str) != age]
        other = mlpool.lm("distance ~ age * Sex", rest, weights="w", offset="tall")
        change = m.fixef() - other.fixef()
        np.testing.assert_allclose(found.dfbeta.loc[age], change, rtol=1e-9)
        np.testing.assert_allclose(found.without.loc[age, m.names], other.fixef(), rtol=1e-9)
        assert found.without.loc[age, "sigma"] == pytest.approx(other.sigma, rel=1e-9)
        want = float(change @ np.linalg.solve(m.vcov(), change)) / 4
        assert found.cooks_distance[age] == pytest.approx(want, rel=1e-9)
        unscaled = np.sqrt(np.diag(m.vcov())) / m.sigma * other.sigma
        np.testing.assert_allclose(found.dfbetas.loc[age], change / unscaled, rtol=1e-8)


def test_generalised_groups_are_refits(growth: pd.DataFrame) -> None:
    m = mlpool.glm("tall ~ age + Sex", growth, family="binomial")
    found = mlpool.influence(m, growth["age"].to_numpy())
    assert found.is_refit
    rest = mlpool.glm("tall ~ age + Sex", growth[growth["age"] != 10], family="binomial")
    np.testing.assert_allclose(found.dfbeta.loc["10"], m.fixef() - rest.fixef(), rtol=1e-6)
    step = mlpool.influence(m, "age", refit=False)
    # one step is near, and nearest where little is left out
    assert 0.5 < (step.dfbeta / found.dfbeta)["age"].median() < 1.5


def test_fixed_theta_is_the_dense_deletion(slopes: Any) -> None:
    """A slow twin: generalised least squares with V of the fit, without the rows."""
    d = mlpool.load_data("sleepstudy").assign(w=lambda x: 1.0 + x["Days"] % 2)
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d, weights="w")
    found = mlpool.influence(m, "Subject", refit=False)
    assert not found.is_refit
    X, y = m.design.X.dense(), m.design.y
    codes = np.asarray(m.design.random[0].codes)
    block = m.varcorr().blocks[0].vcov
    V = np.diag(m.sigma**2 / d["w"].to_numpy())
    V += (codes[:, None] == codes) * (X @ block @ X.T)
    for j, level in enumerate(m.design.random[0].levels[:3]):
        keep = codes != j
        inverse = np.linalg.inv(V[np.ix_(keep, keep)])
        cov = np.linalg.inv(X[keep].T @ inverse @ X[keep])
        beta = cov @ X[keep].T @ inverse @ y[keep]
        np.testing.assert_allclose(found.without.loc[level], beta, rtol=1e-8)
        want = (m.fixef() - beta) / np.sqrt(np.diag(cov))
        np.testing.assert_allclose(found.dfbetas.loc[level], want, rtol=1e-6)
    rows = mlpool.dfbeta(m, refit=False)
    keep = np.arange(180) != 7
    inverse = np.linalg.inv(V[np.ix_(keep, keep)])
    beta = np.linalg.solve(X[keep].T @ inverse @ X[keep], X[keep].T @ inverse @ y[keep])
    np.testing.assert_allclose(rows.iloc[7], m.fixef() - beta, rtol=1e-6)


def test_crossed_factors_are_fitted_again() -> None:
    d = mlpool.load_data("Penicillin")
    m = mlpool.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", d)
    found = mlpool.influence(m, "sample")
    rest = mlpool.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", d[d["sample"] != "B"])
    assert found.without.loc["B", "(Intercept)"] == pytest.approx(rest.fixef().iloc[0], rel=1e-6)
    assert found.without.loc["B", "sigma"] == pytest.approx(rest.sigma, rel=1e-5)
    assert found.dfbetas.loc["B"].iloc[0] == pytest.approx(
        (m.fixef() - rest.fixef()).iloc[0] / rest.se.iloc[0], rel=1e-4
    )


def test_values_have_no_units(growth: pd.DataFrame) -> None:
    other = growth.assign(distance=growth["distance"] * 1e-9, age=growth["age"] * 1e6 + 3e7)
    for fit in (
        lambda d: mlpool.lm("distance ~ age", d),
        lambda d: mlpool.lmer("distance ~ age + (1 | Subject)", d),
    ):
        for group in (None, "Sex"):
            a = mlpool.influence(fit(growth), group, refit=False)
            b = mlpool.influence(fit(other), group, refit=False)
            np.testing.assert_allclose(a.cooks_distance, b.cooks_distance, rtol=1e-5)
            np.testing.assert_allclose(a.dfbetas["age"], b.dfbetas["age"], rtol=1e-4, atol=1e-7)


def test_coefficients_that_a_deletion_loses_are_missing(growth: pd.DataFrame) -> None:
    boys = growth[growth["Sex"] == "Male"].copy()
    boys.loc[boys.index[:3], "Sex"] = "Female"
    m = mlpool.lm("distance ~ age + Sex", boys)
    found = mlpool.influence(m, boys["Sex"].to_numpy())
    assert found.dfbeta.loc["Female"].isna().all()
    g = mlpool.lmer("distance ~ age + Sex + (1 | Subject)", boys)
    with pytest.warns(ConvergenceWarning, match=r"Without 2 of the 2 levels of 'Group' \(F"):
        again = mlpool.influence(g, boys["Sex"].to_numpy())
    assert again.cooks_distance.isna().all()
    one = boys.assign(x=[1.0] + [0.0] * (len(boys) - 1))
    alone = mlpool.influence(mlpool.lm("distance ~ age + x", one))
    assert alone.dfbeta.iloc[0].isna().all()
    assert alone.dfbeta.iloc[1:].notna().all().all()


def test_absorbed_factors_have_all_their_coefficients() -> None:
    d = mlpool.load_data("hsb82").iloc[:600]
    absorbed = mlpool.lm("math ~ ses + school", d, engine="mlpool")
    dense = mlpool.lm("math ~ ses + school", d, engine="statsmodels")
    ours, want = mlpool.dfbeta(absorbed), mlpool.dfbeta(dense)
    np.testing.assert_allclose(ours[want.columns], want, rtol=1e-6, atol=1e-9)


def test_mahalanobis_distances_are_performances(growth: pd.DataFrame) -> None:
    m = mlpool.lm("distance ~ age + Sex + I(age^2) * Sex", growth)
    found, r = mlpool.check_outliers(m, method="mahalanobis"), R["mahalanobis"]
    np.testing.assert_allclose(found.distance, r["distance"], rtol=1e-6)
    assert found.threshold == pytest.approx(r["threshold"], rel=1e-12)
    assert not found
    some = mlpool.check_outliers(m, method="mahalanobis", threshold=4.5)
    assert [i + 1 for i in some.positions] == np.ravel(r["outliers"]).tolist()
    assert str(found).splitlines()[1:] == [
        "- Based on the following method and threshold: mahalanobis (18.47).",
        "- For variables: age, SexMale, I(age^2), SexMale:I(age^2)",
    ]
    assert list(found.to_pandas().columns) == ["Distance_Mahalanobis", "Outlier"]
    with pytest.raises(NotSupportedError, match="this model has none"):
        mlpool.check_outliers(mlpool.lm("distance ~ 1", growth), method="mahalanobis")


def test_the_table_shows_the_largest(slopes: Any) -> None:
    text = str(mlpool.influence(slopes, "Subject"))
    assert text.splitlines()[4].startswith("309     |   10 |     0.15 |")
    assert "The 10 largest of 18; to_pandas() has all." in text
    assert "Fitted again without each." in text


def test_mistakes_are_answered_in_a_sentence(growth: pd.DataFrame, slopes: Any) -> None:
    with pytest.raises(OptionError, match="needs a fitted model"):
        mlpool.influence(growth)  # type: ignore[arg-type]
    with pytest.raises(mlpool.MlpoolError, match="subject"):
        mlpool.influence(slopes, "subject")
    with pytest.raises(OptionError, match="refit must be True or False"):
        mlpool.influence(slopes, "Subject", refit="no")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="needs two or more; Group has 1"):
        mlpool.influence(slopes, ["a"] * 180)
    with pytest.raises(NotSupportedError, match="does not serve models with a residual"):
        mlpool.influence(mlpool.gls("distance ~ age", growth, correlation="cs(1 | Subject)"))


# --- all_fit ------------------------------------------------------------------------------------


def test_all_fits_of_a_good_model_agree(slopes: Any) -> None:
    found = mlpool.all_fit(slopes, 4)
    assert list(found["Fit"])[:2] == ["as fitted", "start: SDs of one"]
    assert list(found["Fit"])[-1] == "statsmodels"
    assert found.agree
    assert found["Difference"].max() < 1e-6
    # R: summary(allFit(m))$sdcor of seven optimisers
    np.testing.assert_allclose(found["sd_(Intercept)|Subject"], 24.7405, rtol=1e-4)
    assert "agree: deviances differ by up to" in str(found)


def test_all_fits_say_what_another_engine_cannot_do() -> None:
    m = mlpool.lmer(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", mlpool.load_data("Penicillin"), reml=False
    )
    found = mlpool.all_fit(m, 1)
    assert "statsmodels' MixedLM fits one grouping factor" in str(found)
    assert found["Deviance"].iloc[1] == pytest.approx(-2 * m.loglik, rel=1e-10)


def test_all_fits_start_at_the_same_place_in_any_unit() -> None:
    d = mlpool.load_data("sleepstudy")
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d)
    far = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d.assign(Days=d["Days"] * 1e6))
    a, b = mlpool.all_fit(m, 5, seed=3), mlpool.all_fit(far, 5, seed=3)
    assert a.agree
    assert b.agree
    np.testing.assert_allclose(a["sd_Days|Subject"], b["sd_Days|Subject"] * 1e6, rtol=1e-4)


def test_fits_that_end_apart_do_not_agree(monkeypatch: pytest.MonkeyPatch, slopes: Any) -> None:
    module = sys.modules["mlpool.checks.all_fit"]
    monkeypatch.setattr(module, "CLOSE", -1.0)
    found = mlpool.all_fit(slopes, 1)
    assert not found.agree
    assert "converged and do not agree" in str(found)


def test_all_fit_needs_random_effects(growth: pd.DataFrame, slopes: Any) -> None:
    with pytest.raises(NotSupportedError, match="needs a model with random effects"):
        mlpool.all_fit(mlpool.lm("distance ~ age", growth))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="n must be"):
        mlpool.all_fit(slopes, 0)
