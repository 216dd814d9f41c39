"""`confint` and `profile` against R: the reference files, lme4 and MASS on bundled data."""

from __future__ import annotations

import json
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import mlpool
from mlpool import confint, profile
from mlpool.errors import ConvergenceWarning, NotSupportedError, OptionError, SingularFitWarning
from mlpool.refits.likelihood_profiles import curves_of

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import find_shared
from reference.prepare import load_cases, load_data

_FOLDER = find_shared()
CASES = {c["id"]: c for c in load_cases(_FOLDER, "confint")} if _FOLDER else {}
IDS = sorted(CASES) or ["absent"]

OF_WIDTH = 2e-3
"""The README's tolerance of profile bounds, a share of the interval: R interpolates by splines."""
BINOMIAL = "cbind(incidence, size - incidence) ~ period"


def _case(name: str) -> Any:
    assert _FOLDER is not None
    case = CASES[name]
    data, _ = load_data(_FOLDER, case)
    if "glmer" in case["call"]:
        return mlpool.glmer(case["formula"], data, family="binomial")
    return mlpool.lmer(case["formula"], data, reml=case["REML"])


def _error(found: pd.DataFrame, low: Any, high: Any) -> np.ndarray:
    expected = np.column_stack([low, high]).astype(float)
    return np.abs(found.to_numpy() - expected) / np.diff(expected, axis=1)


@pytest.mark.parametrize("name", IDS)
def test_reference_profiles(name: str, shared: Path) -> None:
    m = _case(name)
    for key, table in CASES[name]["result"]["profile"].items():
        found = confint(m, level=float(key.removeprefix("level_")), oldNames=False)
        assert list(found.index) == table["names"], key
        assert _error(found, table["low"], table["high"]).max() < OF_WIDTH, key


@pytest.mark.parametrize("name", IDS)
def test_reference_wald(name: str, shared: Path) -> None:
    m = _case(name)
    for key, table in CASES[name]["result"]["wald"].items():
        found = confint(m, level=float(key.removeprefix("level_")), method="Wald")
        assert list(found.index) == table["names"], key
        expected = np.column_stack([table["low"], table["high"]]).astype(float)
        # README: 1e-6; the errors of glmer come from lme4's finite-difference Hessian: 5e-4
        tolerance = 1e-6 if m.kind == "lmer" else 5e-4
        np.testing.assert_allclose(found, expected, rtol=tolerance, equal_nan=True)


# --- R on bundled data --------------------------------------------------------------------------


def _sleep() -> pd.DataFrame:
    d = mlpool.load_data("sleepstudy")
    return d.assign(
        slow=(d["Reaction"] > 290).astype(int), x=d["Days"] / 9, count=np.round(d["Reaction"] / 20)
    )


def _fit(name: str) -> Any:
    cbpp, pen = mlpool.load_data("cbpp"), mlpool.load_data("Penicillin")
    pen["high"] = (pen["diameter"] > 22).astype(int)
    match name:
        case "slope_binomial":
            return mlpool.glmer("slow ~ x + (x | Subject)", _sleep(), family="binomial")
        case "nagq":
            return mlpool.glmer(f"{BINOMIAL} + (1 | herd)", cbpp, family="binomial", nAGQ=9)
        case "crossed_binomial":
            formula = "high ~ 1 + (1 | plate) + (1 | sample)"
            return mlpool.glmer(formula, pen, family="binomial")
        case "poisson":
            return mlpool.glmer("count ~ x + (1 | Subject)", _sleep(), family="poisson")
        case "probit":
            return mlpool.glmer("slow ~ x + (1 | Subject)", _sleep(), family="binomial(probit)")
        case "three_columns":
            return mlpool.lmer("Reaction ~ x + I(x^2) + (1 | Subject)", _sleep(), reml=False)
        case "factor_slope":
            ortho = mlpool.load_data("Orthodont")
            return mlpool.lmer("distance ~ age + Sex + (1 | Subject)", ortho)
        case "glm":
            return mlpool.glm(BINOMIAL, cbpp, family="binomial")
    return mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))


R = json.loads((Path(__file__).parent / "r" / "profile.json").read_text())
LOOSE = {
    # Steep, bent profiles, of which lme4's splines see a dozen points; see the twin below.
    "slope_binomial": 0.02,
    "crossed_binomial": 5e-3,
}


@pytest.mark.parametrize("name", [name for name in R if name not in ("lm", "versions")])
def test_profiles_as_lme4_and_mass(name: str) -> None:
    m = _fit(name)
    found = confint(m)
    assert list(found.index) == R[name]["names"]
    assert _error(found, R[name]["low"], R[name]["high"]).max() < LOOSE.get(name, OF_WIDTH)
    if name == "glm":
        np.testing.assert_allclose(confint(m, method="wald"), R[name]["wald"], rtol=1e-6)


def test_lm_as_r() -> None:
    m = _fit("lm")
    found = confint(m, level=0.9)
    assert list(found.columns) == R["lm"]["columns"] == ["5 %", "95 %"]
    np.testing.assert_allclose(found, np.column_stack([R["lm"]["low"], R["lm"]["high"]]))
    pd.testing.assert_frame_equal(found, m.confint(level=0.9, method="profile"))
    robust = confint(m, vcov="CR2", cluster="Subject")
    half = np.diff(robust.to_numpy(), axis=1)[:, 0] / 2
    se = np.sqrt(np.diag(m.vcov("CR2", "Subject")))
    np.testing.assert_allclose(half / se, 1.9734, rtol=1e-4)  # R: qt(0.975, 178)
    with pytest.warns(mlpool.FewClustersWarning):
        clustered = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"), cluster="Subject")
    assert not np.allclose(confint(clustered), confint(m))


# --- twins --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_glmm_bounds_are_where_another_minimiser_says() -> None:
    """At each bound the deviance, minimised without gradients, has risen by qchisq(.95, 1)."""
    m = _fit("slope_binomial")
    for position in (0, 1, 2, 4):
        curve = curves_of(m)[position]
        for side in (curve.low, curve.high):
            bound = side.bound(1.959963984540054)
            if abs(bound) == 1.0:
                continue
            model, path = side._model, side._path
            objective, x, _, lowest, _ = model.made
            x0, N = path(bound)
            start = np.linalg.lstsq(N, x - x0, rcond=None)[0]
            rough = minimize(
                lambda z, o=objective, x0=x0, N=N: o.state(x0 + N @ z).value, start,
                method="Nelder-Mead", options={"maxiter": 3000, "xatol": 1e-6, "fatol": 1e-8},
            )  # fmt: skip
            assert rough.fun - lowest == pytest.approx(3.841458820694124, abs=2e-3)


def test_reordering_columns_changes_no_bound() -> None:
    d = _sleep()
    first = mlpool.glmer("slow ~ x + (x | Subject)", d, family="binomial")
    second = mlpool.glmer("slow ~ x + (0 + x + 1 | Subject)", d, family="binomial")
    a, b = confint(first, "theta_"), confint(second, "theta_")
    np.testing.assert_allclose(np.sort(a, axis=0), np.sort(b, axis=0), rtol=1e-4, atol=1e-4)


def test_a_normal_likelihood_has_a_straight_profile() -> None:
    m = mlpool.glm("Reaction ~ Days", mlpool.load_data("sleepstudy"), family="gaussian")
    frame = profile(m).frame
    for name, own in frame.groupby("Parameter"):
        z = (own["Value"] - m.fixef()[name]) / m.se[name]
        np.testing.assert_allclose(own["zeta"], z, atol=1e-5)


# --- the profile object -------------------------------------------------------------------------


def test_frame_and_bounds_belong_together() -> None:
    m = mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff"), reml=False)
    p = profile(m)
    assert p.names == (".sig01", ".sigma", "(Intercept)")
    frame = p.frame
    assert list(frame.columns) == ["Parameter", "Value", "zeta"]
    bounds = p.confint(level=0.95)
    for name, own in frame.groupby("Parameter"):
        assert (np.diff(own["Value"]) >= 0).all()
        assert (np.diff(own["zeta"]) > -1e-5).all()
        assert len(own) > 10
        for side, sign in (("2.5 %", -1), ("97.5 %", 1)):
            at = np.interp(bounds.loc[name, side], own["Value"], own["zeta"])
            assert at == pytest.approx(sign * 1.96, abs=0.02)
    ml = m.varcorr().to_frame()["sdcor"]
    np.testing.assert_allclose(p.estimate[:2], ml, rtol=1e-4)
    assert "Profile (likelihood): Yield ~ 1 + (1 | Batch)" in repr(p)
    again = pickle.loads(pickle.dumps(p))
    pd.testing.assert_frame_equal(again.confint(), p.confint())


def test_parm_and_names() -> None:
    m = mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff"))
    assert list(confint(m, "theta_").index) == [".sig01", ".sigma"]
    assert list(confint(m, "beta_", method="Wald").index) == ["(Intercept)"]
    assert list(confint(m, ".sigma").index) == [".sigma"]
    assert list(m.confint([2, 0], oldNames=False).index) == ["(Intercept)", "sd_(Intercept)|Batch"]
    p = profile(m, "theta_", oldNames=False)
    assert p.names == ("sd_(Intercept)|Batch", "sigma")
    assert list(p.confint("sigma").index) == ["sigma"]
    assert "ML refit of a REML fit" in repr(p)


@pytest.mark.parametrize(
    ("level", "names"),
    [
        (0.95, ["2.5 %", "97.5 %"]),
        (0.9, ["5 %", "95 %"]),
        (0.999, ["0.05 %", "99.95 %"]),
        (0.683, ["15.8 %", "84.2 %"]),
        (1 / 3, ["33.3 %", "66.7 %"]),
    ],
)
def test_columns_are_named_as_in_r(level: float, names: list[str]) -> None:
    m = mlpool.lm("Yield ~ 1", mlpool.load_data("Dyestuff"))
    assert list(confint(m, level=level).columns) == names


def test_curves_are_found_once() -> None:
    m = mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff"))
    confint(m)
    seen = sum(len(curve.low.seen) for curve in curves_of(m))
    confint(m)
    profile(m).confint()
    assert sum(len(curve.low.seen) for curve in curves_of(m)) == seen


def test_boot() -> None:
    m = mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff"))
    found = confint(m, method="boot", nsim=60, seed=1, boot_type="basic")
    drawn = mlpool.bootstrap(m, 60, seed=1)
    assert list(found.index) == [".sig01", ".sigma", "(Intercept)"]
    np.testing.assert_array_equal(found, drawn.confint(method="basic"))
    case = confint(m, "beta_", method="boot", nsim=60, seed=1, type="case", cluster="Batch")
    assert case.shape == (1, 2)


def test_model_parameters_has_profiles_of_generalised_mixed_models() -> None:
    m = _fit("nagq")
    table = mlpool.model_parameters(m, ci_method="profile").data
    bounds = confint(m)
    np.testing.assert_allclose(table.loc[:3, ["CI_low", "CI_high"]], bounds.iloc[1:])
    np.testing.assert_allclose(table.loc[4, ["CI_low", "CI_high"]].astype(float), bounds.iloc[0])


# --- boundaries and open ends -------------------------------------------------------------------


def _noise(family: str) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"g": np.repeat(np.arange(20), 10).astype(str)})
    d["x"] = np.tile(np.arange(10) / 9, 20)
    counts = rng.poisson(3, 200)
    d["y"] = counts if family == "poisson" else rng.binomial(1, 0.5, 200)
    if family == "Gamma":
        d["y"] = rng.gamma(2.0, 1.0, 200)
    return d


@pytest.mark.parametrize("family", ["poisson", "Gamma"])
def test_a_glmm_with_a_variance_of_zero(family: str) -> None:
    with pytest.warns(SingularFitWarning):
        m = mlpool.glmer(
            "y ~ x + (1 | g)", _noise(family), family=f"{family}(log)", control={"progress": False}
        )
    with pytest.warns(SingularFitWarning, match=r"is singular: \.sig01 is estimated as 0"):
        found = confint(m)
    assert found.iloc[0, 0] == 0.0
    assert 0.05 < found.iloc[0, 1] < 0.5
    plain = mlpool.glm("y ~ x", _noise(family), family=f"{family}(log)")
    # The likelihood is that of the glm near the estimate; its profile also frees the variance
    if family == "poisson":
        np.testing.assert_allclose(found.loc[["(Intercept)", "x"]], confint(plain), atol=0.02)
    else:
        assert ".sigma" in found.index
    assert profile(m).notes() == (".sig01 is estimated as 0",)


def test_a_glmm_with_a_correlation_of_one() -> None:
    with pytest.warns(SingularFitWarning):
        m = mlpool.glmer("y ~ x + (x | g)", _noise("binomial"), family="binomial")
    with pytest.warns(SingularFitWarning, match=r"\.sig02 is estimated as -1"):
        found = confint(m)
    assert found.loc[".sig03", "2.5 %"] == 0.0
    # a slope SD of zero is within the limit, and with it every correlation
    assert found.loc[".sig02"].tolist() == [-1.0, 1.0]
    assert np.isfinite(found.to_numpy()).all()


def test_an_lmm_with_a_variance_of_zero() -> None:
    with pytest.warns(SingularFitWarning):
        m = mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff2"))
    with pytest.warns(SingularFitWarning, match=r"\.sig01 is estimated as 0\. Profiles start"):
        found = confint(m)
    assert found.iloc[0, 0] == 0.0
    # R: confint(lmer(Yield ~ 1 + (1 | Batch), Dyestuff2))
    np.testing.assert_allclose(found.iloc[0, 1], 2.084043, rtol=1e-4)
    frame = profile(m).frame
    assert np.isfinite(frame["zeta"]).all()


def test_a_profile_that_does_not_close() -> None:
    d = pd.DataFrame({"group": np.repeat([0.0, 1.0], 10)})
    d["y"] = np.r_[np.tile([0, 1], 5), np.ones(10)].astype(int)
    with pytest.warns(ConvergenceWarning, match="coefficient group runs to infinity"):
        m = mlpool.glm("y ~ group", d, family="binomial")
    with pytest.warns(ConvergenceWarning, match="profile of group does not close above: its bound"):
        found = confint(m)
    assert found.loc["group", "97.5 %"] == np.inf
    # R: uniroot on the profiled deviance
    assert found.loc["group", "2.5 %"] == pytest.approx(1.236871, abs=1e-5)
    assert "The profile of group does not close above" in repr(profile(m))


def test_a_profile_that_cannot_be_followed() -> None:
    d = _noise("binomial")
    d["q"] = (d["x"] > 0.5).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        m = mlpool.glmer("q ~ x + (1 | g)", d, family="binomial")
    with pytest.warns(ConvergenceWarning, match="cannot be followed above: its bound is missing"):
        found = confint(m, ".sig01")
    assert np.isnan(found.iloc[0, 1])


# --- mistakes -----------------------------------------------------------------------------------


def test_mistakes() -> None:
    m = mlpool.lmer("Yield ~ 1 + (1 | Batch)", mlpool.load_data("Dyestuff"))
    with pytest.raises(OptionError, match=r"method must be one of .* Did you mean 'profile'"):
        confint(m, method="profiled")
    with pytest.raises(OptionError, match="level must lie between 0 and 1"):
        confint(m, level=95)
    with pytest.raises(OptionError, match=r"parm must name parameters among \.sig01"):
        confint(m, "Batch")
    with pytest.raises(OptionError, match=r"vcov= goes with method='Wald'"):
        confint(m, method="profile", vcov="CR2")
    with pytest.raises(OptionError, match=r"cluster= goes with method='Wald' or method='boot'"):
        confint(m, cluster="Batch")
    with pytest.raises(OptionError, match="n must be a whole number, 2 or more; got 0"):
        confint(m, method="boot", nsim=0)
    with pytest.raises(OptionError, match="boot_type must be one of"):
        confint(m, method="boot", boot_type="exact")
    with pytest.raises(OptionError, match="oldNames must be one of"):
        profile(m, oldNames="yes")
    with pytest.raises(NotSupportedError, match=r"confint\(\)"):
        confint({"a": 1})


def test_what_has_no_profile() -> None:
    with pytest.raises(NotSupportedError, match="An lm has no profile of its own"):
        profile(_fit("lm"))
    cbpp = mlpool.load_data("cbpp")
    m = mlpool.glmer(f"{BINOMIAL} + (1 | herd)", cbpp, family="binomial", nAGQ=0)
    with pytest.raises(NotSupportedError, match="nAGQ=0 does not reach"):
        confint(m)
    assert confint(m, method="Wald").shape == (5, 2)
