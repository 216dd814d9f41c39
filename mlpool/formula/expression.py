"""Read one R expression (``poly(hp, 2)``, ``I(x^2)``) into an allow-listed tree.

A small operator-precedence parser whose grammar *is* the allow-list: numbers, strings, names,
arithmetic, comparisons and calls of documented functions. There is no production for attribute
access, subscripts, lambdas, assignments or calls of anything but a plain name. Operators bind as
in R (``?Syntax``): ``^`` above unary minus above ``%%`` above ``* /`` above ``+ -`` above
comparisons above ``! & |``.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NoReturn

from mlpool.errors import FormulaError, nearest_names
from mlpool.formula.safety import (
    CONSTANTS,
    CONTRASTS,
    COVARIANCE_STRUCTURES,
    MAX_DEPTH,
    documented_functions,
    is_allowed_function,
)
from mlpool.formula.types import Expression

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?L?|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<quoted>`[^`]*`)"
    r"|(?P<string>\"[^\"\\]*\"|'[^'\\]*')"
    r"|(?P<name>(?:[^\W\d]|\.(?!\d))[\w.]*)"
    r"|(?P<op>%%|%/%|\*\*|==|!=|<=|>=|&&|\|\||[-+*/^:()<>=!&|,\[\]{}$@;~\\]))"
)

_SYNTACTIC = re.compile(r"(?:[^\W\d_]|\.(?![\d]))[\w.]*\Z")
_RESERVED = {
    "if",
    "else",
    "for",
    "while",
    "function",
    "in",
    "next",
    "break",
    "repeat",
    "NULL",
    "NA",
    "Inf",
    "NaN",
}

# operator -> (binding power of the left side, of the right side); R's table, low to high
_BINARY = {
    "|": (1, 2), "&": (3, 4),
    "==": (7, 8), "!=": (7, 8), "<": (7, 8), ">": (7, 8), "<=": (7, 8), ">=": (7, 8),
    "+": (9, 10), "-": (9, 10), "*": (11, 12), "/": (11, 12),
    "%%": (13, 14), "%/%": (13, 14), "^": (20, 17), "**": (20, 17),
}  # fmt: skip
_UNARY_POWER = 16
_NOT_POWER = 5

_ARITHMETIC: dict[str, Callable[[], ast.operator]] = {
    "+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div,
    "^": ast.Pow, "**": ast.Pow, "%%": ast.Mod, "%/%": ast.FloorDiv,
    "&": ast.BitAnd, "|": ast.BitOr,
}  # fmt: skip
_COMPARISON: dict[str, Callable[[], ast.cmpop]] = {
    "==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, ">": ast.Gt, "<=": ast.LtE, ">=": ast.GtE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


def quote_name(name: str) -> str:
    """Return `name` as R writes it: in backticks unless it is a syntactic name."""
    if _SYNTACTIC.match(name) and name not in _RESERVED and name not in ("TRUE", "FALSE"):
        return name
    return f"`{name}`"


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
    return _ExpressionParser(source, formula, offset, context).parse()


class _ExpressionParser:
    """Operator-precedence parser; each method returns (tree, R text)."""

    def __init__(self, source: str, formula: str, offset: int, context: Collection[str]) -> None:
        self.formula, self.offset, self.context = formula, offset, context
        self.columns: dict[str, None] = {}
        self.depth = 0
        self.tokens = self._lex(source)
        self.position = 0

    def parse(self) -> Expression:
        tree, text = self._binary(0)
        token = self._peek()
        if token.kind != "end":
            self._refuse_rest(token)
        return Expression(text=text, tree=tree, columns=tuple(self.columns))

    # --- reading tokens ---------------------------------------------------------------------

    def _lex(self, source: str) -> list[_Token]:
        tokens, position = [], 0
        stripped = source.rstrip()
        while position < len(stripped):
            match = _TOKEN.match(stripped, position)
            if match is None or match.lastgroup is None:
                while stripped[position].isspace():
                    position += 1
                self._fail(f"{stripped[position]!r} has no meaning in a formula.", position)
            start = match.start(match.lastgroup)
            tokens.append(_Token(match.lastgroup, match.group(match.lastgroup), start))
            position = match.end()
        tokens.append(_Token("end", "", max(len(stripped) - 1, 0)))
        return tokens

    def _peek(self) -> _Token:
        return self.tokens[self.position]

    def _next(self) -> _Token:
        token = self.tokens[self.position]
        self.position += 1
        return token

    def _expect(self, text: str) -> None:
        token = self._next()
        if token.text != text or token.kind != "op":
            if token.kind != "end":
                self._refuse_rest(token)
            self._fail(f"{text!r} is missing here.", token.start)

    # --- grammar ----------------------------------------------------------------------------

    def _binary(self, power: int) -> tuple[ast.expr, str]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._fail("The formula is nested too deeply.", self._peek().start)
        left, text = self._unary()
        while True:
            token = self._peek()
            if token.kind != "op" or token.text not in _BINARY or _BINARY[token.text][0] < power:
                break
            self._next()
            right, right_text = self._binary(_BINARY[token.text][1])
            left, text = _combine(token.text, left, text, right, right_text)
        self.depth -= 1
        return left, text

    def _unary(self) -> tuple[ast.expr, str]:
        token = self._peek()
        if token.kind == "op" and token.text in ("-", "+", "!"):
            self._next()
            operand, text = self._binary(_NOT_POWER if token.text == "!" else _UNARY_POWER)
            operator: ast.unaryop = {"-": ast.USub, "+": ast.UAdd, "!": ast.Not}[token.text]()
            return ast.UnaryOp(op=operator, operand=operand), token.text + text
        return self._primary()

    def _primary(self) -> tuple[ast.expr, str]:
        token = self._next()
        if token.kind == "number":
            return self._number(token)
        if token.kind == "string":
            if self._peek().text == "(":
                self._fail("A string cannot be called.", token.start, token)
            return ast.Constant(value=token.text[1:-1]), f'"{token.text[1:-1]}"'
        if token.kind in ("name", "quoted"):
            return self._name_or_call(token)
        if token.kind == "op" and token.text == "(":
            inner, text = self._binary(0)
            self._expect(")")
            return inner, f"({text})"
        if token.kind == "end":
            self._fail("Something is missing at the end of this expression.", token.start)
        self._refuse_rest(token)

    def _number(self, token: _Token) -> tuple[ast.expr, str]:
        digits = token.text.rstrip("L")
        value = float(digits)
        number: int | float = int(value) if value.is_integer() and abs(value) < 2**53 else value
        return ast.Constant(value=number), f"{value:.15g}"

    def _name_or_call(self, token: _Token) -> tuple[ast.expr, str]:
        name = token.text[1:-1] if token.kind == "quoted" else token.text
        if token.kind == "name":
            name = self._check_name(name, token)
        if self._peek().kind == "op" and self._peek().text == "(":
            if token.kind == "quoted":
                self._fail("A column cannot be called like a function.", token.start, token)
            return self._call(name, token)
        if token.kind == "name" and name in CONTRASTS:
            return ast.Constant(value=name), name
        if token.kind == "name" and name in ("TRUE", "FALSE", "True", "False"):
            return ast.Constant(value=CONSTANTS[name]), name.upper()
        self.columns.setdefault(name)
        return ast.Name(id=name, ctx=ast.Load()), quote_name(name)

    def _check_name(self, name: str, token: _Token) -> str:
        if unicodedata.normalize("NFKC", name) != name:
            self._fail(
                f"{name!r} has look-alike characters; write plain letters.", token.start, token
            )
        if re.search(r"(?:^|\.)__", name):
            self._fail(
                f"{name!r} is not allowed: formulas cannot reach inside Python.", token.start, token
            )
        if name in ("NULL", "NA", "Inf", "NaN", "None"):
            self._fail(f"{name} cannot stand in a formula.", token.start, token)
        if name in ("lambda", "import", "function", "for", "while", "if"):
            self._fail(
                f"{name!r} is not allowed: a formula is columns and documented functions only; "
                "hand your own functions over in context=.",
                token.start,
                token,
            )
        return name

    def _call(self, name: str, token: _Token) -> tuple[ast.expr, str]:
        if not (is_allowed_function(name) or name in self.context):
            self._refuse_function(name, token)
        self._expect("(")
        args: list[ast.expr] = []
        keywords: list[ast.keyword] = []
        texts: list[str] = []
        while not (self._peek().kind == "op" and self._peek().text == ")"):
            if texts:
                self._expect(",")
            keyword = self._keyword()
            value, text = self._binary(0)
            if keyword is None:
                args.append(value)
            else:
                keywords.append(ast.keyword(arg=keyword, value=value))
                text = f"{keyword} = {text}"
            texts.append(text)
        self._expect(")")
        if self._peek().text in ("(", "["):
            self._fail("The result of a call cannot be called or indexed.", self._peek().start)
        func = ast.Name(id=name, ctx=ast.Load())
        return ast.Call(func=func, args=args, keywords=keywords), f"{name}({', '.join(texts)})"

    def _keyword(self) -> str | None:
        token, after = self._peek(), self.tokens[self.position + 1 : self.position + 2]
        if token.kind == "name" and after and after[0].kind == "op" and after[0].text == "=":
            self.position += 2
            return self._check_name(token.text, token)
        return None

    # --- refusals ---------------------------------------------------------------------------

    def _refuse_function(self, name: str, token: _Token) -> NoReturn:
        if name in COVARIANCE_STRUCTURES:
            self._fail(
                f"The covariance structure {name}() is not available; write (x | g) for a full "
                "covariance or (x || g) for independent effects.",
                token.start,
                token,
            )
        hint = nearest_names(name, (*documented_functions(), *self.context))
        self._fail(
            f"{name}() is not a function that formulas know.{hint} Hand your own functions over "
            "in context=.",
            token.start,
            token,
        )

    def _refuse_rest(self, token: _Token) -> NoReturn:
        text = token.text
        if text == "$":
            column = (
                self.tokens[self.position + 1].text if self.position + 1 < len(self.tokens) else ""
            )
            column = column or "column"
            self._fail(
                f"'$' is R's way to reach into a data frame; write the column's name alone, "
                f"{column!r}, and pass the frame as data.",
                token.start,
                token,
            )
        if text == "[":
            self._fail(
                "Square brackets (subscripts, lists) are not allowed in a formula.", token.start
            )
        if text in ("|", "||"):
            self._fail("A bar needs parentheses around the term: (x | g).", token.start, token)
        if text == "=":
            self._fail("'=' is not allowed here; use '==' to compare.", token.start)
        if text in (")", ",") or token.kind != "op":
            self._fail(f"{text!r} is not expected here.", token.start, token)
        self._fail(f"{text!r} is not allowed in a formula.", token.start, token)

    def _fail(self, message: str, start: int, token: _Token | None = None) -> NoReturn:
        end = start + max(len(token.text), 1) - 1 if token is not None else start
        raise FormulaError(
            message, formula=self.formula, start=self.offset + start, end=self.offset + end
        )


def _combine(
    operator: str, left: ast.expr, left_text: str, right: ast.expr, right_text: str
) -> tuple[ast.expr, str]:
    """Join two operands; R writes blanks around all operators but ``^`` and ``/``."""
    tree: ast.expr
    if operator in _COMPARISON:
        tree = ast.Compare(left=left, ops=[_COMPARISON[operator]()], comparators=[right])
    else:
        tree = ast.BinOp(left=left, op=_ARITHMETIC[operator](), right=right)
    if operator in ("^", "**", "/"):
        sign = "/" if operator == "/" else "^"
        return tree, f"{left_text}{sign}{right_text}"
    return tree, f"{left_text} {operator} {right_text}"
