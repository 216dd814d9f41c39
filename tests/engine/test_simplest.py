"""Of covariances that the data cannot tell apart the simplest is taken, at no cost in deviance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.designs.engine_data import as_lmm_data
from mlpool.engine.lmm.fit import prepare
from mlpool.engine.types import Control

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")

RIDGES = (
    "y ~ x + (1 | g) + (1 | h)",  # one contrast between three groups, two variances
    "y ~ x + (1 + z | g)",  # z is the group's: nothing tells its slope from the intercept
    "y ~ (1 + x + z | g)",
)


def _study() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g = np.repeat([0, 1, 2], [30, 24, 40])
    y = np.array([0.0, 2.5, 0.4])[g] + rng.normal(size=g.size)
    x, z = np.array([1.3, -1.7, 0.5])[g], np.array([4.0, 5.0, 7.0])[g]
    return pd.DataFrame({"g": g, "h": g % 2, "x": x, "z": z, "y": y})


@pytest.mark.parametrize("formula", RIDGES)
def test_the_point_on_a_ridge_knows_no_order_and_no_unit(formula: str) -> None:
    d = _study()
    m = mlpool.lmer(formula, d)
    rng = np.random.default_rng(1)
    for other in (
        d.sample(frac=1.0, random_state=3),
        d.assign(y=1e6 * d.y + 50.0),
        d.assign(x=1e-5 * d.x + 3.0),
        d.iloc[rng.permutation(len(d))].assign(z=1e4 * d.z),
    ):
        again = mlpool.lmer(formula, other)
        kw = {"ci_method": "satterthwaite", "effects": "fixed"}
        one, two = (mlpool.model_parameters(k, **kw).to_pandas() for k in (m, again))
        slopes = one["Parameter"] != "(Intercept)"
        for column in ("t", "df_error"):
            np.testing.assert_allclose(two[column][slopes], one[column][slopes], rtol=1e-6)
        # of three effects a trace may stay, by rounding, where the ridge ends in another unit
        if formula != RIDGES[2]:
            assert ((again.theta == 0.0) == (m.theta == 0.0)).all()


@pytest.mark.parametrize("formula", RIDGES)
def test_what_is_left_out_costs_nothing(formula: str) -> None:
    m = mlpool.lmer(formula, _study())
    assert (m.theta == 0.0).any()
    objective = prepare(as_lmm_data(m.design), reml=True, control=Control())
    rng = np.random.default_rng(2)
    thetas = m.theta + rng.normal(size=(500, m.theta.size)) * 10.0 ** rng.uniform(-3, 1, (500, 1))
    assert objective.values(thetas).min() > m.criterion - 1e-8


def test_a_variance_that_is_known_stays() -> None:
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    assert (m.theta != 0.0).all()
    assert m.optimum.evaluations < 20


def test_a_term_may_take_the_part_of_another() -> None:
    """The zero of the line lies at one of the groups' x: no look beside the other term saw it."""
    rng = np.random.default_rng(4)
    g = np.repeat([0, 1, 2, 3], [8, 10, 26, 15])
    x = np.array([1992.0, 1996.0, 1996.0, 1991.0])[g]
    means = np.array([-50.9, -79.4, 78.9, -53.7])[g]
    z = np.array([-0.533, -1.03, 1.886, -0.551])[g]
    d = pd.DataFrame({"g": g, "h": g % 2, "x": x, "z": z, "y": means + rng.normal(size=g.size)})
    base = mlpool.lmer("y ~ z + (1 + x | g) + (1 | h)", d, REML=False)
    for other in (d.assign(x=d.x / 1e3), d.assign(x=d.x - 1994.0)):
        again = mlpool.lmer("y ~ z + (1 + x | g) + (1 | h)", other, REML=False)
        assert again.criterion == pytest.approx(base.criterion, abs=1e-6)
