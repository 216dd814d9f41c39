"""`compare_parameters`: rows, styles, names, sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool import compare_parameters, model_parameters
from mlpool.errors import NotSupportedError, OptionError


def test_estimates_with_stars_are_right_aligned() -> None:
    """The layout of a lecture: estimates padded to a common width, then stars."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=60)
    y = 500.0 * (3.0 + 2.0 * z + rng.normal(size=60))
    standard = pd.DataFrame({"y": y, "z": z - z.mean(), "w": (y - y.mean()) / y.std()})
    raw, scaled = mlpool.lm("y ~ z", standard), mlpool.lm("w ~ z", standard)
    lines = str(compare_parameters(raw=raw, scaled=scaled, select="{estimate}{stars}")).split("\n")
    intercept = lines[2].split(" | ")
    assert intercept[1].strip().endswith("***")
    assert "e-" in intercept[2]
    assert not intercept[2].endswith("*")
    slope = lines[3].split(" | ")
    assert slope[2].strip() == f"{scaled.fixef().iloc[1]:.2f}***"
    assert len(slope[2]) == len(intercept[2].strip()) + 3
    assert len({len(line) for line in lines}) == 1


def test_styles_with_a_p_column(sleep_lm: Any, sleep_model: Any) -> None:
    text = str(compare_parameters(fo=sleep_lm, m0=sleep_model, select="se_p2"))
    assert text.split("\n")[:3] == [
        "Parameter    | Coefficient (SE) (fo) | p (fo) | Coefficient (SE) (m0) | p (m0)",
        "-" * 78,
        "(Intercept)  |         251.41 (6.61) | <0.001 |         251.41 (6.82) | <0.001",
    ]
    assert text.split("\n")[-1].rstrip() == (
        "Observations |                   180 |        |                   180 |"
    )
    short = str(compare_parameters(fo=sleep_lm, select="short"))
    assert "251.41*** (6.61)" in short
    minimal = str(compare_parameters(fo=sleep_lm, select="minimal"))
    assert "Coefficient (CI) (fo)" in minimal


@pytest.mark.parametrize(
    ("select", "cell"),
    [
        ("est", " 10.47"),
        ("coef", " 10.47"),
        ("se", " 10.47 (1.24)"),
        ("ci", " 10.47 (  8.02,  12.91)"),
        ("ci_p", " 10.47*** (  8.02,  12.91)"),
        ("{ci_low} to {ci_high}", "  8.02 to  12.91"),
        ("p = {p}", "p = <0.001"),
    ],
)
def test_cells(sleep_lm: Any, select: str, cell: str) -> None:
    line = str(compare_parameters(m=sleep_lm, select=select)).split("\n")[3]
    assert line == f"Days         | {cell}"


def test_rows_are_a_union_in_order_of_appearance(sleepstudy: pd.DataFrame) -> None:
    data = sleepstudy.assign(x=np.arange(180.0) ** 0.5, f=["a", "b", "c"] * 60)
    first, second = mlpool.lm("Reaction ~ x", data), mlpool.lm("Reaction ~ Days + f", data)
    table = compare_parameters(first, second, names=["one", "two"])
    assert table["Parameter"].tolist() == ["(Intercept)", "x", "Days", "fb", "fc"]
    assert np.isnan(table["Coefficient.two"].iloc[1])
    lines = str(table).split("\n")
    assert lines[3].split(" | ")[2].strip() == ""
    assert [line.split(" | ")[0].strip() for line in lines[2:7]] == [
        "(Intercept)", "x", "Days", "f (b)", "f (c)",
    ]  # fmt: skip
    assert lines[-2] == "-" * len(lines[0])


def test_raw_frame(sleep_lm: Any, sleep_model: Any) -> None:
    table = compare_parameters(ols=sleep_lm, mixed=sleep_model, effects="all")
    numbers = ["Coefficient", "SE", "CI", "CI_low", "CI_high", "t", "df_error", "p"]
    assert list(table.columns) == [
        "Parameter", "Effects", "Group",
        *(f"{c}.ols" for c in numbers),
        *(f"{c}.mixed" for c in numbers),
    ]  # fmt: skip
    alone = model_parameters(sleep_model)
    np.testing.assert_allclose(table["SE.mixed"], alone["SE"])
    assert table["Effects"].tolist() == ["fixed"] * 2 + ["random"] * 4
    random = compare_parameters(sleep_lm, sleep_model, effects="random")
    assert str(random).startswith("# Random Effects")
    assert list(random.metadata["models"]) == ["Model 2"]


def test_glm_intervals_are_wald(cbpp_glm: Any) -> None:
    table = compare_parameters(g=cbpp_glm, exponentiate=True, select="ci_p2")
    wald = model_parameters(cbpp_glm, ci_method="wald", exponentiate=True)
    np.testing.assert_allclose(table["CI_low.g"], wald["CI_low"])
    assert "Odds Ratio (CI) (g)" in str(table)


def test_names_that_end_alike(sleep_lm: Any, sleep_model: Any) -> None:
    text = str(compare_parameters({"a": sleep_lm, "b.a": sleep_model}, select="se"))
    assert "(6.61)" in text
    assert "(6.82)" in text


def test_ways_to_name_models(sleep_lm: Any, sleep_model: Any) -> None:
    def header(*args: Any, **kwargs: Any) -> list[str]:
        line = str(compare_parameters(*args, select="est", **kwargs)).split("\n")[0]
        return [cell.strip() for cell in line.split(" | ")[1:]]

    assert header(sleep_lm, sleep_model) == ["Model 1", "Model 2"]
    assert header([sleep_lm, sleep_model]) == ["Model 1", "Model 2"]
    assert header(a=sleep_lm, b=sleep_model) == ["a", "b"]
    assert header({"OLS fit": sleep_lm, "m": sleep_model}) == ["OLS fit", "m"]
    assert header(sleep_lm, sleep_model, names=["x", "y"]) == ["x", "y"]
    assert header(sleep_lm, b=sleep_model) == ["Model 1", "b"]


def test_no_intervals(sleep_lm: Any) -> None:
    text = str(compare_parameters(m=sleep_lm, ci=None))
    assert text.split("\n")[2] == "(Intercept)  | 251.41"


def test_markdown_and_html(sleep_lm: Any, sleep_model: Any) -> None:
    table = compare_parameters(ols=sleep_lm, mixed=sleep_model)
    assert table.to_markdown().split("\n")[-1].startswith("|Observations |")
    assert "10.47 (8.02, 12.91)" in table.to_html()
    assert r"\midrule Observations" in table.to_latex()


def test_a_papers_table(sleep_lm: Any, sleep_model: Any) -> None:
    table = compare_parameters(ols=sleep_lm, mixed=sleep_model, select="paper")
    assert str(table).split("\n") == [
        "Parameter                     |       ols |     mixed",
        "-----------------------------------------------------",
        "(Intercept)                   | 251.41*** | 251.41***",
        "                              |  (6.61)   |  (6.82)  ",
        "Days                          |  10.47*** |  10.47***",
        "                              |  (1.24)   |  (1.55)  ",
        "-----------------------------------------------------",
        "SD (Intercept: Subject)       |           |     24.74",
        "SD (Days: Subject)            |           |      5.92",
        "Cor (Intercept~Days: Subject) |           |      0.07",
        "SD (Residual)                 |           |     25.59",
        "-----------------------------------------------------",
        "Observations                  |       180 |       180",
        "Groups (Subject)              |           |        18",
        "R2                            |     0.286 |          ",
        "R2 (adj.)                     |     0.282 |          ",
        "R2 (marg.)                    |           |     0.279",
        "R2 (cond.)                    |           |     0.799",
        "ICC                           |           |     0.722",
        "AIC                           |    1906.3 |    1764.0",
        "BIC                           |    1915.9 |    1783.1",
        "",
        "Standard errors in parentheses. * p < .05, ** p < .01, *** p < .001",
        "AIC and BIC of REML fits: the likelihood (ML) at the REML estimates.",
    ]
    fit = mlpool.compare_performance(ols=sleep_lm, mixed=sleep_model)
    assert [f"{v:.1f}" for v in fit["AIC"]] == ["1906.3", "1764.0"]
    assert r"\midrule Observations" in table.to_latex()
    assert "R2" not in str(compare_parameters(sleep_lm, select="{estimate}\n({se})"))


def test_a_line_break_begins_a_row(sleep_lm: Any) -> None:
    text = str(compare_parameters(m=sleep_lm, select="{estimate}\n[{ci_low}]|{p}", keep="Days"))
    assert text.split("\n")[2:4] == [
        "Days         |                   10.47  | <0.001",
        "             |                   [8.02] |       ",
    ]


def test_sentences(sleep_lm: Any, sleep_model: Any) -> None:
    with pytest.raises(OptionError, match=r"no argument 'digts'\. Did you mean 'digits'"):
        compare_parameters(sleep_lm, digts=3)
    with pytest.raises(OptionError, match="takes fitted models by name; olsfit= is 3"):
        compare_parameters(sleep_lm, olsfit=3)
    with pytest.raises(OptionError, match="needs fitted models; Model 2 is 'm'"):
        compare_parameters(sleep_lm, "m")
    with pytest.raises(OptionError, match="needs at least one model"):
        compare_parameters()
    with pytest.raises(OptionError, match="one name for each of the 2 models"):
        compare_parameters(sleep_lm, sleep_model, names=["a"])
    with pytest.raises(OptionError, match="names of the models must differ"):
        compare_parameters(sleep_lm, sleep_model, names=["a", "a"])
    with pytest.raises(OptionError, match="Did you mean 'se_p'"):
        compare_parameters(sleep_lm, select="sep")
    with pytest.raises(OptionError, match="select must be one of"):
        compare_parameters(sleep_lm, select=["SE"])  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"no placeholder \{estimat\}.*Did you mean 'estimate'"):
        compare_parameters(sleep_lm, select="{estimat}")
    with pytest.raises(OptionError, match="effects='random' needs at least one mixed model"):
        compare_parameters(sleep_lm, effects="random")
    with pytest.raises(NotSupportedError, match="takes rows as independent"):
        compare_parameters(sleep_lm, sleep_model, vcov="HC3")
