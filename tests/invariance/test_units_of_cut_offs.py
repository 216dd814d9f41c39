"""Cut-offs of ranks and steps that once had a unit: numbers stay in any unit of the data."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.families import Family
from mlpool.formula.contrast_coding import GivenContrasts
from mlpool.models.prediction import mean_over_effects
from mlpool.pooling.no_pooling import fit_no_pooling

# lmtest::waldtest(lm(angle ~ temp + recipe, lme4::cake), vcov = sandwich::vcovHC(m, "HC3"))
F_OF_WALDTEST = 11.078761223725


@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e9])
def test_the_robust_f_of_a_summary_has_no_unit(unit: float) -> None:
    cake = mlpool.load_data("cake")
    data = cake.assign(temp=cake["temp"].astype(float) * unit)
    text = str(mlpool.summary(mlpool.lm("angle ~ temp + recipe", data, vcov="HC3")))
    (shown,) = re.findall(r"F-statistic: ([\d.]+) on 3 and 266 DF", text)
    assert float(shown) == pytest.approx(F_OF_WALDTEST, rel=2e-4)


@pytest.mark.parametrize(
    ("name", "link", "power"),
    [
        ("Gamma", "identity", 1.0),
        ("poisson", "sqrt", 2.0),
        ("Gamma", "inverse", -1.0),
        ("inverse.gaussian", "1/mu^2", -0.5),
    ],
)
@pytest.mark.parametrize("unit", [1e-9, 1e5])
def test_averages_over_effects_take_the_same_steps_in_any_unit(
    name: str, link: str, power: float, unit: float
) -> None:
    family = Family(name, link)
    eta, sd = np.array([10.0, 15.0, 40.0]), np.array([0.9, 1.0, 1.5])
    here, steps = _averaged(family, eta, sd)
    there, others = _averaged(family, eta * unit, sd * unit)
    assert steps == others < 60
    np.testing.assert_allclose(there, here * unit**power, rtol=1e-12)


def _averaged(family: Family, eta: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, int]:
    asked = []

    def inverse(at: np.ndarray) -> np.ndarray:
        asked.append(at)
        return np.asarray(family.inverse(at))

    return mean_over_effects(family, eta, sd**2, inverse), len(asked)


@pytest.mark.parametrize("unit", [1e-20, 1.0, 1e20])
def test_contrasts_may_have_any_unit(unit: float) -> None:
    matrix = np.array([[1.0, 0.0], [0.0, unit], [-1.0, -unit]])
    given = GivenContrasts(matrix=matrix, labels=("a", "b"))
    assert given.of(("x", "y", "z"), "f")[0].shape == (3, 2)


@pytest.mark.filterwarnings("ignore::mlpool.SingularFitWarning")
@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_loadings_of_no_pooling_have_no_unit(unit: float) -> None:
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(12), 8)
    data = pd.DataFrame({"g": g, "x": rng.normal(size=96) + 3.0, "w": rng.normal(size=12)[g]})
    data["y"] = rng.normal(size=96) + data["x"] * data["w"] + rng.normal(size=12)[g]
    no = fit_no_pooling(mlpool.lmer("y ~ x * w + (x | g)", data.assign(x=data["x"] * unit)))
    assert no.left_out == ("w", "x:w")
    w = data.groupby("g")["w"].first()
    expected = w.to_numpy()[:, None, None] * np.eye(2)
    in_units = np.array([[1.0, 1.0 / unit], [unit, 1.0]])
    np.testing.assert_allclose(no.loadings * in_units, expected, rtol=1e-9, atol=1e-9)
