"""R's algebra of formula terms: a small operator-precedence machine over sums of terms.

A term is a bit mask over the formula's expressions (bit i: the i-th to appear), so a product is
``|`` and a degree is a bit count. The machine never sees a user's text: operands are masks, and
operators are R's (``?formula``): the intercept belongs to the whole formula (``a + (0 + b)`` has
none), ``%in%`` joins with all of its right side, and ``x - -z`` takes nothing away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from mlpool.formula.language.safety import MAX_PRODUCTS


class AlgebraError(Exception):
    """A sentence about the algebra; `place` is the offending piece's position, if one is to blame.

    The caller knows the formula.
    """

    def __init__(self, message: str, place: int | None = None) -> None:
        super().__init__(message)
        self.place = place


_TOO_MANY = f"The formula would expand to too many interactions (more than {MAX_PRODUCTS:,})."
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
        The whole number that an operand right of ``^`` stands for.
    """

    terms: dict[int, None] = field(default_factory=dict)
    intercept: bool | None = None
    power: int = 0


Piece = TermSum | str
"""An operand, or the symbol of an operator or parenthesis."""


def bits(mask: int) -> Iterator[int]:
    """Yield the positions of a term's expressions, in order of appearance."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def expand(pieces: Sequence[Piece]) -> TermSum:
    """Return the terms that a sequence of operands, operators and parentheses stands for.

    Raises
    ------
    AlgebraError
        If operators do not fit, an operand is not what its operator takes, or some step would form
        more than MAX_PRODUCTS products.
    """
    machine = _Machine()
    for place, piece in enumerate(pieces):
        machine.take(piece, place)
    return machine.result(len(pieces) - 1)


class _Machine:
    """Shunting-yard (Dijkstra 1961): operands and waiting operators on two stacks."""

    def __init__(self) -> None:
        self._operands: list[TermSum] = []
        self._waiting: list[str] = []
        self._wants_operand = True

    def take(self, piece: Piece, place: int) -> None:
        if isinstance(piece, TermSum):
            self._operands.append(piece)
            self._wants_operand = False
        elif piece == "(":
            self._waiting.append(piece)
        elif piece == ")":
            self._close(place)
        elif self._wants_operand:
            if piece not in ("+", "-"):
                raise AlgebraError(f"There is nothing before {piece!r}.", place)
            self._waiting.append(f"sign {piece}")
        else:
            self._apply_down_to(piece)
            self._waiting.append(piece)
            self._wants_operand = True

    def result(self, last: int) -> TermSum:
        if self._wants_operand:
            raise AlgebraError("The formula ends in an operator: a term is missing.", last)
        while self._waiting:
            self._apply(self._waiting.pop())
        result = self._operands.pop()
        if result.power:
            raise AlgebraError(_NOT_ALONE)
        return result

    def _close(self, place: int) -> None:
        if self._wants_operand:
            is_empty = self._waiting and self._waiting[-1] == "("
            what = "nothing between the parentheses" if is_empty else "nothing before ')'"
            raise AlgebraError(f"There is {what}.", place)
        while self._waiting[-1] != "(":
            self._apply(self._waiting.pop())
        self._waiting.pop()

    def _apply_down_to(self, symbol: str) -> None:
        strength, is_right = _STRENGTH[symbol], symbol == "^"
        while self._waiting and self._waiting[-1] != "(":
            other = _STRENGTH[self._waiting[-1]]
            if other < strength or (other == strength and is_right):
                break
            self._apply(self._waiting.pop())

    def _apply(self, symbol: str) -> None:
        if symbol in _SIGNS:
            self._operands.append(_SIGNS[symbol](self._operands.pop()))
            return
        right, left = self._operands.pop(), self._operands.pop()
        self._operands.append(_MEANINGS[symbol](left, right))


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
    if len(left.terms) * len(right.terms) > MAX_PRODUCTS:
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


_MEANINGS: dict[str, Callable[[TermSum, TermSum], TermSum]] = {
    "^": _power, ":": _product, "%in%": _within, "*": _cross, "/": _nested, "+": _plus, "-": _minus,
}  # fmt: skip
_SIGNS: dict[str, Callable[[TermSum], TermSum]] = {"sign +": _positive, "sign -": _negative}
_STRENGTH = {
    "^": 600, "sign -": 500, "sign +": 500, ":": 400, "%in%": 300, "*": 200, "/": 200, "+": 100,
    "-": 100,
}  # fmt: skip
"""R's precedences (``?Syntax``)."""
