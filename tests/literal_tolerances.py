"""Find numbers in code that may be tolerances, and the reason that stands beside each.

A tolerance with a unit makes results depend on dollars or cents. So a number that is very small,
very large or very close to one, whatever way it is written, has a comment (or, of a constant, a
docstring) that says what it is relative to, in words of `UNIT_FREE`.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SMALL, LARGE = 1e-3, 1e6
"""Numbers up to the one and beyond the other are taken for tolerances."""

MACHINE = {
    "eps", "epsneg", "epsilon", "tiny", "smallest_normal", "smallest_subnormal", "resolution",
}  # fmt: skip
"""Attributes of ``np.finfo`` and ``sys.float_info`` that are as small."""

CUT_OFFS = {
    "isclose", "allclose", "assert_allclose", "array_almost_equal", "pinv", "pinvh", "lstsq",
    "matrix_rank", "null_space", "orth", "nextafter", "spacing", "ulp", "brentq", "root_scalar",
    "minimize", "minimize_scalar", "quad",
}  # fmt: skip
"""Functions with a cut-off of their own, spelt out or not."""

LEAST_WORDS = 4

UNIT_FREE = re.compile(
    r"\b(relative|shares?|times|ratios?|rounding|digits?|correlations?|cosines?|SDs?"
    r"|no unit|unit-free|without units?|own size|lengths?|probabilit(y|ies)|logarithms?|log odds"
    r"|zeta|degrees of freedom|df|standard errors?|deviance|eigenvalues?|bytes|microseconds"
    r"|percent|R's|lme4's|whole numbers?|division by zero|zero only)\b",
    re.IGNORECASE,
)
"""Words of which a reason has one: what the number is measured in, or why it is in nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A number in the code: its line, its text, and the comments (or docstring) beside it."""

    line: int
    text: str
    reason: str

    @property
    def is_reasoned(self) -> bool:
        """Whether the reason says what the number is measured in."""
        words = re.findall(r"[^\W\d_]{2,}", self.reason)
        return len(words) >= LEAST_WORDS and UNIT_FREE.search(self.reason) is not None


def literals(source: str) -> Iterator[Literal]:
    """Return every number of a module that may be a tolerance, with the reason beside it."""
    tree = ast.parse(source)
    comments, documented = _comments(source), dict(_documented(tree))
    statement_of: dict[int, ast.stmt] = {}
    for statement in (n for n in ast.walk(tree) if isinstance(n, ast.stmt)):
        for node in ast.walk(statement):
            statement_of[id(node)] = statement  # inner statements come later and stay
    done: set[int] = set()
    for node in ast.walk(tree):
        if id(node) in done or not isinstance(node, ast.expr) or not _is_suspect(node):
            continue
        if folded(node) is not None:
            done |= {id(inner) for inner in ast.walk(node)}
        statement = statement_of[id(node)]
        parts = [
            comments.get(node.lineno, ""),
            _block_above(comments, node.lineno),
            _block_above(comments, statement.lineno),
            documented.get(id(statement), ""),
        ]
        reason = " ".join(dict.fromkeys(p for p in parts if p))
        yield Literal(line=node.lineno, text=ast.unparse(node), reason=reason)


def without_reason(path: Path) -> list[str]:
    """Return the numbers of a file without a reason, as ``file:line: number``."""
    source = path.read_text(encoding="utf-8")
    return [f"{path}:{x.line}: {x.text}" for x in literals(source) if not x.is_reasoned]


# --- which numbers --------------------------------------------------------------------------------


def _is_suspect(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in MACHINE
    if isinstance(node, ast.Call) and _name(node.func) in CUT_OFFS:
        return True
    value = folded(node)
    if value is None or not _is_float(node, value):
        return False
    size = abs(value)
    distance = min(size, abs(size - 1.0)) if size != 1.0 else 1.0
    return 0.0 < distance <= SMALL or LARGE < size < math.inf


def _is_float(node: ast.expr, value: float) -> bool:
    """Whether it is no whole number of whole numbers: those count bytes and rows."""
    found = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
    return any(isinstance(v, (float, complex, str)) for v in found) or value != int(value)


def folded(node: ast.AST) -> float | None:
    """Return the number that an expression of constants is, or None: ``10.0 ** -9``, ``1 / 1e9``.

    Text that ``float()`` reads is a number, too; of a complex one it is the size.
    """
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() | complex() as value):
            return _tried(lambda: float(abs(value)))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=inner):
            value = folded(inner)
            return -value if value is not None and isinstance(op, ast.USub) else value
        case ast.BinOp(op=op, left=first, right=second):
            return _combined(folded(first), folded(second), op)
        case ast.Call(func=function, args=arguments):
            return _called(_name(function), arguments)
    return None


def _called(name: str, arguments: list[ast.expr]) -> float | None:
    match name, arguments:
        case (("float" | "float64" | "Decimal"), [ast.Constant(value=str() as text)]):
            return _tried(lambda: float(text))
        case (("float" | "float64"), [inner]):
            return folded(inner)
        case "exp", [inner]:
            return _combined(math.e, folded(inner), ast.Pow())
        case "exp2", [inner]:
            return _combined(2.0, folded(inner), ast.Pow())
        case (("pow" | "power"), [first, second]):
            return _combined(folded(first), folded(second), ast.Pow())
        case "ldexp", [first, second]:
            scale = _combined(2.0, folded(second), ast.Pow())
            return _combined(folded(first), scale, ast.Mult())
    return None


def _combined(left: float | None, right: float | None, op: ast.operator) -> float | None:
    if left is None or right is None:
        return None
    match op:
        case ast.Pow():
            return _tried(lambda: float(abs(left**right)))
        case ast.Div():
            return _tried(lambda: left / right)
        case ast.Mult():
            return left * right
        case ast.Sub():
            return left - right
        case ast.Add():
            return left + right
    return None


def _tried(value: Callable[[], float]) -> float | None:
    try:
        return value()
    except (ArithmeticError, ValueError):
        return None


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


# --- and which reasons ----------------------------------------------------------------------------


def _comments(source: str) -> dict[int, str]:
    """Return comments by line; what silences a tool is none."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = re.sub(r"#\s*(type:|noqa|fmt:|pragma|mypy:|ruff:).*", "", token.string)
            found[token.start[0]] = text.lstrip("#: ")
    return found


def _block_above(comments: dict[int, str], line: int) -> str:
    """Return the comment that ends on the line above."""
    found: list[str] = []
    while line - 1 in comments:
        line -= 1
        found.insert(0, comments[line])
    return " ".join(found)


def _documented(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Return the docstrings below constants: of a module or class, and of what is in capitals."""
    for owner in ast.walk(tree):
        if not isinstance(owner, (ast.Module, ast.ClassDef)):
            continue
        for own, after in zip(owner.body, owner.body[1:], strict=False):
            match own, after:
                case (
                    (ast.Assign() | ast.AnnAssign()),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    yield id(own), text
