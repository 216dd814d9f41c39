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
