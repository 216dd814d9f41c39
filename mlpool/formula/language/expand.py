"""Tokens of a linear predictor to its terms in R's order.

The algebra of ``+ - : * / ^ %in%`` is in ``algebra.py``; it sees operands, never a user's text.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from typing import NoReturn

from mlpool.errors import FormulaError, brief
from mlpool.formula.language.algebra import AlgebraError, Piece, TermSum, bits, expand
from mlpool.formula.language.expression import column_expression, parse_expression
from mlpool.formula.language.structures import BARS
from mlpool.formula.language.tokens import ARITHMETIC, Token
from mlpool.formula.types import Expression, Term, Terms

Symbols = dict[str, tuple[int, Expression]]
"""Expressions met so far: text -> (bit, expression)."""

_LOGICAL = {"TRUE": "1", "True": "1", "FALSE": "0", "False": "0"}


class Expander:
    """Turns tokens into :class:`Terms`; holds what all parts of one formula share."""

    def __init__(
        self, formula: str, columns: Sequence[str] | None, context: Collection[str] = ()
    ) -> None:
        self.formula, self.columns, self.context = formula, columns, context
        self.response_columns: tuple[str, ...] = ()
        self._read: dict[str, Expression] = {}

    def expression(self, token: Token) -> Expression:
        """Return the checked expression of one token."""
        if token.kind != "expression":
            self.fail(f"{brief(token.text)} is not expected here.", token)
        if token.text not in self._read:
            self._read[token.text] = parse_expression(
                token.text, formula=self.formula, offset=token.start, context=self.context
            )
        return self._read[token.text]

    def terms(self, tokens: Sequence[Token]) -> tuple[Terms, tuple[Expression, ...]]:
        """Return the terms and the arguments of ``offset()`` that `tokens` spell.

        Raises
        ------
        FormulaError
            For a number other than 0 or 1, a lone operator, or an expansion beyond MAX_PRODUCTS.
        """
        symbols: Symbols = {}
        pieces = [self._piece(t, i, tokens, symbols) for i, t in enumerate(tokens)]
        try:
            summed = expand(pieces)
        except AlgebraError as error:
            if error.place is not None:
                self.fail(str(error), tokens[error.place])
            raise FormulaError(str(error), formula=self.formula) from None
        expressions = [expression for _, expression in symbols.values()]
        offsets = tuple(_offset_argument(e) for e in expressions if _is_offset(e))
        terms: list[Term] = []
        for mask in summed.terms:
            term = tuple(expressions[i] for i in bits(mask))
            if not any(_is_offset(e) for e in term):
                terms.append(term)
            elif len(term) > 1:
                self.fail("offset() cannot be part of an interaction.", tokens[0])
        intercept = summed.intercept is not False
        spelled = [":".join(e.text for e in t) for t in _readable_order(terms, expressions)]
        text = " + ".join(["1" if intercept else "0", *spelled])
        ordered = tuple(sorted(terms, key=len))
        return Terms(intercept=intercept, terms=ordered, text=text), offsets

    def _piece(self, token: Token, index: int, tokens: Sequence[Token], symbols: Symbols) -> Piece:
        """Return the operand or the symbol that a token stands for."""
        if token.kind in ("open", "close"):
            return token.text
        if token.kind == "dot":
            return self._all_columns(token, symbols)
        if token.kind == "number" or token.text in _LOGICAL:
            return self._number(token, index, tokens)
        if token.kind == "expression":
            return TermSum({self._bit(self.expression(token), symbols): None})
        if token.text in BARS:
            self.fail("A random-effects term needs parentheses: (x | g).", token)
        if token.text in ARITHMETIC:
            self.fail(f"{brief(token.text)} is arithmetic: put it inside I(...).", token)
        return "^" if token.text == "**" else token.text

    def _number(self, token: Token, index: int, tokens: Sequence[Token]) -> TermSum:
        text = token.text.removesuffix("L")
        if index > 0 and tokens[index - 1].text in ("^", "**"):
            return TermSum(power=_whole(text))
        value = _LOGICAL.get(text, text)
        if value not in ("0", "1"):
            self.fail("Only 0 and 1 may stand alone in a formula (no intercept, intercept).", token)
        return TermSum(intercept=value == "1")

    def _bit(self, expression: Expression, symbols: Symbols) -> int:
        bit, _ = symbols.setdefault(expression.text, (1 << len(symbols), expression))
        return bit

    def _all_columns(self, token: Token, symbols: Symbols) -> TermSum:
        if self.columns is None:
            self.fail("'.' means all other columns, so it needs data.", token)
        used = set(self.response_columns)
        others = [c for c in self.columns if c not in used]
        masks = [self._bit(column_expression(c), symbols) for c in others]
        if not masks:
            self.fail("'.' stands for no column: the data has none but the response.", token)
        return TermSum(dict.fromkeys(masks))

    def fail(self, message: str, token: Token) -> NoReturn:
        """Raise a FormulaError that marks `token`."""
        raise FormulaError(message, formula=self.formula, start=token.start, end=token.end)


def _readable_order(terms: list[Term], expressions: list[Expression]) -> list[Term]:
    """Return the terms in an order that reads back to the same terms.

    R names a product in the order in which its variables first appear in the formula (``b:a`` in
    ``y ~ b:a + a``), so the printed text must let them appear in the same order.
    """
    wanted = [e.text for e in expressions]
    for candidate in (sorted(terms, key=len), terms, sorted(terms, key=len, reverse=True)):
        seen = list(dict.fromkeys(e.text for term in candidate for e in term))
        present = set(seen)
        if seen == [text for text in wanted if text in present]:
            return list(candidate)
    return sorted(terms, key=len)


def _whole(text: str) -> int:
    """Return a power; 0 for what is none."""
    return int(text) if text.isdecimal() and len(text) < 9 else 0


def _is_offset(expression: Expression) -> bool:
    tree = expression.tree
    return (
        isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "offset"
    )


def _offset_argument(expression: Expression) -> Expression:
    tree = expression.tree
    if not isinstance(tree, ast.Call) or len(tree.args) != 1 or tree.keywords:
        raise FormulaError("offset() takes one expression.", formula=expression.text)
    text = expression.text[len("offset(") : -1]
    return Expression(text=text, tree=tree.args[0], columns=expression.columns)
