"""`parse_formula`: formula text to a checked :class:`ParsedFormula`; the layer's entry point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from mlpool.errors import FormulaError, OptionError, brief
from mlpool.formula.language.bars import deparse, expand_bar, split_bars
from mlpool.formula.language.expand import Expander
from mlpool.formula.language.expression import parse_expression
from mlpool.formula.language.lexer import quote_name
from mlpool.formula.language.safety import MAX_BARS
from mlpool.formula.language.structures import BARS
from mlpool.formula.language.tokens import Token, read_tokens
from mlpool.formula.types import BarTerm, Expression, ParsedFormula, Term, Terms


def parse_formula(
    text: str | ParsedFormula,
    *,
    columns: Sequence[str] | None = None,
    context: Mapping[str, object] | Iterable[str] | None = None,
) -> ParsedFormula:
    """Read R's and lme4's formula language.

    Parameters
    ----------
    text : str
        ``"math ~ ses * gender + (1 + ses | school)"``. ``~ x`` has no response.
    columns : sequence of str, optional
        Columns of the data; needed only for ``.``.
    context : mapping or iterable of str, optional
        Names of functions and constants that the formula may use besides the documented ones.

    Returns
    -------
    ParsedFormula
        ``str()`` of it is canonical text that parses back to an equal formula.

    Raises
    ------
    FormulaError
        With one sentence and the place marked. Formula text is data, not code: anything but
        columns, the documented functions and `context` is refused.

    Examples
    --------
    >>> parse_formula("y ~ (a + b)^2 - a").fixed.intercept
    True
    >>> [b.group_name for b in parse_formula("y ~ x + (1 | a/b)").bars]
    ['b:a', 'a']
    """
    if isinstance(text, ParsedFormula):
        return text
    is_text = isinstance(text, str)
    if not is_text:
        read_tokens(text)  # which says what a formula is
    names = tuple(columns) if columns is not None and is_text and "." in text else None
    return _parse(text, names, context_names(context))


def context_names(context: object) -> frozenset[str]:
    """Return the names that a caller hands over beside the columns.

    Raises
    ------
    OptionError
        If `context` is no mapping (or collection) of names.
    """
    if context is None:
        return frozenset()
    if isinstance(context, (Mapping, list, tuple, set, frozenset)) and all(
        isinstance(name, str) for name in context
    ):
        return frozenset(context)
    raise OptionError(
        f"context must be a dict of names, such as {{'double': double}}; got {brief(context)}."
    )


def without_bars(parsed: ParsedFormula) -> str:
    """Return the fixed part's canonical text, as easystats prints after ``Model:``."""
    return canonical_text(parsed.response, parsed.fixed, (), parsed.offsets)


@lru_cache(maxsize=256)
def _parse(text: str, columns: tuple[str, ...] | None, context: frozenset[str]) -> ParsedFormula:
    left, right = _split_sides(read_tokens(text), text)
    expander = Expander(text, columns, context)
    response = _read_response(left, expander)
    expander.response_columns = response.columns if response is not None else ()
    fixed_tokens, bar_tokens = split_bars(right, expander)
    fixed, offsets = expander.terms(fixed_tokens) if fixed_tokens else (Terms(intercept=True), ())
    bars = tuple(term for group in bar_tokens for term in expand_bar(group, expander))
    if len(bars) > MAX_BARS:
        raise FormulaError(
            f"The formula has {len(bars):,} random-effects terms; {MAX_BARS} are allowed.",
            formula=text,
        )
    return ParsedFormula(
        text=_normalise(left, right, expander, response),
        response=response,
        fixed=fixed,
        bars=bars,
        offsets=offsets,
        canonical=canonical_text(response, fixed, bars, offsets),
    )


def _split_sides(tokens: list[Token], text: str) -> tuple[list[Token], list[Token]]:
    at = [i for i, t in enumerate(tokens) if t.text == "~" and t.kind == "operator"]
    if not at:
        raise FormulaError(
            "A formula has a '~' between response and predictors: y ~ x.", formula=text
        )
    if len(at) > 1:
        second = tokens[at[1]]
        raise FormulaError(
            "A formula has only one '~'.", formula=text, start=second.start, end=second.end
        )
    left, right = tokens[: at[0]], tokens[at[0] + 1 :]
    if not right:
        raise FormulaError("There is nothing after '~'; write y ~ 1 for a mean.", formula=text)
    return left, right


def _read_response(tokens: list[Token], expander: Expander) -> Expression | None:
    """Return the response: any R arithmetic (``log(y)``, ``y / 2``, ``cbind(k, n - k)``)."""
    if not tokens:
        return None
    for token in tokens:
        if token.text in (*BARS, ".", "~"):
            expander.fail(f"{brief(token.text)} cannot stand in the response.", token)
    start, end = tokens[0].start, tokens[-1].end
    return parse_expression(
        expander.formula[start : end + 1],
        formula=expander.formula,
        offset=start,
        context=expander.context,
    )


def _normalise(
    left: list[Token], right: list[Token], expander: Expander, response: Expression | None
) -> str:
    """Return the user's own text with R's blanks (what ``Formula:`` prints)."""
    texts = {t.start: expander.expression(t).text for t in right if t.kind == "expression"}
    side = f"{response.text} " if response is not None else ""
    return f"{side}~ {_expand_double_bars(deparse(right, texts), right, expander)}"


def _expand_double_bars(text: str, tokens: list[Token], expander: Expander) -> str:
    """Write ``(x || g)`` as ``((1 | g) + (0 + x | g))``, as lme4 does."""
    if "||" not in text:
        return text
    _, bars = split_bars(tokens, expander)
    for inner in bars:
        if any(t.text == "||" for t in inner):
            texts = {t.start: expander.expression(t).text for t in inner if t.kind == "expression"}
            parts = " + ".join(f"({b.text})" for b in expand_bar(inner, expander))
            text = text.replace(f"({deparse(inner, texts)})", f"({parts})")
    return text


def canonical_text(
    response: Expression | None,
    fixed: Terms,
    bars: Sequence[BarTerm],
    offsets: Sequence[Expression],
) -> str:
    """Return the text of a formula's parts that parses back to them."""
    parts = [_terms_text(fixed)]
    parts += [b.written(f"{_terms_text(b.terms)} | {b.group_name}") for b in bars]
    parts += [f"offset({e.text})" for e in offsets]
    side = f"{response.text} " if response is not None else ""
    return f"{side}~ {' + '.join(parts)}"


def _terms_text(terms: Terms) -> str:
    if terms.text:
        return terms.text
    return " + ".join(["1" if terms.intercept else "0", *(term_text(t) for t in terms.terms)])


def term_text(term: Term) -> str:
    """Return R's label of a term: ``ses:gender``."""
    return ":".join(e.text for e in term)


__all__ = ["canonical_text", "parse_formula", "quote_name", "term_text", "without_bars"]
