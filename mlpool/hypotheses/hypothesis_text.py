"""Linear hypotheses from text: ``"ses = 0, 2*genderF - ses = 1"`` to ``L beta = rhs``.

The grammar, with R's coefficient names as they are printed (``(Intercept)``, ``ses:genderF``,
``poly(x, 2)1``; blanks inside do not matter, backquotes always work):

    hypotheses  = hypothesis { "," hypothesis }
    hypothesis  = sum [ ("=" | "==") sum ]              without "=": the sum is zero
    sum         = ["+" | "-"] product { ("+" | "-") product }
    product     = factor { ("*" | "/") factor }
    factor      = number | coefficient | "(" sum ")" | ("+" | "-") factor

Text is data: it is read by this grammar, never evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlpool.errors import FormulaError, OptionError, brief, nearest_names
from mlpool.typing import FloatArray

MAX_LENGTH = 10_000
"""Characters of one text of hypotheses."""
MAX_DEPTH = 50
"""Parentheses and signs inside one another."""

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(?![\w.])")
_WORD = re.compile(r"[^\s=,+*/()`-]+(\([^()]*\)[^\s=,+*/()`-]*)*")
_PUNCTUATION = "=,+-*/()"

Kind = Literal["number", "name", "operator", "end"]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a hypothesis between characters `start` and `end` (inclusive)."""

    kind: Kind
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypotheses:
    """Linear hypotheses ``L beta = rhs``.

    Attributes
    ----------
    L : ndarray of shape (r, p)
    rhs : ndarray of shape (r,)
    labels : tuple of str
        Each hypothesis in R's spelling: ``ses - 2 genderF = 1``.
    """

    L: FloatArray
    rhs: FloatArray
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Linear:
    """``constant + weights'beta`` while it is read."""

    weights: FloatArray
    constant: float

    @property
    def is_constant(self) -> bool:
        return not self.weights.any()

    def plus(self, other: _Linear, sign: float = 1.0) -> _Linear:
        return _Linear(self.weights + sign * other.weights, self.constant + sign * other.constant)

    def times(self, factor: float) -> _Linear:
        return _Linear(factor * self.weights, factor * self.constant)


def read_hypotheses(hypotheses: object, names: Sequence[str], rhs: object = None) -> Hypotheses:
    """Return ``L beta = rhs`` from text, a list of texts, or a matrix.

    Parameters
    ----------
    hypotheses : str, list of str, or matrix of shape (r, p)
        ``"ses = 0, genderF = 0"``, ``["ses = genderF"]``, ``"ses"`` (is zero).
    names : sequence of str
        The coefficients, R's names.
    rhs : float or sequence of float, optional
        Values tested, for a matrix; zeros by default.

    Raises
    ------
    FormulaError
        If a text cannot be read, is not linear, or names an unknown coefficient.
    OptionError
        If hypotheses contradict each other, texts repeat what others say, or a matrix has another
        width.

    Examples
    --------
    >>> read_hypotheses("2*ses - genderF = 1", ["(Intercept)", "ses", "genderF"]).L
    array([[ 0.,  2., -1.]])
    """
    texts = _as_texts(hypotheses)
    if texts is None:
        L, values = _read_matrix(hypotheses, len(names), rhs)
    elif rhs is not None:
        raise OptionError("rhs= goes with a matrix; write the values into the text: 'ses = 1'.")
    else:
        rows = [row for text in texts for row in parse_hypotheses(text, names)]
        L = np.array([weights for weights, _ in rows]).reshape(-1, len(names))
        values = np.array([value for _, value in rows])
    if not len(L):
        raise OptionError('There is no hypothesis; write for example "ses = 0".')
    _check_consistency(L, values, is_text=texts is not None)
    labels = tuple(label_of(row, value, names) for row, value in zip(L, values, strict=True))
    return Hypotheses(L=L, rhs=values, labels=labels)


def parse_hypotheses(text: str, names: Sequence[str]) -> list[tuple[FloatArray, float]]:
    """Return (weights of the coefficients, value) of each hypothesis of one text.

    Raises
    ------
    FormulaError
        As :func:`read_hypotheses`.
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError(
            f"The hypotheses have {len(text):,} characters; {MAX_LENGTH:,} are allowed."
        )
    if text in names:  # whatever characters the name has
        return [(np.eye(len(names))[list(names).index(text)], 0.0)]
    return _Parser(text, read_tokens(text, names), list(names)).hypotheses()


def read_tokens(text: str, names: Sequence[str]) -> list[Token]:
    """Return the tokens of `text`; the longest coefficient name at a place wins.

    Raises
    ------
    FormulaError
        For a name that no coefficient has, or a character that means nothing here.
    """
    spelled = {name.replace("`", ""): name for name in names} | {name: name for name in names}
    patterns = [(spelled[s], _pattern(s)) for s in sorted(spelled, key=len, reverse=True)]
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token = _token_at(text, at, patterns, names)
        tokens.append(token)
        at = token.end + 1
    return [*tokens, Token("end", "the end", len(text), len(text))]


def label_of(weights: FloatArray, value: float, names: Sequence[str]) -> str:
    """Return a hypothesis in R's spelling: ``ses - 2 genderF = 1``."""
    text = ""
    for weight, name in zip(weights, names, strict=True):
        if weight:
            sign = "-" if weight < 0 else "+"
            size = "" if abs(weight) == 1 else f"{abs(weight):.6g} "
            first = "-" if sign == "-" else ""
            text += f" {sign} {size}{name}" if text else f"{first}{size}{name}"
    return f"{text} = {value:.6g}"


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str, tokens: list[Token], names: list[str]) -> None:
        self.text, self.tokens, self.names = text, tokens, names
        self.at = 0
        self.depth = 0

    def hypotheses(self) -> list[tuple[FloatArray, float]]:
        found = [self._hypothesis()]
        while self._take(","):
            found.append(self._hypothesis())
        if self._now.kind != "end":
            raise self._error(f"{brief(self._now.text)} is not expected here", self._now)
        return found

    def _hypothesis(self) -> tuple[FloatArray, float]:
        first = self._now
        left = self._sum()
        if self._take("="):
            self._take("=")
            left = left.plus(self._sum(), -1.0)
            if self._now.text == "=":
                raise self._error("A hypothesis has one '='", self._now)
        if left.is_constant:
            last = self.tokens[self.at - 1]
            raise self._error("This hypothesis has no coefficient", first, last)
        return left.weights, 0.0 - left.constant

    def _sum(self) -> _Linear:
        total = self._product()
        while self._now.text in ("+", "-") and self._now.kind == "operator":
            sign = 1.0 if self._next().text == "+" else -1.0
            total = total.plus(self._product(), sign)
        return total

    def _product(self) -> _Linear:
        result = self._factor()
        while self._now.text in ("*", "/") and self._now.kind == "operator":
            operator = self._next()
            start = self._now
            other = self._factor()
            if operator.text == "/":
                if not other.is_constant or other.constant == 0.0:
                    raise self._error("Only numbers other than 0 can divide", start)
                result = result.times(1.0 / other.constant)
            elif other.is_constant:
                result = result.times(other.constant)
            elif result.is_constant:
                result = other.times(result.constant)
            else:
                raise self._error("A product of coefficients is not linear", operator)
        return result

    def _factor(self) -> _Linear:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(f"More than {MAX_DEPTH} parentheses or signs", self._now)
        token = self._next()
        if token.kind == "number":
            result = _Linear(np.zeros(len(self.names)), float(token.text))
        elif token.kind == "name":
            weights = np.zeros(len(self.names))
            weights[self.names.index(token.text)] = 1.0
            result = _Linear(weights, 0.0)
        elif token.text in ("+", "-") and token.kind == "operator":
            result = self._factor().times(1.0 if token.text == "+" else -1.0)
        elif token.text == "(" and token.kind == "operator":
            result = self._sum()
            if not self._take(")"):
                raise self._error("This parenthesis is not closed", token)
        else:
            what = "ends early" if token.kind == "end" else f"cannot have {brief(token.text)} here"
            raise self._error(f"The hypothesis {what}", token)
        self.depth -= 1
        return result

    @property
    def _now(self) -> Token:
        return self.tokens[self.at]

    def _next(self) -> Token:
        token = self._now
        if token.kind != "end":
            self.at += 1
        return token

    def _take(self, operator: str) -> bool:
        found = self._now.kind == "operator" and self._now.text == operator
        self.at += int(found)
        return found

    def _error(self, message: str, first: Token, last: Token | None = None) -> FormulaError:
        end = (last or first).end
        return FormulaError(f"{message}.", formula=self.text, start=first.start, end=end)


# --- tokens -------------------------------------------------------------------------------------


def _pattern(name: str) -> re.Pattern[str]:
    """Return what matches a coefficient's name with any blanks between its pieces."""
    pieces = re.findall(r"[\w.]+|[^\w\s]", name)
    body = r"\s*".join(re.escape(piece) for piece in pieces)
    # A name that ends in a letter must not be the start of a longer one, nor of an interaction.
    return re.compile(body + (r"(?![\w.:])" if re.search(r"[\w.]$", name) else r"(?![\w.:]*:)"))


def _token_at(
    text: str, at: int, patterns: Iterable[tuple[str, re.Pattern[str]]], names: Sequence[str]
) -> Token:
    number = _NUMBER.match(text, at)
    if number:
        return Token("number", number.group(), at, number.end() - 1)
    for name, pattern in patterns:
        match = pattern.match(text, at)
        if match:
            return Token("name", name, at, match.end() - 1)
    if text[at] == "`":
        return _quoted(text, at, names)
    if text[at] in _PUNCTUATION:
        return Token("operator", text[at], at, at)
    word = _WORD.match(text, at)
    end = word.end() if word else at + 1
    raise _unknown(text, text[at:end], at, end - 1, names)


def _quoted(text: str, at: int, names: Sequence[str]) -> Token:
    """Return a name in backquotes."""
    end = text.find("`", at + 1)
    if end < 0:
        raise FormulaError("This backquote is not closed.", formula=text, start=at, end=at)
    name = text[at + 1 : end]
    for spelling in (name, f"`{name}`"):
        if spelling in names:
            return Token("name", spelling, at, end)
    raise _unknown(text, name, at, end, names)


def _unknown(text: str, name: str, start: int, end: int, names: Sequence[str]) -> FormulaError:
    hint = nearest_names(name, names) or f" It has {', '.join(names)}."
    return FormulaError(
        f"The model has no coefficient {brief(name)}.{hint}", formula=text, start=start, end=end
    )


# --- what a user may hand over ------------------------------------------------------------------


def _as_texts(hypotheses: object) -> list[str] | None:
    """Return texts, or None for a matrix."""
    if isinstance(hypotheses, str):
        return [hypotheses]
    if isinstance(hypotheses, Sequence) and all(isinstance(h, str) for h in hypotheses):
        return list(hypotheses)
    return None


def _read_matrix(hypotheses: object, p: int, rhs: object) -> tuple[FloatArray, FloatArray]:
    try:
        L = np.atleast_2d(np.asarray(hypotheses, dtype=np.float64))
    except (TypeError, ValueError):
        raise OptionError(
            "hypotheses are text such as 'ses = 0, genderF = 0', a list of such texts, or a matrix "
            f"with one column per coefficient; got {brief(hypotheses)}."
        ) from None
    if L.ndim != 2 or L.shape[1] != p or not np.all(np.isfinite(L)):
        raise OptionError(
            f"A matrix of hypotheses needs one number per coefficient ({p}); got shape {L.shape}."
        )
    try:
        values = np.broadcast_to(
            np.asarray(0.0 if rhs is None else rhs, dtype=np.float64), (len(L),)
        )
    except (TypeError, ValueError):
        raise OptionError(
            f"rhs must be one number, or one for each of the {len(L)} hypotheses; got {brief(rhs)}."
        ) from None
    return L, values.copy()


def _check_consistency(L: FloatArray, values: FloatArray, *, is_text: bool) -> None:
    """Refuse hypotheses without a coefficient, or that contradict others.

    Rows of a matrix may follow from others, as contrasts of all pairs do; who writes such a text
    has mistaken a name.

    Raises
    ------
    OptionError
    """
    scale = np.linalg.norm(L, axis=1, keepdims=True)
    if np.any(scale == 0):
        raise OptionError("A hypothesis has no coefficient: a row of the matrix is zero.")
    # rows have length one: the cut-off is a share of the largest
    rank = np.linalg.matrix_rank(L / scale)
    if rank == len(L):
        return
    sides = values / scale[:, 0]
    # 1e-300 keeps sides of zero from a division by zero only
    both = np.column_stack([L / scale, sides / max(float(np.abs(sides).max()), 1e-300)])
    # rows of length one, sides of one at most: the cut-off is a share of the largest
    if np.linalg.matrix_rank(both) > rank:
        raise OptionError("The hypotheses contradict each other.")
    if is_text:
        raise OptionError("The hypotheses depend on each other; drop the redundant ones.")
