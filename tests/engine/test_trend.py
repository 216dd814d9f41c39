"""A strong trend, an offset or a far constant costs no digits: the sums are about least squares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlpool.engine.lmm.fit import fit_lmm
from mlpool.engine.lmm.repeated_fits import new_responses
from mlpool.engine.sums.cluster_sums import CrossProducts, merge
from mlpool.engine.sums.columns import Rows
from mlpool.engine.sums.trend import detrended_sums, sample_trend
from mlpool.engine.types import ArrayRows, Control, LmmData, ReTerm
from mlpool.errors import FitError

N = 240
RNG = np.random.default_rng(8)
X = np.column_stack([np.ones(N), RNG.normal(size=N), RNG.uniform(size=N) > 0.5])
GROUPS = np.repeat(np.arange(24), 10)
CROSSED = RNG.integers(0, 7, N)
NOISE = (
    RNG.normal(size=24)[GROUPS] * 0.8 + X[:, 1] * RNG.normal(size=24)[GROUPS] * 0.4
    + RNG.normal(size=7)[CROSSED] * 0.5 + RNG.normal(size=N)
)  # fmt: skip
WEIGHTS, OFFSET = RNG.uniform(0.5, 2.0, N), 1e3 * RNG.normal(size=N)
ONES, SLOPE, ALONE = X[:, :1], X[:, :2], X[:, 1:2]

MODELS = {
    "intercept": (X, ((ONES, GROUPS, 0),)),
    "slope": (X, ((SLOPE, GROUPS, 0),)),
    "independent": (X, ((ONES, GROUPS, 0), (ALONE, GROUPS, 0))),
    "no intercept": (X[:, 1:], ((ALONE, GROUPS, 0),)),
    "nested": (X, ((ONES, GROUPS, 0), (ONES, GROUPS // 4, 1))),
    "crossed": (X, ((SLOPE, GROUPS, 0), (ONES, CROSSED, 1))),
}


def model(name: str, y: np.ndarray, **options: np.ndarray | None) -> LmmData:
    fixed, terms = MODELS[name]
    made = tuple(
        ReTerm(z=ArrayRows(z), codes=codes, n_levels=int(codes.max()) + 1, factor=factor)
        for z, codes, factor in terms
    )
    return LmmData(y=y, X=ArrayRows(fixed), terms=made, **options)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_trend_moves_beta_and_nothing_else(name: str, is_weighted: bool) -> None:
    options = {"weights": WEIGHTS, "offset": OFFSET} if is_weighted else {}
    y = NOISE + (OFFSET if is_weighted else 0.0)
    flat = fit_lmm(model(name, y, **options))
    fixed = MODELS[name][0]
    for slope in (30.0, 200.0, 1e5):
        steep = fit_lmm(model(name, y + fixed @ np.full(fixed.shape[1], slope), **options))
        assert steep.theta == pytest.approx(flat.theta, rel=1e-8, abs=1e-9)
        assert steep.sigma == pytest.approx(flat.sigma, rel=1e-9)
        assert steep.criterion == pytest.approx(flat.criterion, rel=1e-10)
        assert steep.beta - slope == pytest.approx(flat.beta, rel=1e-8, abs=1e-8)
        for ours, theirs in zip(flat.b, steep.b, strict=True):
            assert theirs == pytest.approx(ours, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_new_responses_may_have_any_trend(name: str) -> None:
    y = NOISE + OFFSET
    options = {"weights": WEIGHTS, "offset": OFFSET}
    theta = fit_lmm(model(name, y, **options)).theta
    again = new_responses(model(name, y, **options), theta, reml=True, control=Control())
    fixed = MODELS[name][0]
    flat, steep = again.fit(y), again.fit(y + fixed @ np.full(fixed.shape[1], -1e4))
    assert steep.beta + 1e4 == pytest.approx(flat.beta, rel=1e-7, abs=1e-7)
    assert steep.theta == pytest.approx(flat.theta, rel=1e-7, abs=1e-8)
    assert steep.sigma == pytest.approx(flat.sigma, rel=1e-8)


def test_a_response_explained_up_to_rounding_is_refused_and_none_before() -> None:
    exact = X @ [1e3, 2.0, 3.0]
    with pytest.raises(FitError, match="fixed effects explain the response exactly"):
        fit_lmm(model("slope", exact))
    fit = fit_lmm(model("slope", exact + 1e-8 * NOISE))
    assert fit.sigma == pytest.approx(1e-8 * fit_lmm(model("slope", NOISE)).sigma, rel=1e-4)


def test_what_the_sample_does_not_show_costs_a_second_pass() -> None:
    n = 5000
    late = (np.arange(n) >= n - 80).astype(float)
    late[n - 70 :] = 0.0  # ten rows, none of them in the sample
    rng = np.random.default_rng(1)
    columns = np.column_stack([np.ones(n), rng.normal(size=n), late])
    y = rng.normal(size=n) + 1e5 * late + 1e5 * columns[:, 1]
    codes = np.arange(n) % 50
    rows = Rows(y=y, X=ArrayRows(columns), Z=(ArrayRows(columns[:, :1]),), codes=codes, n_levels=50)
    assert sample_trend(rows)[2] == 0.0
    sums, kept = detrended_sums(rows)
    assert kept.tolist() == [0, 1, 2]
    at = sums.layout.y
    assert sums.total[at, at] < 1.1 * n
    assert sums.layout.trend[sums.layout.x[2]] == pytest.approx(1e5, abs=2.0)


def test_pieces_with_other_trends_add_up() -> None:
    rows = Rows(
        y=NOISE, X=ArrayRows(X), Z=(ArrayRows(SLOPE),), codes=GROUPS, n_levels=24, weights=WEIGHTS
    )

    def part(where: slice) -> Rows:
        return replace(
            rows, y=rows.y[where], X=ArrayRows(X[where]), Z=(ArrayRows(SLOPE[where]),),
            codes=GROUPS[where], weights=WEIGHTS[where],
        )  # fmt: skip

    first = CrossProducts.from_rows(part(slice(0, 100)), trend=np.array([0.0, 3.0, -2.0]))
    second = CrossProducts.from_rows(part(slice(100, N)), trend=np.array([0.0, -1.0, 5.0]))
    whole = CrossProducts.from_rows(rows, layout=first.layout)
    assert merge(first, second).sums == pytest.approx(whole.sums, rel=1e-9, abs=1e-8)
    assert merge(first, second).total == pytest.approx(whole.total, rel=1e-9, abs=1e-8)


def test_the_response_of_detrended_sums_is_still_known() -> None:
    rows = Rows(y=NOISE, X=ArrayRows(X), Z=(ArrayRows(SLOPE),), codes=GROUPS, n_levels=24)
    for trend in (None, np.array([0.0, 3.0, -2.0])):
        sums = CrossProducts.from_rows(rows, trend=trend)
        (back,) = sums.uncentre(np.array([sums.layout.y])).T
        assert back @ sums.total @ back == pytest.approx(NOISE @ NOISE, rel=1e-12)
