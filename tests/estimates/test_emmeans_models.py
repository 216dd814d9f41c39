"""emmeans' spellings on eight models of different kinds are R's (r/emmeans_models.R)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool import contrast, emmeans, emtrends, joint_tests, pairs, regrid
from mlpool.errors import OptionError

R = json.loads((Path(__file__).parent / "r" / "emmeans_models.json").read_text())
pytestmark = pytest.mark.filterwarnings("ignore::mlpool.MlpoolWarning")


def _data() -> pd.DataFrame:
    d = mlpool.load_data("Orthodont").copy()
    n = np.arange(1, len(d) + 1)
    subject = d["Subject"].astype(str)
    d["g"] = np.array(list("abc"))[(subject.astype("category").cat.codes + 1) % 3]
    ages = d["age"].astype(int).astype(str)
    d["agef"] = pd.Categorical(ages, ["8", "10", "12", "14"])
    d["Sex"] = pd.Categorical(d["Sex"].astype(str), ["Male", "Female"])
    noise = 6 * np.sin(3 * n)
    return d.assign(
        w=1.0 + n % 3, t=1.0 + n % 5, k=d["distance"].round() - 15,
        tall=1.0 * (d["distance"] + noise > 24),
    )  # fmt: skip


@cache
def _model(name: str) -> Any:
    d = _data()
    present = d[~((d["Sex"] == "Female") & (d["agef"] == "8"))]
    fits: dict[str, Callable[[], Any]] = {
        "lm": lambda: mlpool.lm("distance ~ age * Sex + g", d),
        "logit": lambda: mlpool.glm("tall ~ agef + Sex * g", d, family="binomial"),
        "poisson": lambda: mlpool.glm("k ~ Sex * agef + offset(log(t))", d, family="poisson"),
        "lmer": lambda: mlpool.lmer("distance ~ agef * Sex + (1 | Subject)", d),
        "glmer": lambda: mlpool.glmer("tall ~ age + Sex + (1 | Subject)", d, family="binomial"),
        "log": lambda: mlpool.lm("log(distance) ~ Sex * agef", d, weights="w"),
        "sqrt": lambda: mlpool.lm("sqrt(distance) ~ age + Sex * g", d),
        "def": lambda: mlpool.lm("distance ~ Sex * agef + g", present),
    }
    return fits[name]()


def _ends(x: Any) -> list[float]:
    return [x.min(), x.max()]


ASKED: dict[str, Callable[[Any], Any]] = {
    "lm ~Sex": lambda m: emmeans(m, "~ Sex"),
    "lm ~age": lambda m: emmeans(m, "~ age"),
    "lm age": lambda m: emmeans(m, "age", at={"age": [8, 12]}),
    "lm covreduce F": lambda m: emmeans(m, "~ age", cov_reduce=False),
    "lm covreduce range": lambda m: emmeans(m, "~ age | Sex", cov_reduce=_ends),
    "lm covreduce median": lambda m: emmeans(m, "~ Sex", cov_reduce={"age": np.median}),
    "lm pairwise|": lambda m: emmeans(m, "pairwise ~ Sex | age", at={"age": [8, 14]}).contrasts,
    "lm simple each Sex": lambda m: contrast(emmeans(m, "~ Sex * g"), "pairwise", simple="each")[
        "Sex"
    ],
    "lm simple each g": lambda m: contrast(emmeans(m, "~ Sex * g"), "pairwise", simple="each")[
        "simple contrasts for g"
    ],
    "lm simple g": lambda m: pairs(emmeans(m, "~ Sex * g"), simple="g"),
    "lm interaction": lambda m: contrast(
        emmeans(m, "~ Sex * g"), interaction=["pairwise", "consec"]
    ),
    "lm by": lambda m: pairs(emmeans(m, "~ Sex * g"), by="g"),
    "lm emtrends": lambda m: emtrends(m, "pairwise ~ Sex", "age").contrasts,
    "logit link": lambda m: emmeans(m, "~ Sex | g"),
    "logit resp": lambda m: emmeans(m, "~ Sex | g", type="response"),
    "logit pairs": lambda m: pairs(emmeans(m, "~ g | Sex")),
    "logit pairs resp": lambda m: pairs(emmeans(m, "~ g | Sex"), type="response"),
    "logit regrid": lambda m: pairs(regrid(emmeans(m, "~ g"))),
    "logit trt": lambda m: contrast(emmeans(m, "~ agef"), "trt.vs.ctrl"),
    "logit w": lambda m: emmeans(m, "~ Sex", weights="proportional", type="response"),
    "poisson": lambda m: emmeans(m, "~ Sex"),
    "poisson resp": lambda m: emmeans(m, "~ agef | Sex", type="response"),
    "poisson offset0": lambda m: emmeans(m, "~ Sex", offset=0, type="response"),
    "poisson consec": lambda m: contrast(emmeans(m, "~ agef"), "consec", type="response"),
    "poisson simple": lambda m: contrast(
        emmeans(m, "~ Sex * agef", type="response"), "revpairwise", simple=["Sex"]
    ),
    "lmer": lambda m: emmeans(m, "~ Sex | agef"),
    "lmer pairs": lambda m: pairs(emmeans(m, "~ agef | Sex")),
    "lmer poly": lambda m: contrast(emmeans(m, "~ agef"), "poly"),
    "lmer eff": lambda m: contrast(emmeans(m, "~ agef | Sex"), "eff"),
    "lmer inter": lambda m: contrast(emmeans(m, "~ agef * Sex"), interaction="pairwise"),
    "lmer joint": joint_tests,
    "glmer": lambda m: emmeans(m, "~ Sex"),
    "glmer resp": lambda m: emmeans(m, "~ Sex | age", type="response", at={"age": [8, 14]}),
    "glmer OR": lambda m: pairs(emmeans(m, "~ Sex"), type="response"),
    "log": lambda m: emmeans(m, "~ Sex"),
    "log resp": lambda m: emmeans(m, "~ Sex | agef", type="response"),
    "log ratios": lambda m: pairs(emmeans(m, "~ agef | Sex", type="response"), reverse=True),
    "log unlink": lambda m: pairs(regrid(emmeans(m, "~ Sex"))),
    "sqrt": lambda m: emmeans(m, "~ g | Sex"),
    "sqrt resp": lambda m: emmeans(m, "~ g", type="response"),
    "sqrt pairs": lambda m: pairs(emmeans(m, "~ g", type="response")),
    "def": lambda m: emmeans(m, "~ agef | Sex"),
    "def Sex": lambda m: emmeans(m, "~ Sex"),
    "def pairs": lambda m: pairs(emmeans(m, "~ agef | Sex")),
    "def joint": joint_tests,
}

COLUMNS = {
    "estimate": (
        ["emmean", "prob", "rate", "response", "estimate", "odds.ratio", "ratio", "F.ratio"],
        ["Mean", "Probability", "Difference", "Ratio", "Slope", "F"],
    ),
    "SE": (["SE"], ["SE"]),
    "df": (["df"], ["df"]),
    "p": (["p.value"], ["p"]),
    "lower bound": (["lower.CL", "asymp.LCL"], ["CI_low"]),
}  # fmt: skip


def _column(rows: list[dict[str, Any]], names: list[str]) -> np.ndarray | None:
    for name in names:
        if any(name in row for row in rows):
            values = [row.get(name) for row in rows]
            return np.array([np.nan if v in (None, "NA") else float(v) for v in values])
    return None


def test_every_table_of_r_is_asked_for() -> None:
    assert set(ASKED) == set(R)


@pytest.mark.parametrize("name", ASKED)
def test_tables_equal_rs(name: str) -> None:
    table = ASKED[name](_model(name.split()[0])).to_pandas()
    is_joint = name.endswith("joint")
    compared = 0
    for what, (theirs, ours) in COLUMNS.items():
        want = _column(R[name], theirs)
        own = next((c for c in ours if c in table), None)
        if want is None or own is None:
            continue
        got = table[own].to_numpy(dtype=float)
        if what == "df":
            # R's infinite df are none in the file
            want, got = (np.where(np.isfinite(v), v, -1.0) for v in (want, got))
        compared += 1
        # joint_tests prints three decimals; mvt adjustments of R draw points
        absolute = 1e-3 if is_joint else 1e-6
        relative = {"p": 2e-3, "lower bound": 1e-3}.get(what, 1e-4)
        # rows of R's reversed pairs are sorted by the later level, ours by the earlier one
        is_sorted = name == "log ratios"
        order = [np.argsort(v) for v in (want, got)] if is_sorted else [slice(None)] * 2
        np.testing.assert_allclose(
            got[order[1]], want[order[0]], rtol=relative, atol=absolute, err_msg=f"{name}: {what}"
        )
    assert compared >= (2 if is_joint else 4)


def test_numbers_of_two_values_stay_as_they_are() -> None:
    d = _data().assign(girl=lambda x: 1.0 * (x["Sex"] == "Female"))
    m = mlpool.lm("distance ~ age + girl", d)
    assert emmeans(m, "~ girl")["girl"].tolist() == [0.0, 1.0]
    assert emmeans(m, "~ age")["age"].tolist() == [11.0]


def test_each_is_a_mapping_that_prints_every_table() -> None:
    each = pairs(emmeans(_model("lm"), "~ Sex * g"), simple="each")
    assert list(each) == ["Sex", "g"]
    assert len(each) == 2
    assert "$`simple contrasts for g`" in str(each)
    assert each._repr_html_().count("<table") == 2
    both = contrast(emmeans(_model("lm"), "~ Sex * g"), "pairwise", simple=["Sex", "g"])
    pd.testing.assert_frame_equal(
        both.to_pandas(), pairs(emmeans(_model("lm"), "~ Sex * g")).to_pandas()
    )


def test_mistakes_are_answered_in_a_sentence() -> None:
    m = _model("lm")
    means = emmeans(m, "~ Sex * g")
    for wrong, text in (("mean", "cov_reduce must be True"), ({"Sex": np.mean}, "no numeric")):
        with pytest.raises(OptionError, match=text):
            emmeans(m, "~ Sex", cov_reduce=wrong)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="must return numbers; of age"):
        emmeans(m, "~ Sex", cov_reduce=lambda x: "a")
    with pytest.raises(OptionError, match="simple must be one of"):
        contrast(means, simple="Age")
    with pytest.raises(OptionError, match="give no by= beside it"):
        contrast(means, simple="g", by="Sex")
    with pytest.raises(OptionError, match="simple= is for a table of means"):
        pairs(m, "~ Sex * g", simple="g")
