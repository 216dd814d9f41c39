"""Whole fits with one grouping factor: R's values, invariances, bad input, pickles."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import replace

import numpy as np
import pytest

from mlpool.engine.lmm.fit import criterion_at, fit_at, fit_criterion, fit_lmm, prepare
from mlpool.engine.lmm.one_factor import OneFactor
from mlpool.engine.rank import independent_of_sums
from mlpool.engine.sums.cluster_sums import CrossProducts
from mlpool.engine.sums.columns import Rows
from mlpool.engine.theta import Template
from mlpool.engine.types import ArrayRows, Control, LmmData, ReTerm
from mlpool.errors import FitError, OptionError
from tests.engine.designs import (
    TERMS,
    heck,
    make_data,
    popular,
    random_data,
    sleepstudy,
)
from tests.tolerances import ABS_LMM, ABS_OPTIMUM, ABS_THETA_SINGULAR, REL_LMM, REL_SINGULAR


def design(d, response, group, *columns):
    codes = np.unique(d[group], return_inverse=True)[1]
    X = np.column_stack([np.ones(len(d)), *(d[c].to_numpy(float) for c in columns)])
    return d[response].to_numpy(float), X, codes


CASES = {
    "sleep_ri_reml": (sleepstudy, ("Reaction", "Subject", "Days"), ([0],)),
    "sleep_rs_reml": (sleepstudy, ("Reaction", "Subject", "Days"), ([0, 1],)),
    "sleep_rs_ml": (sleepstudy, ("Reaction", "Subject", "Days"), ([0, 1],)),
    "sleep_dbar_num_reml": (sleepstudy, ("Reaction", "Subject", "Days"), ([0], [1])),
    "sleep_0plus": (sleepstudy, ("Reaction", "Subject", "Days"), ([1],)),
    "heck_null_ml": (heck, ("math", "school"), ([0],)),
    "heck_ses_reml": (heck, ("math", "school", "ses"), ([0],)),
    "heck_rs_reml": (heck, ("math", "school", "ses"), ([0, 1],)),
    "heck_rs_ml": (heck, ("math", "school", "ses"), ([0, 1],)),
    "heck_dbar": (heck, ("math", "school", "ses"), ([0], [1])),
    "heck_l2": (heck, ("math", "school", "ses", "female", "puniv", "public"), ([0],)),
    "pop_ri": (popular, ("popular_s", "class", "female", "extraversion", "teacher_exp"), ([0],)),
    "pop_rs": (popular, ("popular_s", "class", "female", "extraversion", "teacher_exp"), ([0, 2],)),
    "pop_3dim": (
        popular,
        ("popular_s", "class", "female", "extraversion", "teacher_exp"),
        ([0, 1, 2],),
    ),
}


def reference(shared, case):
    cases = json.loads((shared / "reference" / "lmm.json").read_text())["cases"]
    return next(c for c in cases if c["id"] == case)


@pytest.mark.parametrize("case", CASES)
def test_fit_equals_lme4(shared, case):
    load, names, terms = CASES[case]
    expected = reference(shared, case)
    r = expected["result"]
    y, X, codes = design(load(shared), *names)
    fit = fit_lmm(make_data(y, X, codes, terms), reml=expected["REML"])
    singular = r["singular"]
    assert fit.criterion <= r["criterion"] + ABS_OPTIMUM
    assert fit.criterion == pytest.approx(r["criterion"], rel=1e-8)
    rel = REL_SINGULAR if singular else REL_LMM
    assert fit.beta == pytest.approx(r["fixef"]["estimate"], rel=rel, abs=ABS_LMM), "beta"
    se = fit.sigma * np.sqrt(np.diag(fit.vcov_unscaled))
    assert se == pytest.approx(r["fixef"]["se"], rel=rel), "SE"
    assert fit.sigma == pytest.approx(r["sigma"], rel=rel), "sigma"
    absolute = ABS_THETA_SINGULAR if singular else ABS_LMM
    assert fit.theta == pytest.approx(r["theta"], rel=rel, abs=absolute), "theta"
    assert ("singular" in [d.code for d in fit.diagnostics]) == singular
    assert fit.optimum is not None
    assert fit.optimum.converged
    assert fit.optimum.evaluations <= 12
    _assert_modes(fit, r, 1e-3 if singular else 1e-5)


def _assert_modes(fit, r, rel):
    """First six levels and sums over all, per column of b."""
    ours = np.hstack(fit.b)
    sds = np.hstack([np.sqrt(np.einsum("jaa->ja", c)) for c in fit.cond_cov()])
    (columns,) = r["ranef"].values() if isinstance(r["ranef"], dict) else (r["ranef"],)
    columns = columns.values() if isinstance(columns, dict) else columns
    for k, column in enumerate(columns):
        condval = np.array(column["condval"], dtype=float)
        assert ours[: condval.size, k] == pytest.approx(condval, rel=rel, abs=rel * 10), "modes"
        condsd = np.array(column["condsd"], dtype=float)
        assert sds[: condsd.size, k] == pytest.approx(condsd, rel=rel * 10, abs=rel), "SDs"
        assert np.sum(ours[:, k] ** 2) == pytest.approx(column["sumsq"], rel=rel * 10)


def assert_same(a, b, *, rel=1e-6):
    assert a.criterion == pytest.approx(b.criterion, rel=1e-9)
    assert a.theta == pytest.approx(b.theta, rel=rel, abs=rel)
    assert a.beta == pytest.approx(b.beta, rel=rel, abs=rel)
    assert a.sigma == pytest.approx(b.sigma, rel=rel)


@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS.keys())
def test_row_order_and_labels_do_not_matter(terms):
    data = random_data(30, terms, weights=True)
    rng = np.random.default_rng(0)
    order, relabel = rng.permutation(data.n), rng.permutation(7)
    moved = make_data(
        data.y[order],
        data.X.array[order],
        relabel[data.terms[0].codes[order]],
        terms,
        weights=data.weights[order],
        offset=data.offset[order],
    )
    a, b = fit_lmm(data), fit_lmm(moved)
    if terms == TERMS["repeated column"]:
        assert a.criterion == pytest.approx(b.criterion, rel=1e-9), "theta is not identified"
        return
    assert_same(a, b, rel=1e-5)
    for ours, theirs in zip(a.b, b.b, strict=True):
        assert theirs[relabel] == pytest.approx(ours, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("factor", [1e-12, 1e-2, 1e12])
def test_the_units_of_a_predictor_do_not_matter(factor):
    data = random_data(31, ([0, 1],))
    X = data.X.array * np.array([1, factor, 1, 1])
    scaled = make_data(data.y, X, data.terms[0].codes, ([0, 1],))
    a, b = fit_lmm(data), fit_lmm(scaled)
    units = np.array([1, factor, 1, 1])
    assert b.beta * units == pytest.approx(a.beta, rel=1e-7)
    assert b.theta * np.array([1, factor, factor]) == pytest.approx(a.theta, rel=1e-6, abs=1e-7)
    assert b.sigma == pytest.approx(a.sigma, rel=1e-8)
    assert b.b[0] * units[:2] == pytest.approx(a.b[0], rel=1e-5, abs=1e-6)
    log_units = 2 * np.log(factor)
    assert b.logdet_RX2 == pytest.approx(a.logdet_RX2 + log_units, rel=1e-8)
    assert a.diagnostics == b.diagnostics == ()


@pytest.mark.parametrize("terms", [([0],), ([0, 1],)])
def test_a_predictor_far_from_zero(terms):
    data = random_data(32, terms)
    X = data.X.array + np.array([0, 1e6, 0, 0])
    far = fit_lmm(make_data(data.y, X, data.terms[0].codes, terms))
    near = fit_lmm(data)
    assert far.beta[1:] == pytest.approx(near.beta[1:], rel=1e-6)
    assert far.beta[0] == pytest.approx(near.beta[0] - 1e6 * near.beta[1], rel=1e-6)
    assert far.sigma == pytest.approx(near.sigma, rel=1e-8)
    assert far.criterion == pytest.approx(near.criterion, rel=1e-7)
    se = np.sqrt(np.diag(near.vcov_unscaled))[1:]
    assert np.sqrt(np.diag(far.vcov_unscaled))[1:] == pytest.approx(se, rel=1e-6)


def test_weights_of_one_change_nothing_and_a_common_factor_scales_sigma():
    data = random_data(33, ([0, 1],))
    plain = fit_lmm(data)
    assert_same(fit_lmm(replace(data, weights=np.ones(data.n))), plain)
    w = np.random.default_rng(3).uniform(0.5, 2, data.n)
    one, four = (fit_lmm(replace(data, weights=c * w)) for c in (1.0, 4.0))
    assert four.sigma == pytest.approx(2 * one.sigma, rel=1e-6)
    assert four.beta == pytest.approx(one.beta, rel=1e-6)
    assert four.theta * four.sigma == pytest.approx(one.theta * one.sigma, rel=1e-5, abs=1e-6)


def test_an_offset_is_taken_off_the_response():
    data = random_data(34, ([0],))
    offset = np.linspace(0, 5, data.n)
    assert_same(fit_lmm(replace(data, y=data.y + offset, offset=offset)), fit_lmm(data))


def test_batches_of_sums_give_the_fit_of_the_whole():
    data = random_data(35, ([0, 1],))
    rows = Rows.of_factor(data, 0)
    layout = CrossProducts.from_rows(rows).layout
    sums = CrossProducts.from_rows(rows, batch_rows=8, layout=layout)
    objective = OneFactor(sums, Template((2,)), independent_of_sums(sums, data.X), reml=True)
    assert_same(fit_criterion(objective, Control()), fit_lmm(data))


def test_aliased_columns_are_dropped():
    data = random_data(36, ([0],))
    X = np.column_stack([data.X.array[:, :2], 2 * data.X.array[:, 1] - 1, data.X.array[:, 2]])
    fit = fit_lmm(make_data(data.y, X, data.terms[0].codes, ([0],)))
    assert fit.kept.tolist() == [0, 1, 3]
    without = fit_lmm(make_data(data.y, X[:, [0, 1, 3]], data.terms[0].codes, ([0],)))
    assert_same(fit, without)


def test_a_slope_that_is_constant_within_every_cluster():
    data = random_data(37, ([0],))
    codes = data.terms[0].codes
    between = np.random.default_rng(1).normal(size=7)[codes]
    X = np.column_stack([data.X.array[:, 0], between])
    fit = fit_lmm(make_data(data.y, X, codes, ([0, 1],)))
    simple = fit_lmm(make_data(data.y, X, codes, ([0],)))
    assert fit.criterion <= simple.criterion + 1e-8
    assert np.all(np.isfinite(fit.theta))


def test_a_cluster_of_one_row_is_no_problem():
    data = random_data(38, ([0, 1],))
    codes = data.terms[0].codes.copy()
    codes[0] = 7
    fit = fit_lmm(make_data(data.y, data.X.array, codes, ([0, 1],)))
    assert np.all(np.isfinite(fit.b[0]))


def test_the_users_start_is_used_and_checked():
    data = random_data(39, ([0, 1],))
    fit = fit_lmm(data, control=Control(start=(0.3, 0.1, 0.2)))
    assert fit.optimum.start.tolist() == [0.3, 0.1, 0.2]
    assert fit.optimum.log[0][0] == pytest.approx((0.3, 0.1, 0.2))
    assert_same(fit, fit_lmm(data))
    for start in ((0.3, 0.1), (0.3, float("nan"), 0.1)):
        with pytest.raises(OptionError, match="start must hold 3 finite numbers"):
            fit_lmm(data, control=Control(start=start))


def test_a_fit_pickles_with_its_lazy_covariances():
    fit = fit_lmm(random_data(40, ([0, 1],)))
    again = pickle.loads(pickle.dumps(fit))
    assert np.array_equal(again.cond_cov()[0], fit.cond_cov()[0])
    assert again.cond_cov() is again.cond_cov()


def test_the_log_is_in_the_users_theta():
    fit = fit_lmm(random_data(41, ([0, 1],)))
    assert fit.optimum.evaluations == len(fit.optimum.log)
    assert fit.optimum.log[-1][0] == pytest.approx(tuple(fit.theta), rel=1e-6)
    assert fit.optimum.end == pytest.approx(fit.theta)


# --- what cannot be fitted -------------------------------------------------------------------


def small(n=20, J=4):
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    return rng.normal(size=n), X, np.arange(n) % J


def test_as_many_levels_as_rows():
    y, X, _ = small()
    with pytest.raises(FitError, match="20 levels for 20 rows"):
        fit_lmm(make_data(y, X, np.arange(20), ([0],)))


def test_as_many_random_effects_as_rows():
    y, X, codes = small(J=10)
    with pytest.raises(FitError, match="10 levels x 2 columns = 20 random effects for 20 rows"):
        fit_lmm(make_data(y, X, codes, ([0, 1],)))


def test_one_level_only():
    y, X, codes = small()
    with pytest.raises(FitError, match="at least 2 levels"):
        fit_lmm(make_data(y, X, 0 * codes, ([0],)))


@pytest.mark.parametrize("value", [0.0, 3.3, 1e9])
def test_a_constant_response(value):
    _, X, codes = small()
    with pytest.raises(FitError, match="response is constant"):
        fit_lmm(make_data(np.full(20, value), X, codes, ([0],)))


def test_no_rows():
    data = LmmData(
        y=np.empty(0),
        X=ArrayRows(np.empty((0, 1))),
        terms=(
            ReTerm(z=ArrayRows(np.empty((0, 1))), codes=np.empty(0, int), n_levels=0, factor=0),
        ),
    )
    with pytest.raises(FitError, match="no rows"):
        fit_lmm(data)


def test_more_fixed_effects_than_rows():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(20), rng.normal(size=(20, 30))])
    with pytest.raises(FitError, match="20 fixed effects for 20 rows"):
        fit_lmm(make_data(rng.normal(size=20), X, np.arange(20) % 4, ([0],)))


def test_a_response_that_the_columns_explain_exactly():
    _, X, codes = small()
    with pytest.raises(FitError, match="explain the response exactly"):
        fit_lmm(make_data(X @ [1.0, 2.0], X, codes, ([0],)))


def test_a_response_that_is_constant_within_clusters():
    _, X, codes = small()
    y = np.array([1.0, 3.0, -2.0, 0.5])[codes]
    with pytest.raises(FitError, match="residual variance is zero"):
        fit_lmm(make_data(y, X, codes, ([0],)))


def test_a_tiny_residual_variance_is_found_quickly():
    _, X, codes = small()
    y = np.array([1.0, 3.0, -2.0, 0.5])[codes] + 1e-3 * np.sin(np.arange(20.0))
    fit = fit_lmm(make_data(y, X, codes, ([0],)))
    assert fit.optimum.converged
    assert fit.theta[0] > 100
    assert fit.optimum.evaluations <= 40


def test_an_interruption_says_how_to_go_on(monkeypatch):
    data = random_data(50, ([0, 1],))
    evaluate = OneFactor.evaluate
    calls = []

    def interrupt(self, theta):
        calls.append(theta)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(self, theta)

    monkeypatch.setattr(OneFactor, "evaluate", interrupt)
    with pytest.raises(KeyboardInterrupt, match="after 2 evaluations") as caught:
        fit_lmm(data)
    start = re.search(r"\{\"start\": \((.*)\)\}", str(caught.value))
    assert start is not None
    values = tuple(float(v) for v in start[1].split(","))
    assert fit_lmm(data, control=Control(start=values)).optimum.converged


def test_one_factor_has_its_own_criterion():
    data = random_data(51, ([0],))
    assert isinstance(prepare(data, reml=True, control=Control()), OneFactor)
    fit = fit_lmm(data)
    assert fit.optimum.method == "trust-region Newton"
    value, gradient = criterion_at(data, fit.theta)
    assert value == pytest.approx(fit.criterion)
    assert gradient == pytest.approx(np.zeros(1), abs=1e-4)
    assert fit_at(data, fit.theta).beta == pytest.approx(fit.beta)
