"""tidy, glance and augment are broom's and broom.mixed's (tests/broom/r/broom.R)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

R = json.loads((Path(__file__).parent / "r" / "broom.json").read_text())
COUNTS = "cbind(incidence, size - incidence) ~ period"
# Relative; R's glm stops at a change of 1e-8 of the deviance and interpolates its profiles, and its
# optimisers leave mixed models' theta at 1e-5 (lmer) and, by a second difference for the Hessian
# behind standard errors, at 1e-3 (glmer).
REL = {"lm": 1e-9, "glm": 2e-5, "lmer": 1e-4, "lmer_ml": 1e-4, "glmer": 3e-3}
LOOSE = {"p.value": 20.0, "conf.low": 10.0, "conf.high": 10.0}
"""Times as much: p-values multiply errors of z by z^2, bounds add interpolation."""


def _fit(name: str) -> Any:
    if name in ("glm", "glmer"):
        bar = " + (1 | herd)" if name == "glmer" else ""
        return mlpool.fit(COUNTS + bar, mlpool.load_data("cbpp"), family="binomial")
    d = mlpool.load_data("sleepstudy")
    d["w"] = 1 + (np.arange(len(d)) + 1) % 3
    if name == "lm":
        return mlpool.lm("Reaction ~ Days", d, weights="w")
    if name == "lmer":
        return mlpool.lmer("Reaction ~ Days + (Days | Subject)", d)
    return mlpool.lmer("Reaction ~ Days + (1 | Subject)", d, REML=False)


def _same(frame: pd.DataFrame, theirs: dict[str, Any], rel: float) -> None:
    for column, values in theirs.items():
        want = np.atleast_1d(np.array(values, dtype=object))
        got = frame[column].to_numpy(dtype=object)[: len(want)]
        if column in ("term", "effect", "group", "level"):
            assert [None if pd.isna(v) else str(v) for v in got] == list(want), column
            continue
        numbers = want.astype(float)
        np.testing.assert_allclose(
            got.astype(float), numbers, rtol=rel * LOOSE.get(column, 1.0), err_msg=column,
            atol=rel * float(np.nanmax(abs(numbers))) * (column.startswith(".")),
        )  # fmt: skip


@pytest.mark.parametrize("name", REL)
def test_tidy(name: str) -> None:
    m, r = _fit(name), R[name]
    frame = mlpool.tidy(m, conf_int=True, conf_level=0.9)
    assert list(frame.columns) == list(r["tidy"])
    _same(frame, r["tidy"], REL[name])
    assert not {"conf.low", "conf.high"} & set(mlpool.tidy(m))
    if m.family is None:
        with pytest.raises(mlpool.NotSupportedError, match="log or logit link"):
            mlpool.tidy(m, exponentiate=True)
    else:
        _same(mlpool.tidy(m, exponentiate=True), r["odds"], REL[name])


@pytest.mark.parametrize("name", ["lmer", "lmer_ml", "glmer"])
def test_tidy_of_groups(name: str) -> None:
    """Modes near zero are known to a share of the largest."""
    m = _fit(name)
    for effects, theirs in (("ran_vals", R[name]["modes"]), ("ran_coefs", R[name]["groups"])):
        frame = mlpool.tidy(m, effects=effects)
        assert list(frame.columns) == list(theirs) and len(frame) == len(theirs["level"])
        _same(frame.rename(columns={"estimate": ".e"}), {
            ".e" if column == "estimate" else column: values for column, values in theirs.items()
        }, REL[name])  # fmt: skip
    both = mlpool.tidy(m, effects=["ran_vals", "fixed"])
    assert both["effect"].drop_duplicates().to_list() == ["fixed", "ran_vals"]
    for wrong in ("random", [], 3, ["fixed", "sd"]):
        with pytest.raises(mlpool.OptionError, match="effects must be 'fixed' or 'ran_pars'"):
            mlpool.tidy(m, effects=wrong)  # type: ignore[arg-type]
    with pytest.raises(mlpool.OptionError, match="'fixed' of a model without random effects"):
        mlpool.tidy(_fit("lm"), effects="ran_vals")


@pytest.mark.parametrize("name", REL)
def test_glance(name: str) -> None:
    frame = mlpool.glance(_fit(name))
    assert list(frame.columns) == list(R[name]["glance"]) and len(frame) == 1
    _same(frame, R[name]["glance"], REL[name])


LME4_PARTS = {".sqrtXwt", ".sqrtrwt", ".wtres", ".eta"}
"""lme4's inner loop; `.eta` is `.fitted`."""


@pytest.mark.parametrize("name", REL)
def test_augment(name: str) -> None:
    m = _fit(name)
    frame, theirs = mlpool.augment(m), dict(R[name]["augment"])
    assert list(frame.columns[: mlpool.model_frame(m).shape[1]]) == list(mlpool.model_frame(m))
    made = [c for c in frame if str(c).startswith(".")]
    assert set(made) == set(theirs) - LME4_PARTS
    if name == "glmer":  # leverages have working weights here: see leverages()
        del theirs[".hat"], theirs[".cooksd"]
    _same(frame, {c: v for c, v in theirs.items() if c in made}, REL[name])
    assert frame.index.equals(m.design.index)
    np.testing.assert_array_equal(mlpool.hatvalues(m), frame[".hat"])
    np.testing.assert_array_equal(mlpool.cooks_distance(m), frame[".cooksd"])


def test_reml_of_a_constant_and_bad_input() -> None:
    d = mlpool.load_data("sleepstudy")
    alone = mlpool.glance(mlpool.lm("Reaction ~ 1", d))
    assert alone["df"].iloc[0] == 0 and np.isnan(alone["statistic"].iloc[0])
    verbs: list[Any] = [
        mlpool.tidy, mlpool.glance, mlpool.augment, mlpool.hatvalues, mlpool.cooks_distance,
    ]  # fmt: skip
    for verb in verbs:
        with pytest.raises(mlpool.OptionError, match="needs a fitted model"):
            verb(d)
    with pytest.raises(mlpool.OptionError, match="conf_int must be True or False"):
        mlpool.tidy(mlpool.lm("Reaction ~ 1", d), conf_int=0.9)  # type: ignore[arg-type]


# R: library(lme4); library(broom.mixed); nd <- sleepstudy[c(1, 12, 25), c("Days", "Subject")]
# augment(lmer(Reaction ~ Days + (Days | Subject), sleepstudy), newdata = nd)$.fitted
# augment(glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial),
#         newdata = cbpp[c(1, 5), c("herd", "period")])$.fitted
NEW_ROWS = {
    "lmer": [253.663655798386, 212.853972114033, 232.518413850118],
    "glmer": [-0.808713427979033, -1.697436190621852],
}


def test_augment_of_new_rows() -> None:
    d = mlpool.load_data("sleepstudy").iloc[[0, 11, 24]][["Days", "Subject"]]
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    got = mlpool.augment(m, d)
    assert list(got) == ["Days", "Subject", ".fitted", ".fixed"]
    assert list(got.index) == [0, 11, 24]
    # relative: lme4's theta is good to 1e-5, which random effects carry on
    np.testing.assert_allclose(got[".fitted"], NEW_ROWS["lmer"], rtol=1e-5)
    np.testing.assert_allclose(got[".fixed"], mlpool.predict(m, d, re_form=False))
    herds = mlpool.load_data("cbpp").iloc[[0, 4]]
    g = _fit("glmer")
    got = mlpool.augment(g, herds)[".fitted"]
    np.testing.assert_allclose(got, NEW_ROWS["glmer"], rtol=REL["glmer"])
    other = mlpool.augment(m, d.assign(Subject="nobody"))
    np.testing.assert_array_equal(other[".fitted"], other[".fixed"])


def test_augment_of_new_rows_without_groups() -> None:
    m = mlpool.lm("Reaction ~ Days", mlpool.load_data("sleepstudy"))
    got = mlpool.augment(m, {"Days": [0.0, 4.0]})
    assert list(got) == ["Days", ".fitted"]
    np.testing.assert_allclose(got[".fitted"], m.predict(pd.DataFrame({"Days": [0.0, 4.0]})))
