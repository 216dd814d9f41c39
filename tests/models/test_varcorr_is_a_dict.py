"""`VarCorr(m)` and what a summary holds of it, read as R's users read them."""

from __future__ import annotations

import numpy as np
import pytest

import mlpool

SLEEP = mlpool.load_data("sleepstudy")


def test_terms_are_read_by_name() -> None:
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
    v = mlpool.VarCorr(m)
    (block,) = v.blocks
    assert list(v) == ["Subject"]
    assert len(v) == 1
    assert "Subject" in v
    assert "Days" not in v
    own = v["Subject"]
    # R: as.matrix(VarCorr(m)$Subject), attr(, "stddev"), attr(, "correlation")
    want = np.array([[612.1002, 9.604409], [9.604409, 35.071714]])
    np.testing.assert_allclose(np.asarray(own), want, rtol=1e-4)
    np.testing.assert_allclose(own.stddev["Days"], 5.922138, rtol=1e-4)
    np.testing.assert_allclose(own.correlation.loc["Days", "(Intercept)"], 0.06555124, rtol=1e-3)
    assert own["(Intercept)", "Days"] == own[0, 1] == block.vcov[0, 1]
    np.testing.assert_array_equal(own["Days"], block.vcov[1])
    assert v[0] is block
    assert dict(v) == {"Subject": block}
    assert "Std.Dev." in str(own)
    np.asarray(own)[0, 0] = -1.0
    frame = own.to_frame()
    frame.iloc[0, 0] = -1.0
    assert own[0, 0] > 0
    for wrong in ("Days", 3, None):
        with pytest.raises(mlpool.DataError, match="its terms are Subject"):
            v[wrong]
    for wrong in ("Dayz", 7):
        with pytest.raises(mlpool.DataError, match=r"Subject has .*Days"):
            own[wrong]


def test_repeated_groups_have_labels_of_their_own_as_in_r() -> None:
    m = mlpool.lmer("Reaction ~ Days + (Days || Subject)", SLEEP)
    v = mlpool.VarCorr(m)
    assert list(v) == ["Subject", "Subject.1"]
    assert v["Subject.1"].names == ("Days",)
    assert [label for label, _ in v.items()] == list(v.keys())


@pytest.mark.parametrize("kind", ["lmer", "glmer"])
def test_summaries_hold_the_variances_and_the_numbers_of_groups(kind: str) -> None:
    if kind == "lmer":
        m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    else:
        m = mlpool.glmer(
            "cbind(incidence, size - incidence) ~ period + (1 | herd)",
            mlpool.load_data("cbpp"),
            family="binomial",
        )
    held = m.summary()
    assert held.ngrps == m.ngroups
    assert held.varcor is not None
    (group,) = held.varcor
    assert held.varcor[group][0, 0] == mlpool.VarCorr(m)[group][0, 0]
    single = mlpool.lm("Reaction ~ Days", SLEEP).summary()
    assert single.varcor is None
    assert single.ngrps == {}


# R 4.2.2, lme4 1.1-31: m <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy) and
# print(VarCorr(m), comp = c("Variance", "Std.Dev."), digits = 3), comp = "Variance", and neither;
# three digits, since R's optimiser has four. Blanks at ends are left out.
BOTH = """\
 Groups   Name        Variance Std.Dev. Corr
 Subject  (Intercept) 612.1    24.74
          Days         35.1     5.92    0.07
 Residual             654.9    25.59"""
VARIANCE = """\
 Groups   Name        Variance Corr
 Subject  (Intercept) 612.1
          Days         35.1    0.07
 Residual             654.9"""
SHORT = """\
 Groups   Name        Std.Dev. Corr
 Subject  (Intercept) 24.74
          Days         5.92    0.07
 Residual             25.59"""


def test_print_takes_the_components_of_r(capsys: pytest.CaptureFixture[str]) -> None:
    v = mlpool.VarCorr(mlpool.lmer("Reaction ~ Days + (Days | Subject)", SLEEP))
    for options, want in [
        ({"comp": ["Variance", "Std.Dev."]}, BOTH), ({"comp": "Variance"}, VARIANCE), ({}, SHORT),
    ]:  # fmt: skip
        v.print(**options, digits=3)
        lines = capsys.readouterr().out.splitlines()
        assert [line.rstrip() for line in lines] == want.splitlines()
    v.print()
    assert capsys.readouterr().out == f"{v}\n"
    with pytest.raises(mlpool.OptionError, match="comp must be one of"):
        v.print(comp="variance")
    with pytest.raises(mlpool.OptionError, match="digits"):
        v.print(digits=0)


def test_all_standard_deviations_and_correlations_at_once() -> None:
    v = mlpool.VarCorr(mlpool.lmer("Reaction ~ Days + (Days | Subject)", SLEEP))
    assert v.sd["Subject", "Days"] == v["Subject"].sd[1]
    assert v.sd["Residual", ""] == v.sigma and len(v.sd) == 3
    assert v.cor["Subject"].equals(v["Subject"].correlation)


def test_effects_by_place_as_rs_lists() -> None:
    m = mlpool.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", mlpool.load_data("Penicillin"))
    effects = mlpool.ranef(m)
    assert effects[0].equals(effects["plate"]) and effects[-1].equals(effects["sample"])
    for wrong in (2, "plat", None):
        with pytest.raises(KeyError, match="this model has: plate, sample"):
            effects[wrong]
