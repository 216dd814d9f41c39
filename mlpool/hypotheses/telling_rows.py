"""Rows that tell how columns of X depend on each other, of designs that have rows and of others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlpool.errors import NotSupportedError
from mlpool.formula.design import Design
from mlpool.formula.design_matrix import DesignMatrix, FactorPart, NumberPart
from mlpool.sources.design import PushedDesign
from mlpool.typing import FloatArray

_MANY = 100_000
"""Combinations of factors' levels beyond which nobody reads a table of tests."""


def telling_rows(design: Design) -> DesignMatrix:
    """Return X, or of rows that are elsewhere: every combination of levels that they have.

    How cells and coded columns hang together is the same in every row: numbers are drawn for the
    numeric columns, as many as it takes to keep these apart from each other in every combination.

    Raises
    ------
    NotSupportedError
        If columns were dropped, which the combinations of levels alone do not tell.
    """
    if not isinstance(design, PushedDesign):
        return design.X
    X = design.X
    if len(design.kept_columns) < X.shape[1]:
        raise NotSupportedError(
            "Type III tests of scanned rows need a model without dropped columns; read the rows."
        )
    parts = {
        e.text: part
        for term, made in zip(design.formula.fixed.terms, X.terms, strict=True)
        for e, part in zip(term, made, strict=True)
    }
    factors = [text for text, part in parts.items() if isinstance(part, FactorPart)]
    codes = design.combinations_of(factors, _MANY)
    times = 2 + sum(part.width for part in parts.values() if isinstance(part, NumberPart))
    n = times * max(len(codes), 1)
    rng = np.random.default_rng(1)
    drawn: dict[str, FactorPart | NumberPart] = {}
    for text, part in parts.items():
        if isinstance(part, FactorPart):
            place = codes[:, factors.index(text)]
            drawn[text] = replace(part, codes=np.repeat(place, times).astype(np.int32))
        else:
            numbers: FloatArray = rng.normal(size=(part.width, n))
            drawn[text] = NumberPart(arrays=tuple(numbers))
    terms = tuple(tuple(drawn[e.text] for e in term) for term in design.formula.fixed.terms)
    return replace(X, n=n, terms=terms)
