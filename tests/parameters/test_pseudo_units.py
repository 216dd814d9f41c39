"""Pseudo-standardized coefficients: which columns are of groups does not depend on units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlpool


@pytest.mark.parametrize(("unit", "origin"), [(1e-13, 0.0), (1e13, 0.0), (1.0, 1e5)])
def test_columns_within_groups_are_told_apart_in_every_unit(unit: float, origin: float) -> None:
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(20), 6)
    frame = pd.DataFrame({"g": g, "x": rng.normal(size=120), "of_g": rng.normal(size=20)[g]})
    frame["y"] = frame.x + frame.of_g + rng.normal(size=20)[g] + rng.normal(size=120)
    want, got = (
        mlpool.standardize_parameters(
            mlpool.lmer("y ~ x + of_g + (1 | g)", d), method="pseudo"
        ).to_pandas()
        for d in (frame, frame.assign(x=frame.x * unit + origin, of_g=frame.of_g * unit + origin))
    )
    np.testing.assert_allclose(got.iloc[1:, 1], want.iloc[1:, 1], rtol=1e-4)
