"""`summary_table`: the summaries' numbers in other clothes."""

from __future__ import annotations

import re

import numpy as np
import pytest

import mlpool


@pytest.fixture(scope="module")
def model():
    return mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))


def test_raw_numbers_are_those_of_the_summary(model):
    table = mlpool.summary_table(model).to_pandas()
    summary = mlpool.summary(model, ddf="satterthwaite").coefficients
    fixed = table[table["Effects"] == "fixed"]
    np.testing.assert_array_equal(
        fixed[["Estimate", "SE", "df", "t", "p"]].to_numpy(float), summary.to_numpy(float)
    )
    random = table[table["Effects"] == "random"].set_index("Parameter")["Estimate"]
    assert random.index.tolist() == [
        "sd__(Intercept)", "sd__Days", "cor__(Intercept).Days", "sd__Observation",
    ]  # fmt: skip
    block = mlpool.VarCorr(model).blocks[0]
    assert random.tolist() == pytest.approx([*block.sd, block.cor[1, 0], model.sigma])


def test_html_has_one_grid_that_starts_with_the_group(model):
    html = mlpool.summary_table(model).to_html()
    rows = re.findall("<tr.*?</tr>", html, re.DOTALL)
    cells = [
        [re.sub("<.*?>", "", c) for c in re.findall("<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in rows
    ]
    assert cells[0][:3] == ["group", "", "Estimate"]
    assert ["Subject", "sd__Days", "5.922"] in [row[:3] for row in cells]
    assert ["", "Days", "10.467"] in [row[:3] for row in cells]


def test_thousands_and_digits(model):
    text = str(mlpool.summary_table(model))
    assert "Akaike Information Criterion: 1,755.6" in text
    large = mlpool.load_data("sleepstudy").assign(Reaction=lambda d: 10 * d["Reaction"])
    table = mlpool.summary_table(mlpool.lm("Reaction ~ Days", large))
    assert "|2,514.05 |" in table.to_markdown(digits=2).replace("| ", "|")


def test_a_model_of_the_mean_has_no_f_statistic():
    text = str(mlpool.summary_table(mlpool.lm("Reaction ~ 1", mlpool.load_data("sleepstudy"))))
    assert text.endswith("Residual standard error: 56.33 on 179 degrees of freedom")


def test_mistakes(model):
    glm = mlpool.glm("I(Reaction > 300) ~ Days", mlpool.load_data("sleepstudy"), family="binomial")
    for other in (glm, 3):
        with pytest.raises(mlpool.NotSupportedError, match=r"takes models of lm\(\) and lmer\(\)"):
            mlpool.summary_table(other)
    with pytest.raises(mlpool.OptionError, match="style must be one of"):
        mlpool.summary_table(model, style="kable")
