"""Columns whose names results have, too, and what scans refuse in a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlpool

pytest.importorskip("narwhals", minversion="2.0")
pl = pytest.importorskip("polars")


@pytest.fixture(params=["polars", "duckdb"])
def scanned(request: pytest.FixtureRequest) -> Any:
    """Return a function that scans a polars frame by an engine; DuckDB ignores capitals."""
    if request.param == "polars":
        return lambda frame: mlpool.scan(frame.lazy())
    duckdb = pytest.importorskip("duckdb")
    return lambda frame: mlpool.scan(duckdb.from_arrow(frame.to_arrow()))


@pytest.fixture
def rows() -> Any:
    rng = np.random.default_rng(3)
    x = rng.normal(size=200)
    return pl.DataFrame(
        {"g": np.arange(200) % 10, "x": x, "y": x + rng.normal(size=200), "flag": x > 0.3}
    )


@pytest.mark.parametrize("name", ["fitted", "resid", "FITTED", "Resid", "predicted", "weights"])
@pytest.mark.parametrize("role", ["beside", "y", "x", "w"])
def test_columns_may_have_the_names_of_results(
    scanned: Any, rows: Any, name: str, role: str
) -> None:
    """Errors and quartiles of residuals are those of rows in memory; no column is overwritten."""
    changed = rows.with_columns(w=1.0 + rows["g"] % 3)
    changed = (
        changed.with_columns(changed["x"].alias(name)) if role == "beside"
        else changed.rename({role: name})
    )  # fmt: skip
    y, x, w = (name if role == part else part for part in "yxw")
    fits = [
        mlpool.lmer(f"{y} ~ {x} + (1 | g)", data, weights=w) for data in (scanned(changed), changed)
    ]
    errors = [mlpool.model_performance(m)["RMSE"].iloc[0] for m in fits]
    assert errors[0] == pytest.approx(errors[1], rel=1e-8)
    texts = [str(mlpool.summary(m)).split("Scaled residuals")[1].split("Random")[0] for m in fits]
    assert texts[0] == texts[1]
    for made, ask in (("predicted", fits[0].predict), ("fitted", fits[0].residuals)):
        if made == name.lower():
            with pytest.raises(mlpool.DataError, match="rename or drop theirs"):
                ask()


def test_what_scans_refuse_in_a_sentence(scanned: Any, rows: Any) -> None:
    refused: list[tuple[Any, str]] = [
        (lambda: mlpool.lmer("y ~ x + (1 | nosuch)", scanned(rows)), "no column 'nosuch'"),
        (lambda: mlpool.lm("flag ~ x", scanned(rows)), r"write as\.numeric\(flag\)"),
        (lambda: mlpool.check_normality(mlpool.lm("y ~ x", scanned(rows))), "rows in memory"),
        (lambda: mlpool.check_model(mlpool.lm("y ~ x", scanned(rows))), "rows in memory"),
        (lambda: mlpool.lm("y ~ x", ""), "is a folder|path is empty"),
        (lambda: mlpool.scan(" "), "The path is empty"),
    ]
    for ask, text in refused:
        with pytest.raises(mlpool.MlpoolError, match=text):
            ask()
    flag = mlpool.lm("as.numeric(flag) ~ x", scanned(rows)).fixef()
    want = mlpool.lm("as.numeric(flag) ~ x", rows).fixef()
    np.testing.assert_allclose(flag, want, rtol=1e-9)


def test_a_column_called_weights_is_no_weight(scanned: Any, rows: Any) -> None:
    named = rows.rename({"x": "weights"})
    found = mlpool.lm("y ~ weights", scanned(named)).fixef()
    np.testing.assert_allclose(found, mlpool.lm("y ~ weights", named).fixef(), rtol=1e-9)
