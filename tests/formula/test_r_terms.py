"""R's reading of formulas (tests/formula/r/terms.R): terms, order, intercept, offsets, columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.errors import FormulaError
from mlpool.formula import parse_formula

R = json.loads((Path(__file__).parent / "r" / "terms.json").read_text(encoding="utf-8"))

OUR_OWN = {
    # R drops x from some of these without a word; 0 and 1 are no variables.
    **dict.fromkeys(
        ("1:x", "x:1", "1*x", "x*1", "x/1", "1/x", "x*0", "0:x", "x %in% 1"),
        "0 and 1 only say whether there is an intercept",
    ),
    "NULL": "NULL cannot stand in a formula",
    # arithmetic in a formula needs I() here; R would read a logical column
    "(x > 2):a": r"'>' is arithmetic: put it inside I\(\.\.\.\)",
    "x == 2": r"'==' is arithmetic: put it inside I\(\.\.\.\)",
}
"""Right sides that mlpool refuses although R takes them, and the sentence."""

MORE_THAN_R = ("a^1", "(a + b)^1")
"""R 4.2 calls a power of one invalid."""


def right_side(text: str) -> str:
    return text.split("~", 1)[1].strip()


def data() -> pd.DataFrame:
    """Return expand.grid(a, b, r): the first factor varies fastest."""
    n = 24
    i = np.arange(n)
    return pd.DataFrame(
        {
            "a": pd.Categorical.from_codes(i % 3, ["a1", "a2", "a3"]),
            "b": pd.Categorical.from_codes(i // 3 % 2, ["b1", "b2"]),
            "r": i // 6 + 1,
            "x": (i + 1) / 7,
            "z": np.cos(i + 1),
            "y": i + 1.5,
        }
    )


def ours(text: str) -> dict[str, Any]:
    parsed = parse_formula(text)
    return {
        "labels": [":".join(e.text for e in term) for term in parsed.fixed.terms],
        "intercept": int(parsed.fixed.intercept),
        "offsets": [f"offset({e.text})" for e in parsed.offsets],
    }


ANSWERED = [t for t in R if "error" not in R[t] and right_side(t) not in OUR_OWN]
REFUSED = [t for t in R if "error" in R[t] and right_side(t) not in MORE_THAN_R]


def test_the_table_is_large() -> None:
    assert len(ANSWERED) > 130
    assert len(REFUSED) >= 8


@pytest.mark.parametrize("text", ANSWERED)
def test_terms_intercept_and_offsets(text: str) -> None:
    expected = {k: R[text][k] for k in ("labels", "intercept", "offsets")}
    assert ours(text) == expected


@pytest.mark.parametrize("text", ANSWERED)
def test_columns(text: str) -> None:
    columns = list(mlpool.model_matrix(text, data()).columns)
    assert columns == R[text]["columns"]


@pytest.mark.parametrize("text", REFUSED)
def test_what_r_refuses_is_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        parse_formula(text)


@pytest.mark.parametrize("right", OUR_OWN)
def test_what_only_mlpool_refuses(right: str) -> None:
    with pytest.raises(FormulaError, match=OUR_OWN[right]):
        parse_formula(f"y ~ {right}")


@pytest.mark.parametrize("right", MORE_THAN_R)
def test_a_power_of_one_changes_nothing(right: str) -> None:
    assert ours(f"y ~ {right}") == ours(f"y ~ {right.removesuffix('^1')}")


@pytest.mark.parametrize(
    "text",
    [
        "y ~ " + "*".join(f"x{i}" for i in range(40)),
        "y ~ (" + "+".join(f"x{i}" for i in range(400)) + ")^3",
        "y ~ " + "(" * 59 + "x" + ")" * 59 + "^50",
        "y ~ (" + "+".join(f"x{i}" for i in range(60)) + ")^999999",
    ],
)
def test_explosions_are_refused_or_answered_at_once(text: str) -> None:
    """Fast either way: the longest takes milliseconds; a hang would stop the suite."""
    try:
        parsed = parse_formula(text)
    except FormulaError as error:
        assert "too many interactions" in str(error)
    else:
        assert len(parsed.fixed.terms) <= 100_000
