"""Wald tables: tails as exact as R's, z where df is infinite."""

from __future__ import annotations

import numpy as np
import pytest

from mlpool.errors import OptionError
from mlpool.inference.wald import f_upper_p, standard_errors, t_quantile, two_sided_p, wald


@pytest.mark.parametrize(
    ("t", "df", "p"),
    [  # R: 2 * pt(-abs(t), df)
        (30.0, 6868.0, 6.374033691050741e-186),
        (2.0, 5.5, 0.09675439023118491),
        (0.3, 1.0, 0.8144528418445154),
        (8.0, np.inf, 1.244192114854357e-15),
        (-2.0, np.inf, 0.04550026389635842),
        (0.0, 7.0, 1.0),
    ],
)
def test_two_sided_p_in_the_tails(t: float, df: float, p: float) -> None:
    np.testing.assert_allclose(two_sided_p(np.array([t]), df), [p], rtol=1e-11)


def test_p_goes_to_zero_without_warnings() -> None:
    assert two_sided_p(np.array([1e300, np.inf]), 5.0).max() < 1e-200
    assert np.isnan(two_sided_p(np.array([np.nan]), 5.0)).all()
    assert np.isnan(two_sided_p(np.array([1.0]), np.nan)).all()


def test_f_tail() -> None:
    # R: pf(500, 3, 4000, lower = FALSE), pchisq(6, 2, lower = FALSE)
    np.testing.assert_allclose(f_upper_p(500.0, 3.0, 4000.0), 6.54347612849829e-276, rtol=1e-10)
    np.testing.assert_allclose(f_upper_p(3.0, 2.0, np.inf), np.exp(-3.0), rtol=1e-12)


def test_table_mixes_t_and_z() -> None:
    table = wald(np.array([1.0, 1.0]), np.array([0.5, 0.5]), np.array([4.0, np.inf]))
    half = 0.5 * np.array([2.7764451051977943, 1.959963984540054])  # qt(.975, 4), qnorm(.975)
    np.testing.assert_allclose(table.high - 1.0, half, rtol=1e-12)
    np.testing.assert_allclose(1.0 - table.low, half, rtol=1e-12)
    np.testing.assert_allclose(table.statistic, [2.0, 2.0])


def test_level_changes_the_interval_only() -> None:
    narrow = wald(np.array([1.0]), np.array([0.5]), 10.0, level=0.5)
    wide = wald(np.array([1.0]), np.array([0.5]), 10.0, level=0.99)
    assert narrow.low > wide.low
    assert narrow.p == wide.p


def test_zero_standard_error_is_infinite_evidence() -> None:
    table = wald(np.array([1.0, 0.0]), np.array([0.0, 0.0]), 3.0)
    assert np.isinf(table.statistic[0])
    assert table.p[0] == 0.0
    assert np.isnan(table.p[1])


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_level_must_be_a_probability(level: float) -> None:
    with pytest.raises(OptionError, match="must lie between 0 and 1"):
        wald(np.array([1.0]), np.array([1.0]), level=level)


def test_negative_variance_is_not_a_number() -> None:
    np.testing.assert_array_equal(standard_errors(np.diag([4.0, -1.0])), [2.0, np.nan])


def test_quantiles() -> None:
    np.testing.assert_allclose(t_quantile(0.975, np.array([1.0, np.inf])), [12.7062047, 1.9599640])
