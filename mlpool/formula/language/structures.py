"""``us()``, ``diag()``, ``cs()`` and ``ar1()`` around a bar, as lme4 2.0 and glmmTMB read them.

A structure travels with its bar: the bar's token says which one it is, so that everything that
works on bars stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlpool.errors import FormulaError, brief
from mlpool.formula.language.lexer import Piece
from mlpool.formula.types import BarStructure

DIAGONAL = "|diag"
"""The bar of ``diag(x | g)``: as ``||``, and every effect is one column."""
_BARS = {
    DIAGONAL: None,
    "|diag, hom = TRUE": BarStructure(kind="diag", is_homogeneous=True),
    "|cs": BarStructure(kind="cs", is_homogeneous=False),
    "|cs, hom = TRUE": BarStructure(kind="cs", is_homogeneous=True),
    "|ar1": BarStructure(kind="ar1", is_homogeneous=True),
    "|ar1, hom = FALSE": BarStructure(kind="ar1", is_homogeneous=False),
}
BARS = ("|", "||", *_BARS)
_NAMES = ("us", "diag", "cs", "ar1")
_LOGICAL = {"TRUE": True, "True": True, "T": True, "FALSE": False, "False": False, "F": False}


@dataclass(frozen=True, slots=True)
class StructureCall:
    """``cs(x | g, hom = TRUE)`` among the pieces of a formula.

    Attributes
    ----------
    bar : int
        Place of the bar.
    bar_text : str
        What its token says.
    opening, closing : str
        Text before and after the term.
    after : int
        Place of the first piece after the term: a comma, or the closing parenthesis.
    """

    bar: int
    bar_text: str
    opening: str
    closing: str
    after: int


def structure_of(bar: str) -> BarStructure | None:
    """Return what a bar's token says; None for plain ones and ``diag()``."""
    return _BARS.get(bar)


def structure_call(
    pieces: Sequence[Piece], at: int, partner: dict[int, int], formula: str
) -> StructureCall | None:
    """Return the structure whose call begins at piece `at`; None for anything else.

    Raises
    ------
    FormulaError
        For an argument that is not ``hom=``.
    """
    name = pieces[at].text
    is_call = at + 1 in partner and pieces[at + 1].text == "("
    if pieces[at].kind != "name" or name not in _NAMES or not is_call:
        return None
    end = partner[at + 1]
    bar = _first(pieces, "|", at + 2, end, partner)
    if bar is None:
        return None
    after = _first(pieces, ",", bar, end, partner) or end
    hom = None if after == end else _hom(pieces[after + 1 : end], name, pieces[after], formula)
    if name == "us":
        return StructureCall(bar, "|", "(", ")", after)
    usual = name == "ar1"
    own = "" if hom is None or hom == usual else f", hom = {str(hom).upper()}"
    return StructureCall(bar, f"|{name}{own}", f"{name}(", f"{own})", after)


def _first(
    pieces: Sequence[Piece], text: str, start: int, end: int, partner: dict[int, int]
) -> int | None:
    """Return the first place of an operator outside of inner brackets."""
    at = start
    while at < end:
        if pieces[at].kind == "op" and pieces[at].text == text:
            return at
        at = partner.get(at, at) + 1
    return None


def _hom(given: Sequence[Piece], name: str, comma: Piece, formula: str) -> bool:
    """Return the value of ``hom=``."""
    words = [p.text for p in given]
    if name != "us" and len(words) == 3 and words[:2] == ["hom", "="] and words[2] in _LOGICAL:
        return _LOGICAL[words[2]]
    said = brief("".join(words))
    raise FormulaError(
        f"us() takes a term and nothing more: us(x | g); got {said}." if name == "us" else
        f"{name}() takes hom=TRUE (one standard deviation) or hom=FALSE (one each) beside its "
        f"term; got {said}.",
        formula=formula, start=comma.start, end=given[-1].end if given else comma.end,
    )  # fmt: skip
