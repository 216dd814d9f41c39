"""Fitted models: both engines agree, invariances, pickles, names, frames."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pandas as pd
import pytest

import mlpool


def test_same_fit_from_every_frame(make_frame):
    d = mlpool.load_data("sleepstudy")
    here = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d)
    there = mlpool.lmer("Reaction ~ Days + (Days | Subject)", make_frame(d))
    assert there.criterion == here.criterion
    np.testing.assert_array_equal(there.theta, here.theta)
    assert list(there.ranef()["Subject"].index) == list(here.ranef()["Subject"].index)


@pytest.mark.parametrize(
    "formula",
    [
        "Reaction ~ Days + (1 | Subject)",
        "Reaction ~ Days + (Days | Subject)",
        "Reaction ~ Days + (Days || Subject)",
        "Reaction ~ 1 + (1 | Subject)",
    ],
)
@pytest.mark.parametrize("reml", [True, False])
def test_both_engines_give_the_same_answer(formula, reml):
    d = mlpool.load_data("sleepstudy")
    own = mlpool.fit(formula, d, reml=reml)
    other = mlpool.fit(formula, d, reml=reml, engine="statsmodels")
    assert other.fit.engine == "statsmodels"
    assert other.criterion == pytest.approx(own.criterion, abs=1e-4)
    assert own.criterion <= other.criterion + 1e-8
    np.testing.assert_allclose(other.fixef(), own.fixef(), rtol=1e-5)
    np.testing.assert_allclose(other.se, own.se, rtol=2e-3)
    np.testing.assert_allclose(other.theta, own.theta, atol=5e-3)


def test_statsmodels_results_underneath():
    d = mlpool.load_data("sleepstudy")
    assert mlpool.lm("Reaction ~ Days", d).statsmodels.rsquared == pytest.approx(
        0.2864714, abs=1e-6
    )
    assert mlpool.lmer("Reaction ~ Days + (1 | Subject)", d).statsmodels.scale > 0


def test_row_order_and_labels_do_not_matter():
    d = mlpool.load_data("sleepstudy")
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d)
    shuffled = d.sample(frac=1, random_state=3)
    relabelled = shuffled.assign(Subject=shuffled["Subject"].astype(str).radd("s"))
    other = mlpool.lmer("Reaction ~ Days + (Days | Subject)", relabelled)
    assert other.criterion == pytest.approx(m.criterion, rel=1e-12)
    np.testing.assert_allclose(other.fitted.sort_index(), m.fitted, rtol=1e-6)
    assert list(other.fitted.index) == list(shuffled.index)


def test_weights():
    d = mlpool.load_data("sleepstudy")
    plain = mlpool.lmer("Reaction ~ Days + (1 | Subject)", d)
    ones = mlpool.lmer("Reaction ~ Days + (1 | Subject)", d, weights=np.ones(len(d)))
    assert ones.criterion == pytest.approx(plain.criterion, rel=1e-12)
    fours = mlpool.lmer("Reaction ~ Days + (1 | Subject)", d, weights=np.full(len(d), 4.0))
    assert fours.sigma == pytest.approx(2 * plain.sigma, rel=1e-6)
    np.testing.assert_allclose(
        fours.varcorr().blocks[0].sd, plain.varcorr().blocks[0].sd, rtol=1e-5
    )


def test_double_bar_equals_separate_terms():
    d = mlpool.load_data("sleepstudy")
    a = mlpool.lmer("Reaction ~ Days + (Days || Subject)", d)
    b = mlpool.lmer("Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)", d)
    assert a.criterion == b.criterion


def test_models_pickle_and_hold_their_answers():
    d = mlpool.load_data("Penicillin")
    for formula in ("diameter ~ 1 + (1 | plate) + (1 | sample)", "diameter ~ sample"):
        m = mlpool.fit(formula, d)
        copy = pickle.loads(pickle.dumps(m))
        np.testing.assert_array_equal(copy.fixef(), m.fixef())
        assert repr(copy) == repr(m)
        if m.kind == "lmer":
            np.testing.assert_array_equal(copy.ranef()["plate"], m.ranef()["plate"])


def test_two_threads_give_the_same_numbers():
    d = mlpool.load_data("sleepstudy")
    expected = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d).theta
    results: list[np.ndarray] = []

    def work() -> None:
        for _ in range(5):
            results.append(mlpool.lmer("Reaction ~ Days + (Days | Subject)", d).theta)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == 10
    for theta in results:
        np.testing.assert_array_equal(theta, expected)


def test_dispatch_and_optimum():
    d = mlpool.load_data("sleepstudy")
    assert mlpool.fit("Reaction ~ Days", d).kind == "lm"
    assert mlpool.fit("Reaction ~ Days", d, family="gaussian").kind == "glm"
    m = mlpool.fit("Reaction ~ Days + (1 | Subject)", d)
    assert m.kind == "lmer"
    assert m.optimum.evaluations == len(m.optimum.log) <= 20
    restarted = mlpool.fit("Reaction ~ Days + (1 | Subject)", d, control={"start": tuple(m.theta)})
    assert restarted.criterion == pytest.approx(m.criterion, rel=1e-12)


def test_varcorr_frame_is_that_of_r():
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    frame = mlpool.VarCorr(m).to_frame()
    assert list(frame.columns) == ["grp", "var1", "var2", "vcov", "sdcor"]
    np.testing.assert_allclose(
        frame["sdcor"], [24.740658, 5.922138, 0.0655512, 25.591796], rtol=2e-5
    )


def test_robust_fit_carries_its_covariance(shared, dataset):
    d = dataset("heck")
    m = mlpool.fit("math ~ ses", d, cluster="school")
    assert m.vcov_type == "vcovCL"
    other = mlpool.lm("math ~ ses", d).vcov("vcovCL", cluster=d["school"])
    pd.testing.assert_frame_equal(m.vcov(), other)
