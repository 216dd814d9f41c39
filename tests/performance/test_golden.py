"""Printed performance tables: R's own texts, and the layout of current easystats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mlpool

Fitted = Callable[[str], Any]


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


TEXTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "icc_heck": ("icc", "m0", {}),
    "icc_sleep": ("icc", "s2", {}),
    "icc_by_group_heck": ("icc", "m1", {"by_group": True}),
    "r2_heck_lm": ("r2", "lm2", {}),
    "r2_heck_lmer": ("r2", "m1", {}),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_of_r(name: str, shared: Path, fitted: Fitted) -> None:
    verb, model, options = TEXTS[name]
    golden = (shared / "golden" / f"{name}.txt").read_text(encoding="utf-8")
    assert lines(str(getattr(mlpool, verb)(fitted(model), **options))) == lines(golden)


def cells(text: str) -> list[dict[str, str]]:
    """Return the rows of a printed grid by header."""
    rows = [[c.strip() for c in line.split("|")] for line in lines(text) if "|" in line]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


@pytest.mark.parametrize(
    ("name", "model"), [("model_performance_lm", "lm1"), ("model_performance_lmer", "m1")]
)
def test_model_performance_has_the_numbers_of_r(
    name: str, model: str, shared: Path, fitted: Fitted
) -> None:
    """R's older package prints criteria with three decimals; the current one with one."""
    golden = cells((shared / "golden" / f"{name}.txt").read_text(encoding="utf-8"))
    for row in golden:
        for criterion in ("AIC", "AICc", "BIC"):
            row[criterion] = f"{float(row[criterion]):.1f}"
    assert cells(str(mlpool.model_performance(fitted(model)))) == golden


def test_model_performance_of_a_glmer_has_the_numbers_of_r(shared: Path) -> None:
    """R prints an empty column for the log loss that several trials per row do not have."""
    golden = (shared / "golden" / "model_performance_glmer.txt").read_text(encoding="utf-8")
    (row,) = cells(golden)
    row = {k: f"{float(v):.1f}" if "IC" in k[:3] and k != "ICC" else v for k, v in row.items() if v}
    m = mlpool.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        mlpool.load_data("cbpp"), "binomial",
    )  # fmt: skip
    assert cells(str(mlpool.model_performance(m))) == [row]


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("compare_performance_sleep", ("s1", "s2")),
        ("compare_performance_heck", ("lm1", "m0", "m1")),
    ],
)
def test_compare_performance_has_the_cells_of_r(
    name: str, models: tuple[str, ...], shared: Path, fitted: Fitted
) -> None:
    golden = cells((shared / "golden" / f"{name}.txt").read_text(encoding="utf-8"))
    table = mlpool.compare_performance({m: fitted(m) for m in models})
    assert cells(str(table)) == golden


def test_lines_of_the_course(fitted: Fitted) -> None:
    performance = lines(str(mlpool.model_performance(fitted("m1"))))
    assert performance == lines("""\
# Indices of model performance

AIC     |    AICc |     BIC | R2 (cond.) | R2 (marg.) |   ICC |  RMSE | Sigma
-----------------------------------------------------------------------------
48223.4 | 48223.4 | 48250.8 |      0.167 |      0.121 | 0.052 | 7.810 | 7.925""")
    levels = lines(str(mlpool.r2(fitted("m1"), by_group=True)))
    assert levels == lines("""\
# Explained Variance by Level

Level   |    R2
---------------
Level 1 | 0.056
school  | 0.674""")
    both = lines(str(mlpool.compare_performance(m0=fitted("m0"), m1=fitted("m1"))))
    assert both[2].startswith("Name |   Model |   AIC (weights) |  AICc (weights) |")
    assert both[4] == (
        "m0   | lmerMod | 48881.8 (<.001) | 48881.8 (<.001) | 48902.3 (<.001) |      0.138 |"
        "      0.000 | 7.977 | 8.158 | 0.138"
    )


def test_icc_interval_is_the_course_one(fitted: Fitted) -> None:
    """The course prints 0.138 [0.116, 0.161] from 100 bootstrap draws; bounds within 0.01."""
    table = mlpool.icc(fitted("m0"), ci=0.95, seed=1, iterations=200)
    row = table.to_pandas().iloc[0]
    assert row["ICC_adjusted"] == pytest.approx(0.1378652, abs=5e-8)
    assert row["ICC_adjusted_CI_low"] == pytest.approx(0.116, abs=0.01)
    assert row["ICC_adjusted_CI_high"] == pytest.approx(0.161, abs=0.01)
    first = lines(str(table))[2]
    assert first.startswith("    Adjusted ICC: 0.138 [0.1")
    assert first.endswith("]")
    again = mlpool.icc(fitted("m0"), ci=0.95, seed=1, iterations=200)
    assert again.to_pandas().equals(table.to_pandas())


def test_logistic_r2_and_scores_are_those_of_r() -> None:
    """R: glm(v ~ Days, binomial) on sleepstudy with v = Reaction > 300; model_performance(m)."""
    d = mlpool.load_data("sleepstudy").assign(v=lambda d: (d["Reaction"] > 300).astype(float))
    m = mlpool.glm("v ~ Days", d, family="binomial")
    assert lines(str(mlpool.r2(m))) == ["# R2 for Logistic Regression", "  Tjur's R2: 0.241"]
    row = mlpool.model_performance(m).to_pandas().iloc[0]
    expected = {"AIC": 203.78636534, "AICc": 203.85416195, "BIC": 210.17227904,
                "R2_Tjur": 0.24065145, "RMSE": 0.43166323, "Log_loss": 0.55496213,
                "Score_log": -51.38524346, "Score_spherical": 0.01480298,
                "PCP": 0.62707549}  # fmt: skip
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-6), name
    info = lines(str(mlpool.model_parameters(m, include_info=True)))
    assert info[-1] == "Tjur's R2: 0.241"


def test_count_r2_and_scores_are_those_of_r() -> None:
    """R: glm(c ~ Days, poisson) with c = round(Reaction / 100); model_performance(m)."""
    d = mlpool.load_data("sleepstudy").assign(c=lambda d: (d["Reaction"] / 100).round())
    m = mlpool.glm("c ~ Days", d, family="poisson")
    row = mlpool.model_performance(m).to_pandas().iloc[0]
    expected = {"AIC": 560.11068002, "BIC": 566.49659373, "R2_Nagelkerke": 0.21737841,
                "RMSE": 0.59790981, "Score_log": -1.54475189,
                "Score_spherical": 0.07409385}  # fmt: skip
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-6), name
    heading = "# R2 for Generalized Linear Regression"
    assert lines(str(mlpool.r2(m))) == [heading, "  Nagelkerke's R2: 0.217"]


def test_rank_is_that_of_r(fitted: Fitted) -> None:
    """R: compare_performance(m, n, rank = TRUE) on sleepstudy gives 0.875 and 0.125."""
    table = mlpool.compare_performance(s1=fitted("s1"), s2=fitted("s2"), rank=True)
    assert list(table["Name"]) == ["s2", "s1"]
    assert list(table["Performance_Score"]) == [0.875, 0.125]
    assert "87.50%" in str(table)
    assert "AIC" not in table.columns


@pytest.mark.parametrize(
    ("response", "aic"),
    [("log(Reaction)", 1896.976), ("sqrt(Reaction)", 1899.426), ("log1p(Reaction)", 1896.980),
     ("log10(Reaction)", 1896.976), ("log2(Reaction)", 1896.976)],
)  # fmt: skip
def test_criteria_of_a_transformed_response_are_those_of_the_response(
    response: str, aic: float
) -> None:
    """R: model_performance(lm(log(Reaction) ~ Days, sleepstudy))$AIC."""
    m = mlpool.lm(f"{response} ~ Days", mlpool.load_data("sleepstudy"))
    assert mlpool.model_performance(m)["AIC"].iloc[0] == pytest.approx(aic, abs=5e-4)


def test_estimator_chooses_the_likelihood() -> None:
    """lme4: logLik(m, REML = TRUE) of an ML fit of sleepstudy is -871.836866697219."""
    m = mlpool.lmer(
        "Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"), REML=False
    )
    by_reml = mlpool.model_performance(m)["AIC"].iloc[0]
    assert by_reml == pytest.approx(2 * 871.836866697219 + 12, abs=1e-4)
    assert mlpool.model_performance(m, estimator="ML")["AIC"].iloc[0] == pytest.approx(m.aic)
