"""The first look at scanned rows: means and SDs have their digits wherever a column lies."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pytest

from mlpool.sources.language.pushed_values import PushedNumbers
from mlpool.sources.survey import Asked, survey

pytest.importorskip("narwhals", minversion="2.0")
pl = pytest.importorskip("polars")


@pytest.mark.parametrize("shift", [0.0, 3.0, 1e2, 1e9])
@pytest.mark.parametrize("unit", [1.0, 1e-150, 1e150])
def test_moments_have_their_digits(shift: float, unit: float) -> None:
    x = (shift + np.random.default_rng(5).normal(size=500)) * unit
    rows = nw.from_native(pl.LazyFrame({"x": [*x.tolist(), None]}))
    found = survey(rows, Asked(values={"x": PushedNumbers(exprs=(nw.col("x"),))}, keys={}), "omit")
    assert (found.n_read, found.n, found.n_missing) == (501, 500, 1)
    assert found.missing_by == {"x": 1}
    (moments,) = found.moments["x"]
    spread = x.std(ddof=1)
    np.testing.assert_allclose(moments.mean, x.mean(), rtol=1e-14, atol=1e-14 * spread)
    # engines round deviations of columns far from zero by their distance
    np.testing.assert_allclose(moments.sd, spread, rtol=1e-13 * max(10.0, shift))
    assert (moments.low, moments.high) == (x.min(), x.max())


@pytest.mark.parametrize(("values", "sd"), [([2.0], 0.0), ([2.0, 2.0], 0.0), ([0.0, 0.0], 0.0)])
def test_columns_without_spread(values: list[float], sd: float) -> None:
    rows = nw.from_native(pl.LazyFrame({"x": values}))
    found = survey(rows, Asked(values={"x": PushedNumbers(exprs=(nw.col("x"),))}, keys={}), "omit")
    (moments,) = found.moments["x"]
    assert (moments.sd, moments.centre) == (sd, values[0])
