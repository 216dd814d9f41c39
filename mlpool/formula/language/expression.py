"""Read one R expression (``poly(hp, 2)``, ``I(x^2)``) into an allow-listed tree.

A small operator-precedence parser whose grammar *is* the allow-list: numbers, strings, names,
arithmetic, comparisons and calls of documented functions. There is no production for attribute
access, subscripts, lambdas, assignments or calls of anything but a plain name. Operators bind as
in R (``?Syntax``): ``^`` above unary minus above ``:`` above ``%% %in%`` above ``* /`` above
``+ -`` above comparisons above ``!`` above ``&`` above ``|``.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Collection
from typing import NoReturn, cast

from mlpool.errors import FormulaError, brief, nearest_names
from mlpool.formula.language.lexer import (
    Piece,
    has_lookalikes,
    lex,
    quote_name,
    reaches_inside,
    unquote_name,
)
from mlpool.formula.language.safety import (
    CONSTANTS,
    CONTRASTS,
    COVARIANCE_STRUCTURES,
    MAX_DEPTH,
    MAX_LENGTH,
    NOT_NAMES,
    SPELT_OTHERWISE,
    documented_functions,
    is_allowed_function,
)
from mlpool.formula.types import Chain, Expression

# operator -> (binding power of the left side, of the right side); R's table, low to high
_BINARY = {
    "|": (1, 2), "&": (3, 4),
    "==": (7, 8), "!=": (7, 8), "<": (7, 8), ">": (7, 8), "<=": (7, 8), ">=": (7, 8),
    "+": (9, 10), "-": (9, 10), "*": (11, 12), "/": (11, 12),
    "%%": (13, 14), "%/%": (13, 14), "%in%": (13, 14), ":": (15, 16), "^": (20, 17), "**": (20, 17),
}  # fmt: skip
_UNARY_POWER = 16
_NOT_POWER = 5
_COMPARED = _BINARY["=="][0]
_TIGHT = ("^", "/", ":")
"""Operators that R prints without blanks."""

_OPERATORS: dict[str, Callable[[], ast.AST]] = {
    "+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div,
    "^": ast.Pow, "**": ast.Pow, "%%": ast.Mod, "%/%": ast.FloorDiv,
    "&": ast.BitAnd, "|": ast.BitOr, ":": ast.MatMult, "%in%": ast.In,
    "==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, ">": ast.Gt, "<=": ast.LtE, ">=": ast.GtE,
}  # fmt: skip
_DOUBLED = {"&&": "&", "||": "|"}

Parsed = tuple[ast.expr, str]
"""A tree and its text in R's spelling."""


def parse_expression(
    source: str, *, formula: str, offset: int = 0, context: Collection[str] = ()
) -> Expression:
    """Return the checked expression that `source` spells.

    Parameters
    ----------
    source : str
        R text of one expression.
    formula : str
        The whole formula, for the message.
    offset : int
        Position of `source` in `formula`.
    context : collection of str
        Names that the caller handed over; they may be used and called.

    Raises
    ------
    FormulaError
        If the text is not an allowed expression; the place is marked.
    """
    if len(source) > MAX_LENGTH:
        raise FormulaError(
            f"The expression has {len(source):,} characters; {MAX_LENGTH:,} are allowed."
        )
    pieces = lex(source, formula=formula, offset=offset)
    end = offset + max(len(source.rstrip()) - 1, 0)
    return _ExpressionParser([*pieces, Piece("end", "", end, end)], formula, context).parse()


def called_name(tree: ast.AST) -> str:
    """Return the name of the function that a tree calls, ``"log"``; an empty string for others."""
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return tree.func.id
    return ""


def column_expression(name: str) -> Expression:
    """Return the expression that is one column, whatever its name."""
    return Expression(
        text=quote_name(name), tree=ast.Name(id=name, ctx=ast.Load()), columns=(name,)
    )


class _ExpressionParser:
    """Operator-precedence parser; each method returns (tree, R text)."""

    def __init__(self, pieces: list[Piece], formula: str, context: Collection[str]) -> None:
        self.pieces, self.formula, self.context = pieces, formula, context
        self.columns: dict[str, None] = {}
        self.depth = self.position = self.in_call = 0

    def parse(self) -> Expression:
        tree, text = self._binary(0)
        if self._now.kind != "end":
            self._refuse_rest(self._now)
        return Expression(text=text, tree=tree, columns=tuple(self.columns))

    # --- reading pieces ---------------------------------------------------------------------

    @property
    def _now(self) -> Piece:
        return self.pieces[self.position]

    def _next(self) -> Piece:
        piece = self._now
        self.position += piece.kind != "end"
        return piece

    def _is(self, text: str) -> bool:
        return self._now.kind == "op" and self._now.text == text

    def _expect(self, text: str) -> None:
        piece = self._next()
        if piece.text != text or piece.kind != "op":
            if piece.kind != "end":
                self._refuse_rest(piece)
            self._fail(f"{brief(text)} is missing here.", piece)

    # --- grammar ----------------------------------------------------------------------------

    def _binary(self, power: int) -> Parsed:
        """Read operands joined by operators that bind at least as strongly as `power`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._fail("The formula is nested too deeply.", self._now)
        first, text = self._unary()
        texts, operators, operands = [text], list[ast.AST](), list[ast.expr]()
        weakest = 0  # binding power of the operators of the chain so far
        while self._now.kind == "op" and _BINARY.get(self._now.text, (-1, 0))[0] >= power:
            symbol = self._next().text
            strength, right_power = _BINARY[symbol]
            right, right_text = self._binary(right_power)
            if operators and strength == weakest == _COMPARED:
                self._fail("Comparisons cannot be chained; write a < b & b < c.", self._now)
            if operators and strength < weakest:
                first, operators, operands = _chain(first, operators, operands), [], []
            weakest = strength
            operators.append(_OPERATORS[symbol]())
            operands.append(right)
            sign = "^" if symbol == "**" else symbol
            texts += [sign if sign in _TIGHT else f" {sign} ", right_text]
        self.depth -= 1
        return _chain(first, operators, operands), "".join(texts)

    def _unary(self) -> Parsed:
        if self._now.kind == "op" and self._now.text in ("-", "+", "!"):
            sign = self._next().text
            operand, text = self._binary(_NOT_POWER if sign == "!" else _UNARY_POWER)
            operator: ast.unaryop = {"-": ast.USub, "+": ast.UAdd, "!": ast.Not}[sign]()
            return ast.UnaryOp(op=operator, operand=operand), sign + text
        return self._primary()

    def _primary(self) -> Parsed:
        piece = self._next()
        if piece.kind == "number":
            return self._number(piece)
        if piece.kind == "string":
            if self._is("("):
                self._fail("A string cannot be called.", piece)
            value = piece.text[1:-1]
            quote = "'" if '"' in value else '"'
            return ast.Constant(value=value), f"{quote}{value}{quote}"
        if piece.kind in ("name", "quoted"):
            return self._name_or_call(piece)
        if piece.kind == "op" and piece.text == "(":
            inner, text = self._binary(0)
            self._expect(")")
            return inner, f"({text})"
        if piece.kind == "end":
            self._fail("Something is missing at the end of this expression.", piece)
        self._refuse_rest(piece)

    def _number(self, piece: Piece) -> Parsed:
        value = float(piece.text.rstrip("L"))
        if math.isinf(value):
            self._fail(f"{piece.text} is too large for a number.", piece)
        number: int | float = int(value) if value.is_integer() and abs(value) < 2**53 else value
        return ast.Constant(value=number), f"{value:.15g}"

    def _name_or_call(self, piece: Piece) -> Parsed:
        name = unquote_name(piece.text)
        is_call = self._is("(")
        if piece.kind == "quoted":
            if is_call:
                self._fail("A column cannot be called like a function.", piece)
            return self._column(name)
        if name in ("TRUE", "FALSE", "True", "False"):
            return ast.Constant(value=CONSTANTS[name]), name.upper()
        if name == "Inf" and self.in_call and not is_call:
            return ast.Constant(value=math.inf), name
        self._check_name(name, piece, is_call)
        if is_call:
            return self._call(name, piece)
        if name in CONTRASTS:
            return ast.Constant(value=name), name
        return self._column(name)

    def _column(self, name: str) -> Parsed:
        self.columns.setdefault(name)
        return ast.Name(id=name, ctx=ast.Load()), quote_name(name)

    def _check_name(self, name: str, piece: Piece, is_call: bool = False) -> None:
        if has_lookalikes(name):
            self._fail(f"{brief(name)} has look-alike characters; write plain letters.", piece)
        if reaches_inside(name):
            self._fail(f"{brief(name)} is not allowed: formulas cannot reach inside Python.", piece)
        if name == ".":
            self._fail("'.' cannot stand here; write the column's name.", piece)
        if name in NOT_NAMES and not is_call:
            self._fail(
                f"{name} cannot stand in a formula; a column of that name is written `{name}`, in "
                "backticks.",
                piece,
            )

    def _call(self, name: str, piece: Piece) -> Parsed:
        if not (is_allowed_function(name) or name in self.context):
            self._refuse_function(name, piece)
        self._expect("(")
        self.in_call += 1
        args: list[ast.expr] = []
        keywords: list[ast.keyword] = []
        texts: list[str] = []
        while not self._is(")"):
            if texts:
                self._expect(",")
            keyword = self._keyword([k.arg for k in keywords])
            value, text = self._binary(0)
            if keyword is not None:
                keywords.append(ast.keyword(arg=keyword, value=value))
                text = f"{keyword} = {text}"
            else:
                args.append(value)
            texts.append(text)
        self._expect(")")
        self.in_call -= 1
        if self._now.text in ("(", "["):
            self._fail("The result of a call cannot be called or indexed.", self._now)
        func = ast.Name(id=name, ctx=ast.Load())
        return ast.Call(func=func, args=args, keywords=keywords), f"{name}({', '.join(texts)})"

    def _keyword(self, given: Collection[str | None]) -> str | None:
        piece, after = self._now, self.pieces[self.position + 1 : self.position + 2]
        if piece.kind == "name" and after and after[0].kind == "op" and after[0].text == "=":
            self.position += 2
            self._check_name(piece.text, piece)
            if piece.text in given:
                self._fail(f"{piece.text}= is given twice.", piece)
            return piece.text
        return None

    # --- refusals ---------------------------------------------------------------------------

    def _refuse_function(self, name: str, piece: Piece) -> NoReturn:
        if name in COVARIANCE_STRUCTURES:
            self._fail(
                f"The covariance structure {name}() is no term here; around a bar stand "
                "us(x | g), diag(x | g), cs(x | g) and ar1(0 + time | g), and correlation= is for "
                "correlated residuals.",
                piece,
            )
        if name in SPELT_OTHERWISE:
            self._fail(
                f"{name}() is not a function that formulas know: {SPELT_OTHERWISE[name]}.", piece
            )
        hint = nearest_names(name, (*documented_functions(), *self.context))
        self._fail(
            f"{name}() is not a function that formulas know.{hint} Hand your own functions over "
            "in context=.",
            piece,
        )

    def _refuse_rest(self, piece: Piece) -> NoReturn:
        text = piece.text
        if piece.kind != "op" or text in (")", ","):
            self._fail(f"{brief(text)} is not expected here.", piece)
        if text == "$":
            after = self.pieces[self.position].text or "column"
            if self._now is piece and self.position + 1 < len(self.pieces):
                after = self.pieces[self.position + 1].text or "column"
            self._fail(
                f"'$' is R's way to reach into a data frame; write the column's name alone, "
                f"{brief(after)}, and pass the frame as data.",
                piece,
            )
        if text == "[":
            self._fail(
                "Square brackets (subscripts, lists) are not allowed in a formula; a list of "
                "constants is written c(1, 2).",
                piece,
            )
        if text in _DOUBLED:
            self._fail(
                f"{brief(text)} compares single values; write {brief(_DOUBLED[text])}.", piece
            )
        if text == "=":
            self._fail("'=' is not allowed here; use '==' to compare.", piece)
        self._fail(f"{brief(text)} is not allowed in a formula.", piece)

    def _fail(self, message: str, piece: Piece) -> NoReturn:
        raise FormulaError(message, formula=self.formula, start=piece.start, end=piece.end)


def _chain(first: ast.expr, operators: list[ast.AST], operands: list[ast.expr]) -> ast.expr:
    if not operators:
        return first
    return Chain(left=first, ops=cast(list[ast.cmpop], operators), comparators=operands)
