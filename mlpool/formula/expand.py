"""Tokens of a linear predictor to its terms in R's order.

formulaic's parser does the algebra of ``+ - : * / ^``; it sees only placeholders (``v0``,
``v1`` ...), never a user's text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NoReturn

from formulaic.parser import DefaultFormulaParser

from mlpool.errors import FormulaError
from mlpool.formula.expression import parse_expression, quote_name
from mlpool.formula.safety import MAX_TERMS
from mlpool.formula.tokens import Token
from mlpool.formula.types import Expression, Term, Terms

_PARSER = DefaultFormulaParser()


class Expander:
    """Turns tokens into :class:`Terms`; holds what all parts of one formula share."""

    def __init__(
        self, formula: str, columns: Sequence[str] | None, context: Collection[str] = ()
    ) -> None:
        self.formula, self.columns, self.context = formula, columns, context
        self.response_columns: tuple[str, ...] = ()

    def expression(self, token: Token) -> Expression:
        """Return the checked expression of one token."""
        if token.kind != "expression":
            self.fail(f"{token.text!r} is not expected here.", token)
        return parse_expression(
            token.text, formula=self.formula, offset=token.start, context=self.context
        )

    def terms(self, tokens: Sequence[Token]) -> tuple[Terms, tuple[Expression, ...]]:
        """Return the terms and the arguments of ``offset()`` that `tokens` spell.

        Raises
        ------
        FormulaError
            For a number other than 0 or 1, a lone operator, or an expansion beyond MAX_TERMS.
        """
        symbols: dict[str, Expression] = {}
        pieces = [self._piece(t, i, tokens, symbols) for i, t in enumerate(tokens)]
        self._check_size(tokens, len(symbols))
        text = " ".join(pieces)
        parsed = self._algebra(text, tokens)
        offsets = tuple(_offset_argument(e) for e in symbols.values() if _is_offset(e))
        order = {name: i for i, name in enumerate(symbols)}
        terms: list[Term] = []
        for names in parsed:
            term = tuple(symbols[name] for name in sorted(names, key=order.__getitem__))
            if any(_is_offset(e) for e in term):
                if len(term) > 1:
                    self.fail("offset() cannot be part of an interaction.", tokens[0])
            elif term:
                terms.append(term)
        intercept = () in parsed
        spelled = [":".join(e.text for e in t) for t in _readable_order(terms, symbols)]
        text = " + ".join(["1" if intercept else "0", *spelled])
        ordered = tuple(sorted(terms, key=len))
        return Terms(intercept=intercept, terms=ordered, text=text), offsets

    def _piece(
        self, token: Token, index: int, tokens: Sequence[Token], symbols: dict[str, Expression]
    ) -> str:
        if token.kind == "expression":
            return self._symbol(self.expression(token), symbols)
        if token.kind == "dot":
            return self._all_columns(token, tokens, symbols)
        if token.kind == "number":
            is_power = index > 0 and tokens[index - 1].text in ("^", "**")
            if not is_power and token.text not in ("0", "1"):
                self.fail(
                    "Only 0 and 1 may stand alone in a formula (no intercept, intercept).", token
                )
            if is_power and int(token.text) < 1:
                self.fail("A power in a formula must be 1 or more.", token)
            return token.text
        if token.text in ("|", "||"):
            self.fail("A random-effects term needs parentheses: (x | g).", token)
        return {"%in%": ":", "**": "^"}.get(token.text, token.text)

    def _symbol(self, expression: Expression, symbols: dict[str, Expression]) -> str:
        for name, known in symbols.items():
            if known.text == expression.text:
                return name
        name = f"v{len(symbols)}"
        symbols[name] = expression
        return name

    def _all_columns(
        self, token: Token, tokens: Sequence[Token], symbols: dict[str, Expression]
    ) -> str:
        if self.columns is None:
            self.fail("'.' means all other columns, so it needs data.", token)
        used = set(self.response_columns)
        names = [self._symbol(_column(c), symbols) for c in self.columns if c not in used]
        if not names:
            self.fail("'.' stands for no column: the data has none but the response.", token)
        return "(" + " + ".join(names) + ")"

    def _check_size(self, tokens: Sequence[Token], n_symbols: int) -> None:
        stars = sum(t.text in ("*", "/") for t in tokens)
        size = 2.0 ** min(stars, 60)
        for power, token in pairwise(tokens):
            if power.text in ("^", "**") and token.kind == "number":
                size *= float(max(n_symbols, 1)) ** min(int(token.text), 50)
        if size > MAX_TERMS:
            self.fail("The formula would expand to too many interactions.", tokens[0])

    def _algebra(self, text: str, tokens: Sequence[Token]) -> list[tuple[str, ...]]:
        try:
            parsed = _PARSER.get_terms(text)
        except Exception as error:  # formulaic raises many kinds; all mean unreadable algebra
            sentence = str(error).splitlines()[0] if str(error) else "the operators do not fit."
            sentence = re.sub(r"\bv\d+\b", "a term", sentence)
            raise FormulaError(
                f"The formula cannot be read: {sentence}", formula=self.formula
            ) from None
        if not hasattr(parsed, "__iter__"):
            self.fail("The formula cannot be read.", tokens[0])
        result: list[tuple[str, ...]] = []
        for term in parsed:
            names = tuple(str(f) for f in term.factors)
            result.append(() if names == ("1",) else names)
        return result

    def fail(self, message: str, token: Token) -> NoReturn:
        """Raise a FormulaError that marks `token`."""
        raise FormulaError(message, formula=self.formula, start=token.start, end=token.end)


def _readable_order(terms: list[Term], symbols: dict[str, Expression]) -> list[Term]:
    """Return the terms in an order that reads back to the same terms.

    R names a product in the order in which its variables first appear in the formula (``b:a`` in
    ``y ~ b:a + a``), so the printed text must let them appear in the same order.
    """
    wanted = [e.text for e in symbols.values()]
    for candidate in (sorted(terms, key=len), terms, sorted(terms, key=len, reverse=True)):
        seen = list(dict.fromkeys(e.text for term in candidate for e in term))
        if seen == [text for text in wanted if text in seen]:
            return list(candidate)
    return sorted(terms, key=len)


def _column(name: str) -> Expression:
    return (
        parse_expression(f"`{name}`", formula=quote_name(name)) if "`" not in name else _odd(name)
    )


def _odd(name: str) -> Expression:
    raise FormulaError(f"The column name {name!r} has a backtick; rename it to use '.'.")


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
