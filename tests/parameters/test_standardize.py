"""standardize_parameters against effectsize, all methods and reference cases; bad input."""

from __future__ import annotations

import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.errors import MlpoolWarning, NotSupportedError, OptionError

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import find_shared
from reference.prepare import load_cases, load_data

_FOLDER = find_shared()
CASES = {c["id"]: c for c in load_cases(_FOLDER, "effectsize")} if _FOLDER else {}
METHODS = ("refit", "posthoc", "basic", "smart", "pseudo", "refit_two_sd", "refit_robust")


@cache
def _model(name: str) -> Any:
    assert _FOLDER is not None
    data, _ = load_data(_FOLDER, CASES[name])
    return mlpool.fit(CASES[name]["formula"], data)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", sorted(CASES) or ["absent"])
def test_reference(name: str, method: str, shared: Path) -> None:
    """README: effectsize 1e-6 relative, 1e-5 for lmer."""
    expected = CASES[name]["result"][method]
    if "error" in expected:
        pytest.skip("R fails here")
    m = _model(name)
    options = {o: True for o in ("two_sd", "robust") if method.endswith(o)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MlpoolWarning)  # a MAD of 0, which R only centres, too
        table = mlpool.standardize_parameters(m, method.partition("_")[0], **options)
    assert table["Parameter"].tolist() == expected["names"]
    rel = 1e-5 if m.is_mixed else 1e-6
    for column, key in (("Std_Coefficient", "std"), ("CI_low", "ci_low"), ("CI_high", "ci_high")):
        np.testing.assert_allclose(table[column], expected[key], rtol=rel, atol=rel, err_msg=column)


SLEEP = """\
# Standardization method: refit

Parameter   | Std. Coef. |        95% CI
----------------------------------------
(Intercept) |       0.00 | [-0.12, 0.12]
Days        |       0.54 | [ 0.41, 0.66]"""


def test_printed_table(sleep_lm: Any) -> None:
    """R prints the intercept's rounding error (1e-17); the rest is the same."""
    lines = str(mlpool.standardize_parameters(sleep_lm)).splitlines()
    expected = SLEEP.splitlines()
    assert [*lines[:4], lines[5]] == [*expected[:4], expected[5]]
    table = mlpool.standardize_parameters(sleep_lm, ci=None)
    assert "CI" not in str(table)
    assert "Std_Coefficient" in table.to_pandas()


def test_generalized_models_keep_their_response(cbpp_glm: Any) -> None:
    ratio = mlpool.standardize_parameters(cbpp_glm, "basic", exponentiate=True)
    assert "Std. Odds Ratio" in str(ratio)
    assert ratio["Std_Coefficient"][0] == 1.0
    plain = mlpool.standardize_parameters(cbpp_glm, "basic")
    np.testing.assert_allclose(np.exp(plain["Std_Coefficient"]), ratio["Std_Coefficient"])
    refit = mlpool.standardize_parameters(cbpp_glm, "refit")
    np.testing.assert_allclose(refit["Std_Coefficient"], cbpp_glm.fixef(), rtol=1e-6)
    counts = {"y": [1, 0, 4, 2, 6, 3], "x": [0.1, 0.2, 0.9, 0.5, 1.3, 0.7]}
    poisson = mlpool.glm("y ~ x", counts, family="poisson")
    assert "Std. IRR" in str(mlpool.standardize_parameters(poisson, exponentiate="nongaussian"))


def test_logarithms_stay_as_they_are(sleepstudy: Any) -> None:
    data = sleepstudy.assign(speed=1000 / sleepstudy["Reaction"])
    m = mlpool.lm("log(Reaction) ~ Days + speed", data)
    with pytest.warns(MlpoolWarning, match=r"inside log\(Reaction\) are not standardized"):
        again = mlpool.standardize(m)
    assert again.fixef()["Days"] == pytest.approx(m.fixef()["Days"] * data["Days"].std())


@pytest.mark.parametrize("method", ["refit", "basic", "posthoc", "smart"])
def test_weights_enter_the_deviations(sleepstudy: Any, method: str) -> None:
    """R: ``standardize_parameters(lm(Reaction ~ Days, weights = 1 + (0:179) %% 3, ...))``."""
    m = mlpool.lm("Reaction ~ Days", sleepstudy.assign(w=1 + np.arange(180) % 3), weights="w")
    row = mlpool.standardize_parameters(m, method).data.iloc[1]
    expected = {
        "Std_Coefficient": 0.521794032543,
        "CI_low": 0.395615244754,
        "CI_high": 0.647972820332,
    }
    assert {k: row[k] for k in expected} == pytest.approx(expected, rel=1e-11)


def test_weighted_median_deviations(sleepstudy: Any) -> None:
    """Whole weights count as repeated rows."""
    w = 1 + np.arange(180) % 3
    m = mlpool.lm("Reaction ~ Days", sleepstudy.assign(w=w), weights="w")
    repeated = mlpool.lm("Reaction ~ Days", sleepstudy.loc[np.repeat(np.arange(180), w)])
    for method in ("refit", "basic"):
        one = mlpool.standardize_parameters(m, method, robust=True, ci=None)
        two = mlpool.standardize_parameters(repeated, method, robust=True, ci=None)
        np.testing.assert_allclose(one["Std_Coefficient"], two["Std_Coefficient"], atol=1e-12)


def test_subsets_and_offsets_stay(sleepstudy: Any) -> None:
    data = sleepstudy.assign(o=np.arange(180) / 50)
    m = mlpool.lm("Reaction ~ Days", data, offset="o", subset="Days > 1")
    used = data[data["Days"] > 1]
    z = mlpool.standardize(used, ["Days", "Reaction"])
    by_hand = mlpool.lm("Reaction ~ Days", z, offset="o").fixef()
    np.testing.assert_allclose(mlpool.standardize(m).fixef(), by_hand, atol=1e-12)


def test_a_median_deviation_of_zero_is_said() -> None:
    """R's datawizard centres and divides by 1."""
    m = mlpool.lm("y ~ x", {"y": [1.0, 2, 4, 3, 3], "x": [0, 0, 0, 0, 1]})
    with pytest.warns(MlpoolWarning, match="'x' has a median absolute deviation of 0 .* centred"):
        again = mlpool.standardize(m, robust=True)
    assert again.fixef()["x"] == pytest.approx(m.fixef()["x"] / 1.4826)


def test_scaling_a_predictor_changes_nothing(sleepstudy: Any) -> None:
    formula = "Reaction ~ Days + (1 + Days | Subject)"
    one = mlpool.standardize_parameters(mlpool.lmer(formula, sleepstudy))
    hours = sleepstudy.assign(Days=sleepstudy["Days"] * 24 + 7)
    two = mlpool.standardize_parameters(mlpool.lmer(formula, hours))
    np.testing.assert_allclose(one["CI_high"], two["CI_high"], rtol=1e-5)


def test_missing_values_are_left_out_as_in_the_model(sleepstudy: Any) -> None:
    holes = sleepstudy.assign(Days=sleepstudy["Days"].where(sleepstudy["Days"] != 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MlpoolWarning)
        m = mlpool.lm("Reaction ~ Days", holes)
        expected = mlpool.standardize(mlpool.lm("Reaction ~ Days", holes.dropna()))
    np.testing.assert_allclose(mlpool.standardize(m).fixef(), expected.fixef(), atol=1e-12)


def test_bad_input(sleep_lm: Any, sleepstudy: Any) -> None:
    with pytest.raises(OptionError, match="method must be one of"):
        mlpool.standardize_parameters(sleep_lm, "refitt")
    with pytest.raises(OptionError, match="needs a fitted model"):
        mlpool.standardize_parameters(sleepstudy)
    with pytest.raises(OptionError, match="takes robust= and two_sd= only"):
        mlpool.standardize(sleep_lm, "Days")
    with pytest.raises(NotSupportedError, match="'Days' is a number in one term and stands in fac"):
        mlpool.standardize(
            mlpool.lmer("Reaction ~ factor(Days) + (0 + Days | Subject)", sleepstudy)
        )
    crossed = mlpool.lmer(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", mlpool.load_data("Penicillin")
    )
    with pytest.raises(NotSupportedError, match="'pseudo' is for linear mixed models with one"):
        mlpool.standardize_parameters(crossed, "pseudo")
    flat = mlpool.lm("y ~ f", {"y": [1.0, 1, 2, 4], "f": list("aabb")})
    with pytest.raises(NotSupportedError, match="has a deviation of zero"):
        mlpool.standardize_parameters(flat, "smart")


@pytest.mark.parametrize("unit", [1e-13, 1e-6, 1e9])
def test_pseudo_tells_levels_apart_in_any_unit(unit: float) -> None:
    """A predictor of rows stays one, however small; a group's mean, but for rounding, too."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(30), 6)
    x, w = rng.normal(size=180), rng.normal(size=30)[g]
    d = {"g": g, "x": x, "w": w, "y": x + w + rng.normal(size=30)[g] + rng.normal(size=180)}
    scaled = {**d, "x": (x + 1e3) * unit, "w": (w * (1.0 + 1e-15 * rng.normal(size=180))) * unit}
    one, two = (
        mlpool.standardize_parameters(mlpool.lmer("y ~ x + w + (1 | g)", data), "pseudo")
        for data in (d, scaled)
    )
    column = next(c for c in one.to_pandas().columns if c.startswith("Std"))
    np.testing.assert_allclose(one.to_pandas()[column][1:], two.to_pandas()[column][1:], rtol=1e-6)


def test_groups_without_variance_have_no_pseudo_scale() -> None:
    data = mlpool.load_data("Dyestuff2").assign(x=np.arange(30) % 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MlpoolWarning)
        m = mlpool.lmer("Yield ~ x + (1 | Batch)", data)
        with pytest.raises(NotSupportedError, match="groups have no variance of their own"):
            mlpool.standardize_parameters(m, "pseudo")


@pytest.mark.parametrize("formula", ["y ~ g * x", "y ~ b * x", "y ~ g * poly(x, 2)"])
def test_smart_products_that_end_in_a_number_have_the_factors_first_rows(formula: str) -> None:
    rng = np.random.default_rng(5)
    d = pd.DataFrame({"g": list("bac") * 10, "x": rng.normal(size=30), "y": rng.normal(size=30)})
    d["b"] = d["g"] == "a"
    m = mlpool.lm(formula, d)
    last = float(mlpool.standardize_parameters(m, "smart")["Std_Coefficient"].iloc[-1])
    factor = formula[4]
    own = float(d["y"][d[factor] == d[factor].iloc[0]].std())
    spread = 1.0 if "poly" in formula else float(d["x"].std())
    assert last == pytest.approx(float(m.fixef().iloc[-1]) * spread / own)
