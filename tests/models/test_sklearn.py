"""Estimators of scikit-learn: its own checks, the numbers of the models inside, sentences."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

import mlpool

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from mlpool.sklearn import MixedClassifier, MixedRegressor

PAGE = Path(__file__).parents[2] / "docs" / "scikit_learn.md"
SCHOOLS = mlpool.load_data("hsb82").head(900)
X = SCHOOLS[["ses", "school"]]


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [MixedRegressor(), MixedClassifier()])
@pytest.mark.filterwarnings("ignore")  # about arrays that hold what no data would
def test_scikit_learn_s_own_checks(estimator: MixedRegressor | MixedClassifier) -> None:
    found = check_estimator(estimator, on_fail=None, on_skip=None)
    assert len(found) > 50
    assert [f["check_name"] for f in found if f["status"] == "failed"] == []


def test_a_regressor_is_the_model() -> None:
    m = MixedRegressor("math ~ ses + (1 | school)", options={"reml": False}).fit(X, SCHOOLS.math)
    plain = mlpool.lmer("math ~ ses + (1 | school)", SCHOOLS, REML=False)
    np.testing.assert_allclose(m.model_.fixef(), plain.fixef(), rtol=1e-12)
    np.testing.assert_allclose(m.predict(X), plain.fitted, rtol=1e-12)
    known = clone(m).set_params(include_random=False).fit(X, SCHOOLS.math)
    np.testing.assert_allclose(known.predict(X), plain.predict(re_form=False), rtol=1e-12)
    new = X.head(3).assign(school="nowhere")
    np.testing.assert_allclose(m.predict(new), plain.predict(X.head(3), re_form=False), rtol=1e-12)


def test_other_frames_arrays_and_weights() -> None:
    polars = pytest.importorskip("polars")
    m = MixedRegressor("math ~ ses + (1 | school)")
    plain = m.fit(X, SCHOOLS.math).predict(X)
    frame = polars.DataFrame(X)
    np.testing.assert_allclose(m.fit(frame, SCHOOLS.math).predict(frame), plain, rtol=1e-12)
    array = X[["ses"]].to_numpy()
    weights = np.arange(1.0, 1.0 + len(array))
    of_array = MixedRegressor().fit(array, SCHOOLS.math, sample_weight=weights)
    by_hand = mlpool.lm("math ~ ses", SCHOOLS, weights=weights)
    assert of_array.model_.names == ["(Intercept)", "x0"]
    np.testing.assert_allclose(of_array.model_.fixef(), by_hand.fixef(), rtol=1e-12)


def test_a_classifier_is_the_model() -> None:
    high = np.where(SCHOOLS.math > 13, "yes", "no")
    m = MixedClassifier("high ~ ses + (1 | school)").fit(X, high)
    plain = mlpool.glmer(
        "high ~ ses + (1 | school)", SCHOOLS.assign(high=(high == "yes") * 1), family="binomial"
    )
    assert m.classes_.tolist() == ["no", "yes"]
    np.testing.assert_allclose(m.predict_proba(X)[:, 1], plain.fitted, rtol=1e-12)
    np.testing.assert_array_equal(m.predict(X) == "yes", plain.fitted > 0.5)


def test_sentences() -> None:
    with pytest.raises(mlpool.DataError, match="column 'ses', which is the formula's response"):
        MixedRegressor("ses ~ 1").fit(X, SCHOOLS.math)
    with pytest.raises(mlpool.OptionError, match=r"one name on its left.*got 'log\(y\)'"):
        MixedRegressor("log(y) ~ ses").fit(X, SCHOOLS.math)
    with pytest.raises(mlpool.DataError, match="needs two classes; y has 3 classes"):
        MixedClassifier().fit(X[["ses"]], np.arange(len(X)) % 3)
    with pytest.raises(mlpool.DataError, match="X has 900 rows and y has 3"):
        MixedRegressor().fit(X, [1.0, 2.0, 3.0])


def test_the_page_prints_what_it_shows() -> None:
    code, shown = re.findall(r"^```\w+\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, PAGE.name, "exec"), {})
    number = re.compile(r"\d\.\d+")
    assert number.sub("R2", out.getvalue()) == number.sub("R2", shown)
    ours, page = ([float(x) for x in number.findall(text)] for text in (out.getvalue(), shown))
    # which schools are left out together depends on the version of scikit-learn
    np.testing.assert_allclose(ours, page, atol=0.03)  # R2 has no unit
