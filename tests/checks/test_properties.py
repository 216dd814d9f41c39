"""What checks must not depend on: units, the order of rows, the coding of factors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlpool

LINEAR = ("check_heteroscedasticity", "check_normality", "check_outliers")


def draw(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    g = rng.integers(0, 7, 60)
    x = rng.normal(size=60)
    y = 2.0 + x + rng.normal(size=7)[g] + rng.normal(size=60) * np.exp(0.3 * x)
    return {"x": x, "z": rng.normal(size=60), "f": np.array(list("abc"))[g % 3], "g": g, "y": y}


def fit(d: dict[str, Any], kind: str, formula: str = "y ~ x + z + f") -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        if kind == "lm":
            return mlpool.lm(formula, d)
        return mlpool.lmer(f"{formula} + (1 | g)", d)


def numbers(m: Any) -> list[float]:
    checks = [getattr(mlpool, verb)(m) for verb in LINEAR]
    found = [c.p_value for c in checks[:2]] + [float(checks[2].distance.max())]
    return [*found, *mlpool.check_collinearity(m)["VIF"]]


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["lm", "lmer"]))
def test_units_and_order_of_rows_do_not_matter(seed: int, kind: str) -> None:
    d = draw(seed)
    own = numbers(fit(d, kind))
    units = {**d, "y": 1e3 * d["y"] + 5.0, "x": 0.01 * d["x"] - 3.0}
    np.testing.assert_allclose(numbers(fit(units, kind)), own, rtol=2e-3, atol=1e-6)
    order = np.random.default_rng(seed).permutation(60)
    mixed = {name: values[order] for name, values in d.items()}
    np.testing.assert_allclose(numbers(fit(mixed, kind)), own, rtol=2e-3, atol=1e-6)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_generalised_vif_does_not_depend_on_the_reference_level(seed: int) -> None:
    d = draw(seed)
    other = {**d, "f": np.array([{"a": "z"}.get(v, v) for v in d["f"]])}
    own, moved = (mlpool.check_collinearity(fit(x, "lm"))["VIF"] for x in (d, other))
    np.testing.assert_allclose(own, moved, rtol=1e-8)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_leverages_add_up_to_the_parameters_between_no_and_complete_pooling(seed: int) -> None:
    from mlpool.uncertainty.influence import leverages

    d = draw(seed)
    total = leverages(fit(d, "lmer", "y ~ x")).sum()
    assert 2.0 - 1e-8 <= total <= 1 + len(np.unique(d["g"])) + 1e-8
    assert leverages(fit(d, "lm", "y ~ x")).sum() == pytest.approx(2.0)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_cooks_distance_is_the_shift_without_the_row(seed: int) -> None:
    """D_i = |fitted - fitted without row i|^2 / (p s^2), by fitting without the row."""
    d = draw(seed)
    m = fit(d, "lm", "y ~ x + f")
    found = mlpool.check_outliers(m).distance.to_numpy()
    i = int(np.argmax(found))
    rest = fit({name: np.delete(values, i) for name, values in d.items()}, "lm", "y ~ x + f")
    shift = np.asarray(m.fitted) - np.asarray(rest.predict(d))
    assert found[i] == pytest.approx(float(shift @ shift) / (4 * m.sigma**2), rel=1e-8)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_report_does_not_depend_on_the_order_of_rows(seed: int) -> None:
    d = draw(seed)
    order = np.random.default_rng(seed).permutation(60)
    mixed = {name: values[order] for name, values in d.items()}
    texts = [str(mlpool.report(fit(x, "lm"))) for x in (d, mixed)]
    assert texts[0] == texts[1]
