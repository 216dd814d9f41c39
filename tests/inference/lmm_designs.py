"""Data and fits of cases of lmm.json, written out by hand from the CSV files and R's estimates.

The fits hold R's own theta, sigma, beta and covariance, so that these tests are about inference
and not about the optimiser.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlpool.engine.types import ArrayRows, LmmData, LmmFit, ReTerm

#: formula parts by case: data, response, fixed columns (1 = intercept), terms (group, columns)
CASES: dict[str, tuple[str, str, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]] = {
    "sleep_ri_reml": ("sleepstudy", "Reaction", ("1", "Days"), (("Subject", ("1",)),)),
    "sleep_rs_reml": ("sleepstudy", "Reaction", ("1", "Days"), (("Subject", ("1", "Days")),)),
    "sleep_rs_ml": ("sleepstudy", "Reaction", ("1", "Days"), (("Subject", ("1", "Days")),)),
    "sleep_dbar_num_reml": (
        "sleepstudy",
        "Reaction",
        ("1", "Days"),
        (("Subject", ("1",)), ("Subject", ("Days",))),
    ),
    "sleep_I2": ("sleepstudy", "Reaction", ("1", "Days", "Days2"), (("Subject", ("1", "Days")),)),
    "sleep_weights": ("sleepstudy", "Reaction", ("1", "Days"), (("Subject", ("1", "Days")),)),
    "sleep_missing": ("sleepstudy", "Reaction", ("1", "Days"), (("Subject", ("1", "Days")),)),
    "heck_ses_reml": ("heck2011", "math", ("1", "ses"), (("school", ("1",)),)),
    "heck_rs_reml": ("heck2011", "math", ("1", "ses"), (("school", ("1", "ses")),)),
    "heck_rs_ml": ("heck2011", "math", ("1", "ses"), (("school", ("1", "ses")),)),
    "heck_l2": (
        "heck2011",
        "math",
        ("1", "ses", "female", "puniv", "public"),
        (("school", ("1",)),),
    ),
    "dyestuff_reml": ("Dyestuff", "Yield", ("1",), (("Batch", ("1",)),)),
    "dyestuff2_reml_singular": ("Dyestuff2", "Yield", ("1",), (("Batch", ("1",)),)),
    "penicillin_crossed": (
        "Penicillin",
        "diameter",
        ("1",),
        (("plate", ("1",)), ("sample", ("1",))),
    ),
    "penicillin_crossed_ml": (
        "Penicillin",
        "diameter",
        ("1",),
        (("plate", ("1",)), ("sample", ("1",))),
    ),
    "pastes_nested_slash": (
        "Pastes",
        "strength",
        ("1",),
        (("cask_in_batch", ("1",)), ("batch", ("1",))),
    ),
    "pop_rs": (
        "popular",
        "popular_s",
        ("1", "female", "extraversion", "teacher_exp"),
        (("class", ("1", "extraversion")),),
    ),
    "pop_3dim": (
        "popular",
        "popular_s",
        ("1", "female", "extraversion", "teacher_exp"),
        (("class", ("1", "female", "extraversion")),),
    ),
    "ortho_ri": (
        "orthodontic",
        "distance",
        ("1", "age", "is_female", "age_female"),
        (("Subject", ("1",)),),
    ),
    "ortho_rs": (
        "orthodontic",
        "distance",
        ("1", "age", "is_female", "age_female"),
        (("Subject", ("1", "age")),),
    ),
}


@cache
def load_case(shared: Path, case_id: str) -> dict[str, Any]:
    cases = json.loads((shared / "reference" / "lmm.json").read_text())["cases"]
    return next(case for case in cases if case["id"] == case_id)


@cache
def data_and_fit(shared: Path, case_id: str) -> tuple[LmmData, LmmFit]:
    case, (name, response, fixed, terms) = load_case(shared, case_id), CASES[case_id]
    d = _frame(shared, name, case_id)
    factors = list(dict.fromkeys(group for group, _ in terms))
    data = LmmData(
        y=d[response].to_numpy(float),
        X=ArrayRows(_matrix(d, fixed)),
        terms=tuple(_term(d, group, columns, factors.index(group)) for group, columns in terms),
        weights=d["w"].to_numpy(float) if case["weights"] else None,
    )
    return data, fit_of(case, data.n)


def fit_of(case: dict[str, Any], n: int) -> LmmFit:
    result = case["result"]
    vcov = np.array(result["fixef"]["vcov"], dtype=float)
    return LmmFit(
        beta=np.array(result["fixef"]["estimate"], dtype=float),
        kept=np.arange(len(vcov)),
        vcov_unscaled=vcov / result["sigma"] ** 2,
        theta=np.array(result["theta"], dtype=float),
        sigma=result["sigma"],
        criterion=result["criterion"],
        pwrss=result["devcomp"]["pwrss"],
        logdet_L2=result["devcomp"]["ldL2"],
        logdet_RX2=result["devcomp"]["ldRX2"],
        reml=case["REML"],
        n=n,
        b=(),
        cond_cov=(),
    )


def _frame(shared: Path, name: str, case_id: str) -> pd.DataFrame:
    d = pd.read_csv(shared / "data" / f"{name}.csv").rename(columns=str.strip)
    if case_id == "sleep_missing":
        for step in load_case(shared, case_id)["prep"]:
            if step["op"] == "set_na":
                d.loc[np.array(step["rows"]) - 1, step["col"]] = np.nan
        d = d.dropna()
    if name == "sleepstudy":
        return d.assign(Days2=d.Days**2, w=1 + d.Days % 3)
    if name == "Pastes":
        return d.assign(cask_in_batch=d.batch.astype(str) + ":" + d.cask.astype(str))
    if name == "orthodontic":
        female = (d.Sex == "Female").astype(float)
        return d.assign(is_female=female, age_female=d.age * female)
    return d


def _matrix(d: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    return np.column_stack([np.ones(len(d)) if c == "1" else d[c].to_numpy(float) for c in columns])


def _term(d: pd.DataFrame, group: str, columns: Sequence[str], factor: int) -> ReTerm:
    codes, levels = pd.factorize(d[group], sort=True)
    return ReTerm(
        z=ArrayRows(_matrix(d, columns)), codes=codes, n_levels=len(levels), factor=factor
    )
