"""``deviance``, ``df_residual``, ``terms``, ``model_frame``, ``residuals``: r/extractors.R."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

R = json.loads((Path(__file__).parent / "r" / "extractors.json").read_text())
FORMULAS = {
    "lm": "log(Reaction) ~ Days + I(Days^2) + factor(Subject)",
    "glm": "incidence ~ period + offset(log(size))",
    "lmer": "Reaction ~ Days + (Days | Subject)",
    "glmer": "cbind(incidence, size - incidence) ~ period + (1 | herd)",
}


def _fit(name: str) -> Any:
    if "glm" in name:
        family = "poisson" if name == "glm" else "binomial"
        return mlpool.fit(FORMULAS[name], mlpool.load_data("cbpp"), family=family)
    d = mlpool.load_data("sleepstudy")
    d["w"] = 1 + (np.arange(len(d)) + 1) % 3
    d.loc[3, "Days"] = np.nan
    return mlpool.fit(FORMULAS[name], d, reml=False, weights="w" if name == "lm" else None)


def _sum(column: pd.Series) -> float:
    numbers = column.cat.codes + 1 if column.dtype == "category" else column
    return float(numbers.sum())


@pytest.mark.filterwarnings("ignore:.*missing")
@pytest.mark.parametrize("name", FORMULAS)
def test_as_r(name: str) -> None:
    m, r = _fit(name), R[name]
    # R's optimisers of mixed models stop at steps of theta of 1e-6: the deviance, which is flat
    # there, has the square of it (of glmer, whose deviance is given the random effects, has not)
    rel = 1e-5 if m.is_mixed else 1e-8
    assert mlpool.deviance(m) == pytest.approx(r["deviance"], rel=rel if name == "glmer" else 1e-8)
    assert mlpool.df_residual(m) == r["df_residual"]
    assert mlpool.terms(m) == np.atleast_1d(r["terms"]).tolist()
    assert abs(mlpool.residuals(m)).sum() == pytest.approx(r["residuals"], rel=rel)
    assert abs(mlpool.residuals(m, "response")).sum() == pytest.approx(r["response"], rel=rel)


@pytest.mark.filterwarnings("ignore:.*missing")
@pytest.mark.parametrize("name", ["lm", "glm", "lmer"])
def test_the_model_frame_is_rs(name: str) -> None:
    frame, r = mlpool.model_frame(_fit(name)), R[name]
    assert list(frame.columns) == r["names"]
    assert len(frame) == r["rows"]
    for column, total in zip(frame.columns, r["sums"], strict=True):
        assert _sum(frame[column]) == pytest.approx(total, rel=1e-12), column


def test_a_model_frame_names_columns_of_one_expression() -> None:
    d = mlpool.load_data("sleepstudy")
    d["late"] = d["Days"] > 5
    d["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(d["Days"], unit="D")
    m = mlpool.lm("Reaction ~ poly(Days, 2) + late", d[::-1], offset="Days")
    frame = mlpool.model_frame(m)
    names = ["Reaction", "poly(Days, 2).1", "poly(Days, 2).2", "late", "(offset)"]
    assert list(frame.columns) == names
    assert frame.index.equals(d[::-1].index) and frame["late"].dtype == bool
    cbind = mlpool.model_frame(_fit("glmer"))
    assert list(cbind.columns)[2:] == ["period", "herd"]
    again = mlpool.refit(m, 2 * frame["Reaction"])
    assert mlpool.model_frame(again)["Reaction"].equals(2 * frame["Reaction"])
    dated = mlpool.model_frame(mlpool.lm("Reaction ~ day", d))
    assert dated["day"].equals(d["day"])
