"""statsmodels' MixedLM and mlpool's engine give one answer, whatever the units."""

from __future__ import annotations

import pytest

import mlpool

pytestmark = pytest.mark.filterwarnings("ignore::mlpool.errors.MlpoolWarning")


# Uncorrelated slopes are another model when their zero moves.
BARS = [
    *((bars, shift) for bars in ("(1 | Subject)", "(Days | Subject)") for shift in (0.0, 2000.0)),
    ("(Days || Subject)", 0.0),
]


@pytest.mark.parametrize("units", [(1.0, 1.0), (1e9, 1.0), (1e-6, 1e6), (1.0, 1e-9)])
@pytest.mark.parametrize(("bars", "shift"), BARS)
def test_engines_agree_in_any_units(bars: str, units: tuple[float, float], shift: float) -> None:
    sleep = mlpool.load_data("sleepstudy")
    data = sleep.assign(
        Days=(sleep["Days"] + shift) * units[0], Reaction=sleep["Reaction"] * units[1]
    )
    ours = mlpool.lmer(f"Reaction ~ Days + {bars}", data)
    theirs = mlpool.lmer(f"Reaction ~ Days + {bars}", data, engine="statsmodels")
    assert theirs.criterion == pytest.approx(ours.criterion, abs=1e-6)
    assert theirs.theta == pytest.approx(ours.theta, rel=1e-4)
    assert theirs.is_singular == ours.is_singular
