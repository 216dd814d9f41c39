"""Numbers to cells: each rule of the tables' specification with its own examples."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpool.tables.cells import (
    align_right,
    format_bound,
    format_compact_p,
    format_counts,
    format_intervals,
    format_number,
    format_p,
    format_ps,
    in_parentheses,
    interval_header,
    stars,
    without_padding,
)

finite = st.floats(-1e300, 1e300)  # rounding up the largest double would overflow


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (58.13304903, "58.13"),
        (-5.67e-4, "-5.67e-04"),
        (7.68e-3, "7.68e-03"),
        (0.0126, "0.01"),  # not below 0.01
        (0.01, "0.01"),  # strictly below
        (0.00999999, "1.00e-02"),
        (0.0, "0.00"),
        (-0.0, "0.00"),
        (99999.994, "99999.99"),
        (99999.999, "100000.00"),  # judged before rounding
        (1e5, "1.00e+05"),
        (-169423.2, "-1.69e+05"),
        (1e-310, "1.00e-310"),
        (float("nan"), ""),
        (float("inf"), "Inf"),
        (float("-inf"), "-Inf"),
        (0.125, "0.12"),  # C rounds ties of the binary number to even
        (0.375, "0.38"),
        (2.675, "2.67"),  # 2.67499999...
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert format_number(value) == text


def test_digits_move_the_limit_of_scientific_notation() -> None:
    assert format_number(0.005, 3) == "0.005"
    assert format_number(0.0005, 3) == "5.000e-04"
    assert format_number(0.5, 0) == "5e-01"
    assert format_number(3.6, 0) == "4"


def test_zap_small_is_never_scientific() -> None:
    assert format_number(7.68e-3, zap_small=True) == "0.01"
    assert format_number(-1e-9, zap_small=True) == "0.00"
    assert format_number(169423.2, zap_small=True) == "169423.20"


def test_counts_have_no_decimals_if_all_are_whole() -> None:
    assert format_counts([6868.0, 12.0, float("nan")]) == ("6868", "12", "")
    assert format_counts([17.0000003]) == ("17.00",)
    assert format_counts([381.817, 3928.0]) == ("381.82", "3928.00")
    assert format_counts([2_000_000.0]) == ("2000000",)
    assert format_counts([float("inf")]) == ("Inf",)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0085, "-0.01"),
        (0.0004, "0.00"),
        (-0.0004, "0.00"),
        (183.79, "183.79"),
        (1.83e10, "1.83e+10"),
        (99999.999, "1.00e+05"),  # rounded first
        (float("inf"), "Inf"),
        (float("nan"), ""),
    ],
)
def test_bounds_are_rounded_first(value: float, text: str) -> None:
    assert format_bound(value) == text


def test_bounds_are_padded_inside_the_brackets() -> None:
    low, high = [3.98, -1.45, 0.0004], [4.47, -0.68, 0.0007]
    assert format_intervals(low, high) == ("[ 3.98,  4.47]", "[-1.45, -0.68]", "[ 0.00,  0.00]")
    assert format_intervals([7.52, 237.9], [13.42, 264.9]) == (
        "[  7.52,  13.42]",
        "[237.90, 264.90]",
    )
    assert format_intervals([math.nan, 1.0], [math.nan, 2.0]) == ("", "[1.00, 2.00]")
    assert format_intervals([1.0], [2.0], 1) == ("[1.0, 2.0]",)
    assert format_intervals([], []) == ()


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "< .001"),
        (0.00096, "< .001"),
        (0.001, "0.001"),
        (0.0503, "0.050"),
        (0.1, "0.100"),
        (0.99888, "0.999"),
        (0.999, "0.999"),
        (0.99961, "> .999"),
        (float("nan"), ""),
    ],
)
def test_p_values(p: float, text: str) -> None:
    assert format_p(p) == text


def test_p_values_with_more_digits() -> None:
    assert format_p(0.0, 5) == "0.00000"
    assert format_p(8.280184e-161, 5) == "8.28018e-161"
    assert format_p(0.870824, 5) == "0.87082"
    assert format_p(0.0421, "scientific3") == "4.210e-02"
    assert format_p(0.0421, "scientific") == "4.21000e-02"


def test_p_column_is_padded_on_the_right() -> None:
    assert format_ps([0.0, 0.089]) == ("< .001", "0.089 ")
    assert format_ps([0.307, 0.5]) == ("0.307", "0.500")


def test_compact_p_values_have_no_blanks() -> None:
    assert [format_compact_p(p) for p in (0.0, 0.089, 0.9999, math.nan)] == [
        "<0.001",
        "0.089",
        ">0.999",
        "",
    ]


@pytest.mark.parametrize(
    ("p", "mark"),
    [(0.0009, "***"), (0.001, "**"), (0.01, "*"), (0.0499, "*"), (0.05, ""), (math.nan, "")],
)
def test_stars(p: float, mark: str) -> None:
    assert stars(p) == mark


@pytest.mark.parametrize(
    ("level", "header"), [(0.95, "95% CI"), (0.9, "90% CI"), (0.999, "99.9% CI"), (0.07, "7% CI")]
)
def test_interval_headers(level: float, header: str) -> None:
    assert interval_header(level) == header
    assert interval_header(level, "PI") == header.replace("CI", "PI")


def test_cells_for_other_media() -> None:
    assert in_parentheses("gender [F]") == "gender (F)"
    assert without_padding("[  7.42,  13.52]") == "[7.42, 13.52]"
    assert without_padding(" 4.25 ( 4.01,  4.50)") == "4.25 (4.01, 4.50)"
    assert align_right(("1.00", "", "10.00")) == (" 1.00", "", "10.00")


@given(finite, st.integers(0, 8))
def test_numbers_read_back(x: float, digits: int) -> None:
    text = format_number(x, digits)
    unit = 10.0**-digits
    relative = unit * abs(x) * 5.01
    assert float(text) == pytest.approx(x, abs=max(0.501 * unit, relative if "e" in text else 0.0))
    assert not text.startswith("-0.00") or "e" in text or float(text) != 0.0
    assert ("e" in text) == (x != 0 and (abs(x) >= 1e5 or abs(x) < unit))


@given(st.lists(st.tuples(finite, finite), min_size=1))
def test_intervals_are_equally_wide_and_read_back(bounds: list[tuple[float, float]]) -> None:
    cells = format_intervals([a for a, _ in bounds], [b for _, b in bounds])
    assert len({len(cell) for cell in cells}) == 1
    for cell, (low, _) in zip(cells, bounds, strict=True):
        first = float(cell[1:-1].split(",")[0])
        assert first == pytest.approx(low, rel=0.006, abs=0.00501)


@given(st.lists(st.floats(0, 1), min_size=1))
def test_p_cells_are_equally_wide_and_keep_order(ps: list[float]) -> None:
    cells = format_ps(sorted(ps))
    assert len({len(cell) for cell in cells}) == 1
    shown = [cell.replace("< .001", "0").replace("> .999", "1").strip() for cell in cells]
    assert [float(s) for s in shown] == sorted(float(s) for s in shown)
