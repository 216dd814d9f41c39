"""Formula text to tokens with positions: what the algebra of terms and of bars works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from mlpool.errors import FormulaError, brief
from mlpool.formula.language.lexer import Piece, lex
from mlpool.formula.language.safety import MAX_DEPTH, MAX_LENGTH
from mlpool.formula.language.structures import structure_call

Kind = Literal["operator", "open", "close", "number", "dot", "expression"]

ARITHMETIC = ("%/%", "%%", "==", "!=", "<=", ">=", "<", ">", "!", "&", "&&")
"""Operators of R that are no formula algebra: allowed in a response and inside ``I()``."""

_ALGEBRA = ("**", "||", "%in%", "~", "+", "-", "*", "/", ":", "^", "|")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_ARGUMENTS = ("REML", "reml", "family", "data", "weights", "cluster", "offset", "subset")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a formula: `text` between characters `start` and `end` (inclusive)."""

    kind: Kind
    text: str
    start: int
    end: int


def read_tokens(formula: str) -> list[Token]:
    """Return the tokens of `formula`; a call with all its arguments is one.

    Raises
    ------
    FormulaError
        If the text is no string, empty, too long, unbalanced or has an unknown operator.
    """
    if not isinstance(formula, str):
        raise FormulaError(
            f'A formula is a string such as "math ~ ses + (1 | school)"; got {brief(formula)}.'
        )
    if not formula.strip():
        raise FormulaError('The formula is empty; write for example "math ~ ses + (1 | school)".')
    if len(formula) > MAX_LENGTH:
        raise FormulaError(
            f"The formula has {len(formula):,} characters; {MAX_LENGTH:,} are allowed."
        )
    pieces = lex(formula, formula=formula)
    partner = _partners(pieces, formula)
    tokens: list[Token] = []
    texts: dict[int, str] = {}
    skipped: dict[int, int] = {}
    at = 0
    while at < len(pieces):
        found = structure_call(pieces, at, partner, formula)
        if found is not None:  # cs(x | g): parentheses, whose bar is another one
            close = partner[at + 1]
            tokens.append(Token("open", found.opening, pieces[at].start, pieces[at + 1].end))
            texts |= {found.bar: found.bar_text, close: found.closing}
            skipped[found.after] = close
            at += 2
            continue
        at = skipped.get(at, at)
        last = at
        if pieces[at].kind == "name" and at + 1 in partner and pieces[at + 1].text == "(":
            last = partner[at + 1]
        token = _token(pieces, at, last, formula)
        tokens.append(replace(token, text=texts.get(at, token.text)))
        at = last + 1
    _check_neighbours(tokens, formula)
    return tokens


def _token(pieces: Sequence[Piece], at: int, last: int, formula: str) -> Token:
    piece = pieces[at]
    start, end = piece.start, pieces[last].end
    text = formula[start : end + 1]
    if piece.kind == "name" and text == ".":
        return Token("dot", text, start, end)
    if piece.kind in ("name", "quoted"):
        return Token("expression", text, start, end)
    if piece.kind == "number":
        return Token("number", text, start, end)
    if piece.kind == "string":
        raise FormulaError(
            "A string is not a term; write the column's name without quotes.",
            formula=formula, start=start, end=end,
        )  # fmt: skip
    if text in "()":
        return Token("open" if text == "(" else "close", text, start, end)
    if text in _ALGEBRA or text in ARITHMETIC:
        return Token("operator", text, start, end)
    raise _no_operator(pieces, at, formula)


def _no_operator(pieces: Sequence[Piece], at: int, formula: str) -> FormulaError:
    piece = pieces[at]
    start, end = piece.start, piece.end
    before = pieces[at - 1] if at else piece
    after = pieces[at + 1].text if at + 1 < len(pieces) else "column"
    if piece.text == "=" and before.text in _ARGUMENTS:
        message = f"{before.text}= is an argument of the fitting function, not part of the formula."
        start = before.start
    elif piece.text == "," and at + 2 < len(pieces) and pieces[at + 2].text == "=":
        return _no_operator(pieces, at + 2, formula)
    elif piece.text in "[]":
        message = (
            "Square brackets (subscripts, lists) are not allowed in a formula; a list of constants "
            "is written c(1, 2)."
        )
    elif piece.text in "{}":
        message = "Braces are not allowed in a formula; use I(...) for arithmetic."
    elif piece.text == "$":
        message = (
            "'$' is R's way to reach into a data frame; write the column's name alone, "
            f"{brief(after)}, "
            "and pass the frame as data."
        )
    elif piece.text == "=":
        message = "'=' is not allowed here; use '==' to compare."
    else:
        message = f"{brief(piece.text)} is not an operator of formulas."
    return FormulaError(message, formula=formula, start=start, end=end)


def _check_neighbours(tokens: list[Token], formula: str) -> None:
    """Refuse two things side by side (``a b``, ``(x) (z)``), which R does not allow either."""
    for left, right in pairwise(tokens):
        ends = left.kind in ("expression", "number", "dot", "close")
        begins = right.kind in ("expression", "number", "dot", "open")
        if ends and begins:
            raise FormulaError(
                f"An operator is missing before {brief(right.text)}.",
                formula=formula, start=right.start, end=right.end,
            )  # fmt: skip


def _partners(pieces: Sequence[Piece], formula: str) -> dict[int, int]:
    """Return the closing piece of every opening one.

    Raises
    ------
    FormulaError
        If a bracket has no partner, or too many are inside each other; the place is marked.
    """
    partner: dict[int, int] = {}
    stack: list[int] = []
    for at, piece in enumerate(pieces):
        if piece.kind != "op":
            continue
        if piece.text in _BRACKETS:
            stack.append(at)
            if len(stack) > MAX_DEPTH:
                raise FormulaError(
                    "The formula is nested too deeply.", formula=formula, start=piece.start
                )
        elif piece.text in (")", "]", "}"):
            if not stack or _BRACKETS[pieces[stack[-1]].text] != piece.text:
                raise FormulaError(
                    f"{brief(piece.text)} closes nothing: its opening partner is missing.",
                    formula=formula, start=piece.start,
                )  # fmt: skip
            partner[stack.pop()] = at
    if stack:
        piece = pieces[stack[-1]]
        raise FormulaError(
            f"{brief(piece.text)} is never closed.", formula=formula, start=piece.start
        )
    return partner
