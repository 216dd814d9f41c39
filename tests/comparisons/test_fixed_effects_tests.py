"""F tests of fixed effects between mixed models are pbkrtest's (tests/comparisons/r/modcomp.R)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool

PAIRS = {
    "sleep": ("sleepstudy", "Reaction ~ {} + (Days | Subject)", "1", "Days + I(Days^2)"),
    "cake": ("cake", "angle ~ {} + (1 | recipe:replicate)", "temp", "recipe * temp"),
    "balanced": ("cake", "angle ~ {} + (1 | recipe:replicate)", "temp", "recipe + temp"),
}
KENWARD = {
    "sleep": (23.3645423670, 2, 39.8170424428, 1.93763459827e-07),
    "cake": (0.143882341656, 4, 104.486948819, 0.965323494989),
    "balanced": (0.248788786518, 2, 42.0, 0.780885604829),
}
SATTERTHWAITE_F = {"sleep": 23.7543781936, "cake": 0.145240615570, "balanced": 0.248788786518}
REL = 1e-6
"""R's optimiser leaves theta at about 1e-8, and p-values multiply the error of F."""


def _pair(name: str, **options: Any) -> tuple[Any, Any]:
    data, frame, small, big = PAIRS[name]
    d = mlpool.load_data(data)
    fits = [mlpool.lmer(frame.format(part), d, **options) for part in (small, big)]
    return fits[0], fits[1]


@pytest.mark.parametrize("name", PAIRS)
def test_kenward_roger_as_pbkrtest(name: str) -> None:
    small, big = _pair(name)
    for models in ((small, big), (big, small)):
        row = mlpool.anova(*models, ddf="Kenward-Roger").to_pandas().iloc[1]
        found = row[["F", "df", "df_error", "p"]].to_numpy(dtype=float)
        np.testing.assert_allclose(found, KENWARD[name], rtol=REL)


@pytest.mark.parametrize("name", PAIRS)
def test_satterthwaite_statistic_as_pbkrtest(name: str) -> None:
    small, big = _pair(name)
    row = mlpool.anova(small, big, ddf="Satterthwaite").to_pandas().iloc[1]
    assert row["F"] == pytest.approx(SATTERTHWAITE_F[name], rel=REL)
    if name == "balanced":  # one stratum: exact, and the same however the rows are written
        assert row["df_error"] == pytest.approx(42.0, rel=REL)


@pytest.mark.parametrize("ddf", ["Satterthwaite", "Kenward-Roger"])
@pytest.mark.parametrize(("times", "plus"), [(1e6, 0.0), (1e-6, 0.0), (1.0, 2000.0)])
def test_no_unit_and_no_zero_changes_a_test(ddf: str, times: float, plus: float) -> None:
    d = mlpool.load_data("sleepstudy")
    rows = []
    for frame in (d, d.assign(Days=d["Days"] * times + plus, Reaction=d["Reaction"] / times)):
        small = mlpool.lmer("Reaction ~ 1 + (1 | Subject)", frame)
        big = mlpool.lmer("Reaction ~ Days + I(Days^2) + (1 | Subject)", frame)
        rows.append(mlpool.anova(small, big, ddf=ddf).to_pandas().iloc[1])
    for column in ("F", "df", "df_error", "p"):
        # A square 2000 days away leaves a part in 1e6 of its length, as many digits fewer.
        assert rows[1][column] == pytest.approx(rows[0][column], rel=1e-5), column


def test_one_coefficient_is_its_t_test() -> None:
    d = mlpool.load_data("sleepstudy")
    small = mlpool.lmer("Reaction ~ 1 + (Days | Subject)", d)
    big = mlpool.lmer("Reaction ~ Days + (Days | Subject)", d)
    row = mlpool.anova(small, big, ddf="Satterthwaite").to_pandas().iloc[1]
    t = mlpool.model_parameters(big, ci_method="satterthwaite").to_pandas().iloc[1]
    assert row["F"] == pytest.approx(t["t"] ** 2, rel=1e-9)
    assert row["df_error"] == pytest.approx(t["df_error"], rel=1e-9)


def test_what_cannot_be_tested_is_said() -> None:
    small, big = _pair("cake")
    d = mlpool.load_data("cake")
    beside = mlpool.lmer("angle ~ recipe + (1 | recipe:replicate)", d)
    other = mlpool.lmer("angle ~ temp + (1 | recipe)", d)
    for model, text in (
        (beside, "are not within those of"), (other, "differ in their random effects")
    ):  # fmt: skip
        table = mlpool.anova(model, small if model is beside else big, ddf="kr")
        assert text in str(table) and pd.isna(table.to_pandas()["F"]).all()
    refused: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
        ((mlpool.lm("angle ~ temp", d), big), {"ddf": "kr"}, r"of lmer\(\) models"),
        ((small, big), {"ddf": "lme4"}, "must be 'Satterthwaite' or 'Kenward-Roger'"),
        ((small, big), {"ddf": "kr", "test": "Chisq"}, "has no denominator df"),
        (_pair("cake", REML=False), {"ddf": "kr"}, "need a REML fit"),
    ]
    for models, options, text in refused:
        with pytest.raises(mlpool.MlpoolError, match=text):
            mlpool.anova(*models, **options)
