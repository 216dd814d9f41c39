"""Dates in formulas: numbers in days, groups and levels under their own names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool

START = pd.Timestamp("2024-01-29")
DAYS = np.repeat(np.arange(12), 10)
RNG = np.random.default_rng(5)
DATA = pd.DataFrame(
    {"y": RNG.normal(size=120) + RNG.normal(size=12)[DAYS], "x": RNG.normal(size=120)}
)
DATA["day"] = START + pd.to_timedelta(DAYS, "D")


def stored(kind: str) -> object:
    if kind == "objects":
        return DATA.assign(day=pd.Series([d.date() for d in DATA["day"]], dtype=object))
    if kind == "zone":
        return DATA.assign(day=DATA["day"].dt.tz_localize("UTC"))
    if kind == "seconds":
        return DATA.assign(day=DATA["day"].astype("datetime64[s]"))
    if kind == "pandas":
        return DATA
    pytest.importorskip("pyarrow")
    pl = pytest.importorskip("polars")
    frame = pl.from_pandas(DATA)
    frame = frame if kind == "polars times" else frame.with_columns(pl.col("day").cast(pl.Date))
    return frame.to_arrow() if kind == "arrow" else frame


STORED = ("pandas", "objects", "zone", "seconds", "polars dates", "polars times", "arrow")


@pytest.mark.parametrize("kind", STORED)
def test_dates_are_days_and_groups_are_dates_however_they_are_stored(kind):
    data = stored(kind)
    number = mlpool.lm("y ~ day", data)
    # R: as.numeric(as.Date("2024-01-29")) is 19751
    want = mlpool.lm("y ~ t", DATA.assign(t=19751.0 + DAYS))
    np.testing.assert_allclose(number.fixef(), want.fixef(), rtol=1e-9)
    grouped = mlpool.lmer("y ~ x + (1 | day)", data)
    effects = mlpool.ranef(grouped)["day"]
    assert list(effects.index[:4]) == ["2024-01-29", "2024-01-30", "2024-01-31", "2024-02-01"]
    by_number = mlpool.lmer("y ~ x + (1 | t)", DATA.assign(t=DAYS))
    np.testing.assert_allclose(effects, mlpool.ranef(by_number)["t"])
    np.testing.assert_allclose(grouped.predict(data), by_number.predict(), rtol=1e-9)
    assert "factor(day)2024-02-01" in mlpool.lm("y ~ factor(day)", data).names
    assert mlpool.lm("y ~ x", data, subset="day >= '2024-02-01'").nobs == 90
    assert mlpool.lm("y ~ x", data, subset="day == '2024-02-01'").nobs == 10


def test_times_missing_dates_and_durations():
    times = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0]})
    times["t"] = pd.to_datetime(["2024-01-01 06:00", "2024-01-01 18:00", None, "2024-01-02 06:00"])
    times["d"] = times["t"] - pd.Timestamp("2024-01-01")
    got = mlpool.model_matrix("~ 0 + t + d", times).to_numpy()
    np.testing.assert_allclose(got[:, 0] - 19723, [0.25, 0.75, 1.25])
    np.testing.assert_allclose(got[:, 1], [0.25, 0.75, 1.25])
    names = mlpool.model_matrix("~ factor(t)", times).columns
    assert list(names[1:]) == ["factor(t)2024-01-01 18:00:00", "factor(t)2024-01-02 06:00:00"]


def test_what_is_no_date_is_refused():
    with pytest.raises(mlpool.FormulaError, match="'spring' is no date"):
        mlpool.lm("y ~ x", DATA, subset="day > 'spring'")
