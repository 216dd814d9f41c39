"""Records of the formula layer: what a formula says, and what a column of a design is.

Nothing here reads data. ``engine`` may import this module; it imports only rows 1-2.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Literal

ColumnKind = Literal["intercept", "numeric", "factor", "ordered", "poly", "basis", "boolean"]


class Chain(ast.Compare):
    """Operands joined by operators of one precedence, from left to right.

    Flat (``left``, and ``ops`` with as many ``comparators``), so that a sum of a thousand terms is
    not a thousand levels deep. Operators are arithmetic, too: ``ast.Add`` beside ``ast.Lt``.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """One checked expression of a formula (``ses``, ``poly(hp, 2)``, ``I(x^2)``).

    Attributes
    ----------
    text : str
        The expression in R's own deparsed spelling (``poly(hp, 2, raw = TRUE)``); R's coefficient
        names start with it. A name that is no word is in backticks, as in R.
    tree : ast.expr
        The allow-listed expression; columns are ``ast.Name`` nodes whose ``id`` is the column's
        real name (any string, also ``'female '``).
    columns : tuple of str
        Names of the variables it reads, in order of appearance.
    """

    text: str
    tree: ast.expr = field(compare=False, repr=False)
    columns: tuple[str, ...] = ()


Term = tuple[Expression, ...]
"""A product of expressions; ``()`` is never used for the intercept (see ``Terms.intercept``)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Terms:
    """The terms of a linear predictor in R's order (by degree, then by appearance).

    `text` spells them in the order of appearance, so that it reads back to the same terms. Terms
    are equal if they are the same products: ``a:b`` and ``b:a`` differ in name, not in meaning.
    """

    intercept: bool
    terms: tuple[Term, ...] = ()
    text: str = ""

    def _key(self) -> tuple[bool, tuple[frozenset[Expression], ...]]:
        return self.intercept, tuple(frozenset(term) for term in self.terms)

    def __eq__(self, other: object) -> bool:
        """Tell whether both have the same products in the same order."""
        return isinstance(other, Terms) and self._key() == other._key()

    def __hash__(self) -> int:
        """Hash what equality compares."""
        return hash(self._key())


@dataclass(frozen=True, slots=True, kw_only=True)
class BarStructure:
    """How the effects of one random-effects term vary together, where not freely.

    Attributes
    ----------
    kind : {"diag", "cs", "ar1"}
        Independent; one correlation for all pairs; one that decays with the distance of levels.
    is_homogeneous : bool
        One standard deviation for all effects, or one each.
    """

    kind: Literal["diag", "cs", "ar1"]
    is_homogeneous: bool

    @property
    def name(self) -> str:
        """GlmmTMB's and lme4's name: ``cs`` with one SD is ``homcs``, ``ar1`` with more hetar1."""
        if self.kind == "ar1":
            return "ar1" if self.is_homogeneous else "hetar1"
        return f"hom{self.kind}" if self.is_homogeneous else self.kind

    def written(self, term: str) -> str:
        """Return ``ar1(0 + time | id)`` for `term`, with ``hom =`` where it is not R's default."""
        hom = f", hom = {str(self.is_homogeneous).upper()}"
        return f"{self.kind}({term}{'' if self.is_homogeneous == (self.kind == 'ar1') else hom})"


@dataclass(frozen=True, slots=True, kw_only=True)
class BarTerm:
    """One plain random-effects term ``(terms | group)`` after expansion of ``/`` and ``||``.

    Attributes
    ----------
    terms : Terms
        The columns of Z.
    group : tuple of Expression
        The grouping factor; several expressions are their interaction (``dept:service``), in
        lme4's order (``(1|a/b)`` gives groups ``b:a`` and ``a``).
    text : str
        The term as lme4 prints it, without parentheses: ``1 + Days | Subject``.
    diagonal : bool
        Of ``diag()``: several columns are independent.
    structure : BarStructure or None
        Of ``cs()``, ``ar1()`` and ``diag(hom = TRUE)``.
    """

    terms: Terms
    group: tuple[Expression, ...]
    text: str = field(compare=False)
    diagonal: bool = field(default=False, compare=False)
    structure: BarStructure | None = None

    @property
    def label(self) -> str:
        """The term as a formula has it: ``(1 | g)``, ``ar1(0 + time | g)``."""
        return self.written(self.text)

    def written(self, term: str) -> str:
        """Return `term` in parentheses, with the name of the structure before them."""
        if self.structure is not None:
            return self.structure.written(term)
        return f"diag({term})" if self.diagonal else f"({term})"

    @property
    def group_name(self) -> str:
        """The group's name as lme4 prints it: ``school``, ``b:a``."""
        return ":".join(e.text for e in self.group)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFormula:
    """A formula that has been read and checked.

    Attributes
    ----------
    text : str
        The user's text, normalised blanks only (what ``Formula:`` prints).
    response : Expression or None
        Left-hand side; for ``cbind(k, n - k)`` an expression whose tree is that call.
    fixed : Terms
    bars : tuple of BarTerm
        In order of appearance (lme4's order by number of levels needs data).
    offsets : tuple of Expression
        The arguments of ``offset()`` terms.
    """

    text: str = field(compare=False)
    response: Expression | None
    fixed: Terms
    bars: tuple[BarTerm, ...] = ()
    offsets: tuple[Expression, ...] = ()
    canonical: str = field(default="", compare=False)

    def __str__(self) -> str:
        """Return the canonical text, which parses back to an equal formula."""
        return self.canonical or self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPart:
    """One factor of a design column: ``gender`` at level ``F``, ``poly(hp, 2)`` component 1.

    Attributes
    ----------
    text : str
        The expression (``gender``, ``factor(cyl)``, ``poly(hp, 2)``).
    variable : str
        The bare variable inside it if there is exactly one (``cyl``, ``hp``), else `text`.
    function : str
        Outermost function (``factor``, ``poly``, ``log``, ``I`` ...), or an empty string.
    kind : ColumnKind
    label : str
        What R appends: the level (``F``, ``TRUE``), ``1``, ``.L`` - empty for plain numbers.
    """

    text: str
    variable: str
    function: str
    kind: ColumnKind
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnInfo:
    """A column of X or Z: R's own coefficient name and what it is made of.

    Attributes
    ----------
    name : str
        ``(Intercept)``, ``genderF``, ``ses:genderF``, ``poly(x, 2)1``.
    parts : tuple of ColumnPart
        Empty for the intercept.
    term : int
        Index of the term in ``Terms.terms``; -1 for the intercept.
    """

    name: str
    parts: tuple[ColumnPart, ...] = ()
    term: int = -1
