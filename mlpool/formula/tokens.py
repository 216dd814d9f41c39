"""Formula text to tokens with positions: formulaic's tokenizer plus R's own spellings."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from formulaic.errors import FormulaSyntaxError
from formulaic.parser.algos.tokenize import tokenize

from mlpool.errors import FormulaError
from mlpool.formula.safety import MAX_DEPTH, MAX_LENGTH

Kind = Literal["operator", "open", "close", "number", "dot", "expression"]

ARITHMETIC = ("%/%", "%%", "==", "!=", "<=", ">=", "<", ">", "!", "&")
"""Operators of R that are no formula algebra: allowed in a response and inside ``I()``."""

_OPERATORS = ("**", "||", "%in%", "~", "+", "-", "*", "/", ":", "^", "|", *ARITHMETIC)
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a formula: `text` between characters `start` and `end` (inclusive)."""

    kind: Kind
    text: str
    start: int
    end: int


def read_tokens(formula: str) -> list[Token]:
    """Return the tokens of `formula`.

    Raises
    ------
    FormulaError
        If the text is no string, empty, too long, unbalanced or has an unknown operator.
    """
    if not isinstance(formula, str):
        raise FormulaError(
            'A formula is a string such as "math ~ ses + (1 | school)"; got '
            f"{type(formula).__name__}."
        )
    if not formula.strip():
        raise FormulaError('The formula is empty; write for example "math ~ ses + (1 | school)".')
    if len(formula) > MAX_LENGTH:
        raise FormulaError(
            f"The formula has {len(formula):,} characters; {MAX_LENGTH:,} are allowed."
        )
    _check_balance(formula)
    try:
        raw = [(t.token, t.source_start, t.source_end) for t in tokenize(formula)]
    except FormulaSyntaxError as error:
        sentence = str(error).splitlines()[0]
        raise FormulaError(f"The formula cannot be read: {sentence}", formula=formula) from None
    tokens: list[Token] = []
    for text, start, end in raw:
        if start is None or end is None:
            raise FormulaError("The formula cannot be read.", formula=formula)
        tokens += _convert(text, start, end, formula)
    return _join_calls(tokens, formula)


def _convert(text: str, start: int, end: int, formula: str) -> list[Token]:
    first = formula[start]
    if first in "([" and text in "([":
        _refuse_square(text, start, formula)
        return [Token("open", "(", start, end)]
    if first in ")]" and text in ")]":
        return [Token("close", ")", start, end)]
    if first == "{" or (start > 0 and formula[start - 1] == "{"):
        raise FormulaError(
            "Braces are not allowed in a formula; use I(...) for arithmetic.",
            formula=formula, start=start, end=end,
        )  # fmt: skip
    if first == "`" and "(" not in text:  # formulaic's span leaves out the closing backtick
        end = formula.index("`", start + 1)
        return [Token("expression", formula[start : end + 1], start, end)]
    if first == "`" or first.isalpha() or first == "_" or (first == "." and text != "."):
        return [Token("expression", formula[start : end + 1], start, end)]
    if text == ".":
        return [Token("dot", ".", start, end)]
    if first.isdigit():
        kind: Kind = "number" if text.isdigit() else "expression"
        return [Token(kind, text, start, end)]
    if first in "\"'":
        raise FormulaError(
            "A string is not a term; write the column's name without quotes.",
            formula=formula, start=start, end=end,
        )  # fmt: skip
    return _split_operators(start, end, formula)


def _split_operators(start: int, end: int, formula: str) -> list[Token]:
    """Split glued operators (``~-``) and give ``%in%`` back its percent signs."""
    while start > 0 and formula[start - 1] == "%":
        start -= 1
    while end + 1 < len(formula) and formula[end + 1] == "%" and formula[start] == "%":
        end += 1
    tokens, position = [], start
    while position <= end:
        if formula[position].isspace():
            position += 1
            continue
        for operator in _OPERATORS:
            if formula.startswith(operator, position):
                tokens.append(Token("operator", operator, position, position + len(operator) - 1))
                position += len(operator)
                break
        else:
            _refuse_operator(position, formula)
    return tokens


def _join_calls(tokens: list[Token], formula: str) -> list[Token]:
    """Refuse two things side by side (``a b``, ``x (z)``), which R does not allow either."""
    for left, right in pairwise(tokens):
        ends = left.kind in ("expression", "number", "dot", "close")
        begins = right.kind in ("expression", "number", "dot", "open")
        if ends and begins:
            raise FormulaError(
                f"An operator is missing before {right.text!r}.",
                formula=formula, start=right.start, end=right.end,
            )  # fmt: skip
    return tokens


def _refuse_square(text: str, start: int, formula: str) -> None:
    if text == "[":
        raise FormulaError(
            "Square brackets (subscripts, lists) are not allowed in a formula.",
            formula=formula, start=start,
        )  # fmt: skip


def _refuse_operator(position: int, formula: str) -> None:
    character = formula[position]
    if character == "$":
        column = formula[position + 1 :].split("+")[0].split()[:1]
        name = column[0].strip("() ") if column else "column"
        message = (
            f"'$' is R's way to reach into a data frame; write the column's name alone, {name!r}, "
            "and pass the frame as data."
        )
    elif character == "=":
        message = "'=' is not allowed here; use '==' to compare."
    else:
        message = f"{character!r} is not an operator of formulas."
    raise FormulaError(message, formula=formula, start=position)


def _check_balance(formula: str) -> None:  # noqa: C901 - one branch per bracket or quote
    """Check parentheses and quotes before anything else reads the text, and mark the place."""
    stack: list[tuple[str, int]] = []
    quote: tuple[str, int] | None = None
    for position, character in enumerate(formula):
        if quote is not None:
            if character == quote[0]:
                quote = None
        elif character in "\"'`":
            quote = (character, position)
        elif character in _BRACKETS:
            stack.append((character, position))
            if len(stack) > MAX_DEPTH:
                raise FormulaError("The formula is nested too deeply.", formula=formula[:80])
        elif character in ")]}":
            if not stack or _BRACKETS[stack[-1][0]] != character:
                raise FormulaError(
                    f"{character!r} closes nothing: its opening partner is missing.",
                    formula=formula, start=position,
                )  # fmt: skip
            stack.pop()
    if quote is not None:
        raise FormulaError(f"{quote[0]!r} is never closed.", formula=formula, start=quote[1])
    if stack:
        raise FormulaError(
            f"{stack[-1][0]!r} is never closed.", formula=formula, start=stack[-1][1]
        )
