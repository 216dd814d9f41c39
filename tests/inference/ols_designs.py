"""Design matrices of the cases of ols.json, written out by hand, so that no formula is involved."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlpool.inference.sandwich.heteroscedastic import ScoreRows

IDS = (
    "ols_heck_ses",
    "ols_heck_multi",
    "ols_heck_null",
    "ols_sleep",
    "ols_sleep_poly_weights",
    "ols_popular",
    "ols_penicillin_twoway",
    "ols_daily",
    "ols_cake_factor",
    "ols_missing",
)


@cache
def load_case(shared: Path, case_id: str) -> dict[str, Any]:
    cases = json.loads((shared / "reference" / "ols.json").read_text())["cases"]
    return next(case for case in cases if case["id"] == case_id)


@cache
def design(shared: Path, case_id: str) -> tuple[ScoreRows, np.ndarray, pd.DataFrame]:
    """Return (score rows, beta, the rows of data that were used)."""
    d = pd.read_csv(shared / "data" / load_case(shared, case_id)["data"]).rename(columns=str.strip)
    d = _drop_missing(d, case_id)
    y, columns, w = _columns(d, case_id)
    X = np.column_stack([np.ones(len(d)), *columns]).astype(float)
    weights = np.ones(len(d)) if w is None else w
    bread = np.linalg.inv(X.T @ (weights[:, None] * X))
    beta = bread @ (X.T @ (weights * y))
    return ScoreRows(X=X, resid=y - X @ beta, bread=bread, weights=w), beta, d


def codes_of(d: pd.DataFrame, column: str) -> np.ndarray:
    return pd.factorize(d[column])[0]


def _drop_missing(d: pd.DataFrame, case_id: str) -> pd.DataFrame:
    if case_id == "ols_missing":
        d.loc[[2, 16, 43, 100, 179], "Reaction"] = np.nan
        d.loc[[4, 59], "Days"] = np.nan
        return d.dropna()
    if case_id == "ols_daily":
        return d.dropna(subset=["positive", "sleep", "social", "sex"])
    return d


def _columns(d: pd.DataFrame, case_id: str) -> tuple[np.ndarray, list[Any], np.ndarray | None]:
    match case_id:
        case "ols_heck_ses":
            return d.math.to_numpy(), [d.ses], None
        case "ols_heck_multi":
            return d.math.to_numpy(), [d.ses, d.female, d.puniv, d.public, d.ses * d.female], None
        case "ols_heck_null":
            return d.math.to_numpy(), [], None
        case "ols_sleep" | "ols_missing":
            return d.Reaction.to_numpy(), [d.Days], None
        case "ols_sleep_poly_weights":
            x = d.Days - d.Days.mean()
            q = np.linalg.qr(np.column_stack([np.ones(len(d)), x, x**2]))[0][:, 1:]
            # R's poly() rises at the right end in every degree
            q = q * np.sign(q[np.argmax(d.Days)])
            return d.Reaction.to_numpy(), list(q.T), (1 + d.Days % 3).to_numpy(float)
        case "ols_popular":
            columns = [d.female, d.extraversion, d.teacher_exp, d.female * d.extraversion]
            return d.popular_s.to_numpy(), columns, None
        case "ols_penicillin_twoway":
            return d.diameter.to_numpy(), [], None
        case "ols_daily":
            second = d.sex == sorted(d.sex.unique())[1]
            return d.positive.to_numpy(), [d.sleep, d.social, second], None
        case "ols_cake_factor":
            b, c = (d.recipe == "B").astype(float), (d.recipe == "C").astype(float)
            return d.angle.to_numpy(float), [b, c, d.temp, b * d.temp, c * d.temp], None
    raise KeyError(case_id)
