"""R's algebra of formula terms, as operators for formulaic's syntax-tree builder.

A term is a bit mask over the formula's expressions (bit i: the i-th to appear), so a product is
``|`` and a degree is a bit count. formulaic's ``tokens_to_ast`` builds the tree from placeholder
tokens - it never sees a user's text - and the operators below give R's meaning (``?formula``):
unlike formulaic's own, the intercept belongs to the whole formula (``a + (0 + b)`` has none),
``%in%`` joins with all of its right side, and ``x - -z`` takes nothing away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from formulaic.errors import FormulaSyntaxError
from formulaic.parser.algos.tokens_to_ast import tokens_to_ast
from formulaic.parser.types import Operator, OperatorResolver
from formulaic.parser.types import Token as Placeholder

from mlpool.formula.safety import MAX_TERMS


class AlgebraError(Exception):
    """A sentence about the algebra; the caller knows the formula and the place."""


_TOO_MANY = "The formula would expand to too many interactions."
_NUMBER_IN_PRODUCT = (
    "0 and 1 only say whether there is an intercept; they cannot be part of an interaction."
)
_NOT_ALONE = "Only 0 and 1 may stand alone in a formula (no intercept, intercept)."
_BAD_POWER = "A power in a formula must be a whole number of 1 or more."


@dataclass(slots=True)
class TermSum:
    """A sum of terms in order of appearance, and what was last said about the intercept.

    Attributes
    ----------
    terms : dict of int to None
        An ordered set of bit masks. Operators reuse their operands: each is used once.
    intercept : bool or None
        True after ``+ 1``, False after ``+ 0`` or ``- 1``, None if nothing was said.
    power : int
        The whole number that a placeholder right of ``^`` stands for.
    """

    terms: dict[int, None] = field(default_factory=dict)
    intercept: bool | None = None
    power: int = 0


class _Leaf(Placeholder):  # type: ignore[misc]
    """A placeholder token that carries its terms through formulaic's tree."""

    __slots__ = ("leaf",)

    def to_terms(self, *, context: Any = None) -> TermSum:
        value: TermSum = self.leaf
        return value


def leaf(value: TermSum) -> Placeholder:
    """Return a token that stands for `value`."""
    token = _Leaf("term", kind=Placeholder.Kind.NAME)
    token.leaf = value
    return token


def mark(symbol: str) -> Placeholder:
    """Return the token of an operator or parenthesis; a sign before a term is ``u+``, ``u-``."""
    kind = Placeholder.Kind.CONTEXT if symbol in "()" else Placeholder.Kind.OPERATOR
    return Placeholder(symbol, kind=kind)


def bits(mask: int) -> Iterator[int]:
    """Yield the positions of a term's expressions, in order of appearance."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def expand(tokens: Sequence[Placeholder]) -> TermSum:
    """Return the terms that a grammatical sequence of placeholders stands for.

    Raises
    ------
    AlgebraError
        If operators do not fit, an operand is not what its operator takes, or some step would form
        more than MAX_TERMS products.
    """
    try:
        tree = tokens_to_ast(tokens, _RESOLVER)
    except FormulaSyntaxError as error:
        sentence = str(error).splitlines()[0] if str(error) else "The operators do not fit."
        raise AlgebraError(f"The formula cannot be read: {sentence}") from None
    if tree is None:
        raise AlgebraError("There is nothing between the parentheses.")
    result: TermSum = tree.to_terms()
    if result.power:
        raise AlgebraError(_NOT_ALONE)
    return result


# --- the operators (R: TermCode in model.c; the letters are those of ?formula) ----------------


def _plus(left: TermSum, right: TermSum) -> TermSum:
    if left.power or right.power:
        raise AlgebraError(_NOT_ALONE)
    left.terms.update(right.terms)
    return _with_intercept(left, left, right)


def _minus(left: TermSum, right: TermSum) -> TermSum:
    if left.power or right.power:
        raise AlgebraError(_NOT_ALONE)
    for term in right.terms:
        left.terms.pop(term, None)
    return _with_intercept(left, left, _negative(right))


def _positive(value: TermSum) -> TermSum:
    return value


def _negative(value: TermSum) -> TermSum:
    """Nothing is taken away from nothing; ``-1`` removes the intercept and ``-0`` restores it."""
    if value.power:
        raise AlgebraError(_NOT_ALONE)
    return TermSum(intercept=None if value.intercept is None else not value.intercept)


def _product(left: TermSum, right: TermSum) -> TermSum:
    _refuse_numbers(left, right)
    if len(left.terms) * len(right.terms) > MAX_TERMS:
        raise AlgebraError(_TOO_MANY)
    terms = dict.fromkeys(a | b for a in left.terms for b in right.terms)
    return _with_intercept(TermSum(terms), left, right)


def _cross(left: TermSum, right: TermSum) -> TermSum:
    product = _product(left, right)
    return _plus(_plus(left, right), product)


def _nested(left: TermSum, right: TermSum) -> TermSum:
    """Return the nesting: ``(a + b)/c`` is ``a + b + a:b:c``."""
    _refuse_numbers(left, right)
    outer = _joined(left.terms)
    return _plus(left, TermSum(dict.fromkeys(outer | t for t in right.terms), right.intercept))


def _within(left: TermSum, right: TermSum) -> TermSum:
    """Join with all of the right side: ``a %in% (b + c)`` is ``a:b:c``."""
    _refuse_numbers(left, right)
    outer = _joined(right.terms)
    return _with_intercept(TermSum(dict.fromkeys(t | outer for t in left.terms)), left, right)


def _power(left: TermSum, right: TermSum) -> TermSum:
    """Products of up to `power` terms; more factors than terms add nothing new."""
    if right.power < 1:
        raise AlgebraError(_BAD_POWER)
    _refuse_numbers(left)
    result = left
    for _ in range(min(right.power, len(left.terms)) - 1):
        result = _plus(TermSum(dict(left.terms), left.intercept), _product(left, result))
    return result


def _refuse_numbers(*operands: TermSum) -> None:
    """R lets ``1:x`` and ``1*x`` drop x without a word; nobody means that."""
    if any(not o.terms and o.intercept is not None for o in operands):
        raise AlgebraError(_NUMBER_IN_PRODUCT)
    if any(o.power for o in operands):
        raise AlgebraError(_NOT_ALONE)


def _joined(terms: Iterable[int]) -> int:
    return reduce(or_, terms, 0)


def _with_intercept(result: TermSum, left: TermSum, right: TermSum) -> TermSum:
    result.intercept = left.intercept if right.intercept is None else right.intercept
    return result


def _operator(symbol: str, precedence: int, meaning: Callable[..., TermSum]) -> Operator:
    is_prefix = symbol.startswith("u")
    return Operator(
        symbol,
        arity=1 if is_prefix else 2,
        precedence=precedence,
        associativity="right" if is_prefix or symbol == "^" else "left",
        fixity="prefix" if is_prefix else "infix",
        to_terms=meaning,
        structural=True,  # hand the operands over as they are
    )


class _Resolver(OperatorResolver):  # type: ignore[misc]
    """R's precedences (``?Syntax``): ``^``, signs, ``:``, ``%in%``, ``* /``, ``+ -``."""

    @property
    def operators(self) -> list[Operator]:
        return [
            _operator("^", 600, _power),
            _operator("u-", 500, _negative),
            _operator("u+", 500, _positive),
            _operator(":", 400, _product),
            _operator("%in%", 300, _within),
            _operator("*", 200, _cross),
            _operator("/", 200, _nested),
            _operator("+", 100, _plus),
            _operator("-", 100, _minus),
        ]


_RESOLVER = _Resolver()
