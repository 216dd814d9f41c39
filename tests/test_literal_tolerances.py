"""However a tolerance is written it is found; test_house asks each for its reason."""

from __future__ import annotations

import pytest

from tests.literal_tolerances import literals


@pytest.mark.parametrize(
    "expression",
    [
        "1e-9", "-1e-9", "0.001", ".000_1", "1e9", "1e-30j", "1 - 1e-9", "0.9999999", "10 ** -9",
        "10.0 ** -9", "1 / 1e9", "1 / 10**9", "2.0 ** -52", "1e-5 * 1e-5", 'float("1e-9")',
        "np.float64('1e-9')", "math.pow(10, -9)", "np.power(10.0, -9)", "math.exp(-30)",
        "math.ldexp(1.0, -30)", "np.finfo(float).eps", "machine.eps", "sys.float_info.epsilon",
        "np.isclose(a, b)", "np.allclose(a, b, rtol=0)", "np.linalg.pinv(A)", "matrix_rank(A)",
        "lstsq(A, b, rcond=None)", "optimize.brentq(f, 0, 1)", "np.nextafter(0.0, 1.0)",
    ],
)  # fmt: skip
def test_however_a_tolerance_is_written_it_is_found(expression: str) -> None:
    for line in (f"x = {expression}", f"def f(x={expression}): ...", f"if y < {expression}: pass"):
        (found,) = literals(line)
        assert not found.is_reasoned


@pytest.mark.parametrize(
    "expression",
    ["0.5", "1.0", "0", "1e3", "1e-2", "5_000_000", "1 << 30", '"1e-9"', "float('inf')", "1.96"],
)
def test_other_numbers_need_no_reason(expression: str) -> None:
    assert not list(literals(f"x = {expression}"))


@pytest.mark.parametrize(
    "comment",
    ["", "# small", "# noqa: E501 relative to the length of it", "# tolerance for the optimiser ok",
     "# type: ignore  # a share of the largest value", "# relative"],
)  # fmt: skip
def test_a_comment_that_says_nothing_is_no_reason(comment: str) -> None:
    (found,) = literals(f"x = 1e-9  {comment}")
    assert not found.is_reasoned


@pytest.mark.parametrize(
    "source",
    [
        "x = 1e-9  # a share of the largest value",
        "# a share of the largest value,\n# whatever it is\nx = 1e-9",
        'X = 1e-9\n"""Share of the largest value that is rounding."""',
        "x = f(\n    # a share of the largest value\n    1e-9,\n)",
    ],
)
def test_a_reason_stands_beside_or_above_or_below_a_constant(source: str) -> None:
    (found,) = literals(source)
    assert found.is_reasoned


@pytest.mark.parametrize(
    "source",
    [
        "# a share of the largest value\n\nx = 1e-9",
        "x = 1e-9\n# a share of the largest value",
        "x = 1e-9\ny = 1  # a share of the largest value",
        'def f():\n    """Return a share of the largest value."""\n    return 1e-9',
        'def f():\n    x = 1e-9\n    "a share of the largest value"\n    return x',
    ],
)
def test_a_reason_elsewhere_is_none(source: str) -> None:
    (found,) = literals(source)
    assert not found.is_reasoned


def test_each_of_several_is_found() -> None:
    found = list(literals("x = np.isclose(a, b, rtol=1e-9) and c < 1e-6"))
    assert [x.text for x in found] == ["np.isclose(a, b, rtol=1e-09)", "1e-06", "1e-09"]
