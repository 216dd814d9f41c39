"""What R users write: contrasts, reference levels, offsets and parts of the random effects.

Numbers are R's; ``r/idioms.R`` prints them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool

CAKE = mlpool.load_data("cake")
HALF = np.array([[-0.5, 0], [0.5, 0], [0, 1]])


@pytest.mark.parametrize(
    ("contrasts", "names", "values"),
    [
        ("contr.SAS", ["recipeA", "recipeB"], [31.6, 1.52222222222, 0.04444444444]),
        ("sdif", ["recipeB-A", "recipeC-B"], [32.12222222222, -1.47777777778, -0.04444444444]),
        (HALF, ["recipe1", "recipe2"], [32.3833333333, -1.4777777778, -0.7833333333]),
        (
            pd.DataFrame(HALF[[2, 0, 1]], index=["C", "A", "B"], columns=["ab", "c"]),
            ["recipeab", "recipec"],
            [32.3833333333, -1.4777777778, -0.7833333333],
        ),
    ],
)
def test_contrasts_by_name_and_by_matrix(contrasts, names, values, tmp_path):
    m = mlpool.lmer("angle ~ recipe + (1 | replicate)", CAKE, contrasts={"recipe": contrasts})
    assert m.names[1:] == names
    np.testing.assert_allclose(m.fixef(), values, rtol=1e-9)
    m.save(tmp_path / "m")
    again = mlpool.load_model(tmp_path / "m")
    np.testing.assert_allclose(again.predict(CAKE.head(9)), m.predict(CAKE.head(9)))
    bigger = mlpool.update(m, ". ~ . + temp")
    assert bigger.names[1:3] == names


def test_a_matrix_of_few_columns_is_completed_as_in_r():
    few = mlpool.lm("angle ~ recipe", CAKE, contrasts={"recipe": [-1.0, 1.0, 0.0]})
    full = mlpool.lm("angle ~ recipe", CAKE)
    assert few.nobs == full.nobs
    assert len(few.names) == 3
    np.testing.assert_allclose(few.fitted, full.fitted, rtol=1e-10)


@pytest.mark.parametrize("bad", [np.eye(3), np.ones((3, 2)), np.eye(2), [[1, 2]], "sums", object()])
def test_contrasts_that_do_not_fit_are_refused(bad):
    with pytest.raises(mlpool.OptionError, match="contrasts"):
        mlpool.lm("angle ~ recipe", CAKE, contrasts={"recipe": bad})


def test_reference_levels():
    want = [31.64444444444, 1.47777777778, -0.04444444444]
    for text in ('relevel(recipe, ref = "B")', "C(recipe, contr.treatment(3, base = 2))"):
        m = mlpool.lmer(f"angle ~ {text} + (1 | replicate)", CAKE)
        np.testing.assert_allclose(m.fixef(), want, rtol=1e-9)
        only = CAKE[CAKE["recipe"] == "C"].head(3)
        np.testing.assert_allclose(m.predict(only), m.predict().loc[only.index])
    with pytest.raises(mlpool.DataError, match="no level 'D'"):
        mlpool.lm("angle ~ relevel(recipe, ref = 'D')", CAKE)
    with pytest.raises(mlpool.FormulaError, match="is for 4 levels"):
        mlpool.lm("angle ~ C(recipe, contr.treatment(4))", CAKE)


def test_parts_of_the_random_effects():
    data = mlpool.load_data("Penicillin")
    m = mlpool.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", data)
    some = m.predict(data.iloc[[0, 59]][["plate"]], re_form="~ (1 | plate)")
    np.testing.assert_allclose(some, [23.77676913, 22.21958157], rtol=1e-6)
    every = m.predict(data, re_form="~ (1 | sample) + (1 | plate)")
    np.testing.assert_allclose(every, m.predict(data), rtol=1e-12)
    own = m.predict(re_form="~ (1 | plate)")
    np.testing.assert_allclose(own, m.predict(data, re_form="~(1|plate)"), rtol=1e-12)
    np.testing.assert_array_equal(own, m.predict(re_form="(1 | plate)"))
    sleep = mlpool.load_data("sleepstudy")
    s = mlpool.lmer("Reaction ~ Days + (Days | Subject)", sleep)
    intercepts = s.predict(sleep.iloc[[1, 89]], re_form="~ (1 | Subject)")
    np.testing.assert_allclose(intercepts, [264.1309418, 345.2770101], rtol=1e-5)
    with pytest.raises(mlpool.OptionError, match="no part of the model's random effects"):
        s.predict(sleep, re_form="~ (1 | Days)")


def test_the_parts_add_up():
    sleep = mlpool.load_data("sleepstudy")
    s = mlpool.lmer("Reaction ~ Days + (Days || Subject)", sleep)
    fixed = s.predict(re_form=False)
    parts = [s.predict(re_form=f"~ ({x} | Subject)") - fixed for x in ("1", "0 + Days")]
    np.testing.assert_allclose(fixed + parts[0] + parts[1], s.predict(), rtol=1e-12)


def test_a_bar_without_parentheses():
    m = mlpool.lmer("Yield ~ 1 | Batch", mlpool.load_data("Dyestuff"))
    np.testing.assert_allclose(m.fixef(), [1527.5])


def test_an_offset_that_names_a_column_is_looked_up_in_new_data(tmp_path):
    data = pd.DataFrame({"y": [1.0, 2, 4, 3, 5, 9], "x": [0.0, 1, 2, 3, 4, 5]}).assign(
        w=[1.0, 3] * 3
    )
    named = mlpool.lm("y ~ x", data, offset="w")
    inside = mlpool.lm("y ~ x + offset(w)", data)
    new = data.assign(w=10.0)
    np.testing.assert_allclose(named.predict(new), inside.predict(new))
    named.save(tmp_path / "m")
    np.testing.assert_allclose(mlpool.load_model(tmp_path / "m").predict(new), inside.predict(new))
    left, right = (mlpool.estimate_relation(m, "x").to_pandas() for m in (named, inside))
    np.testing.assert_allclose(left["Predicted"], right["Predicted"])
    with pytest.raises(mlpool.ColumnNotFoundError, match="'w'"):
        named.predict(new[["x"]])


def test_splines_of_too_few_columns_warn_and_take_the_fewest():
    data = pd.DataFrame({"x": np.arange(20.0)}).assign(y=np.arange(20.0) % 7)
    with pytest.warns(mlpool.MlpoolWarning, match="df = 2 is too small"):
        m = mlpool.lm("y ~ bs(x, df = 2)", data)
    np.testing.assert_allclose(m.fixef(), mlpool.lm("y ~ bs(x, df = 3)", data).fixef())
