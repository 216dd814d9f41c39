"""Random-effects terms: find ``(expr | group)`` and expand ``||`` and ``a/b`` into plain terms."""

from __future__ import annotations

from collections.abc import Sequence

from mlpool.formula.language.expand import Expander
from mlpool.formula.language.structures import BARS, DIAGONAL, structure_of
from mlpool.formula.language.tokens import Token
from mlpool.formula.types import BarTerm, Expression, Terms


def split_bars(  # noqa: C901 - one branch per kind of token
    tokens: Sequence[Token], expander: Expander
) -> tuple[list[Token], list[list[Token]]]:
    """Return the tokens of the fixed part and those inside each ``( | )``.

    A bar without parentheses takes the whole side: ``y ~ x | g`` is ``y ~ (x | g)``.

    Raises
    ------
    FormulaError
        If a term with a bar is not simply added.
    """
    if _has_bar_outside(tokens):
        return [], [list(tokens)]
    fixed: list[Token] = []
    bars: list[list[Token]] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.kind != "open":
            fixed.append(token)
            position += 1
            continue
        close = _closing(tokens, position)
        inner = list(tokens[position + 1 : close])
        while len(inner) > 2 and inner[0].kind == "open" and _closing(inner, 0) == len(inner) - 1:
            inner = inner[1:-1]  # ((1 | g)) means (1 | g)
        if _has_inner_bars(inner):
            # what lme4 prints for (x || g): ((1 | g) + (0 + x | g))
            _check_added(tokens, position, close, expander)
            inner_fixed, inner_bars = split_bars(inner, expander)
            bars.extend(inner_bars)
            if inner_fixed:
                fixed.extend([token, *inner_fixed, tokens[close]])
            elif fixed and fixed[-1].text == "+":
                fixed.pop()
        elif any(t.text in BARS for t in inner):
            _check_added(tokens, position, close, expander)
            bars.append(inner)
            if fixed and fixed[-1].text == "+":
                fixed.pop()
        else:
            fixed.extend(tokens[position : close + 1])
        position = close + 1
    if fixed and fixed[0].text == "+" and bars:
        fixed = fixed[1:]
    return fixed, bars


def expand_bar(tokens: Sequence[Token], expander: Expander) -> list[BarTerm]:
    """Return the plain terms of one ``(expr | group)``; the tokens exclude the parentheses.

    ``(x || g)`` becomes ``(1 | g) + (0 + x | g)`` as in lme4, which does not split factors;
    ``diag(x | g)`` becomes the same, of terms that have one column each;
    ``(x | a/b)`` becomes ``(x | b:a) + (x | a)``.
    """
    at = [i for i, t in enumerate(tokens) if t.text in BARS]
    bar = tokens[at[0]]
    if len(at) > 1:
        expander.fail("A random-effects term has one bar: (x | g).", tokens[at[1]])
    left, right = tokens[: at[0]], tokens[at[0] + 1 :]
    if not left:
        expander.fail("There is nothing before the bar; write (1 | g) for a random intercept.", bar)
    if not right:
        expander.fail("There is no grouping factor after the bar; write (x | g).", bar)
    terms, offsets = expander.terms(left)
    if offsets:
        expander.fail("offset() cannot stand in a random-effects term.", left[0])
    if not terms.intercept and not terms.terms:
        expander.fail("(0 | g) has no random effect; write (1 | g).", left[0])
    groups = _groups(list(right), expander)
    if bar.text in ("||", DIAGONAL):
        diagonal = bar.text == DIAGONAL
        return [part for group in groups for part in _independent(terms, group, diagonal)]
    text = deparse(left)
    structure = structure_of(bar.text)
    return [
        BarTerm(
            terms=terms, group=group, text=f"{text} | {_group_text(group)}", structure=structure
        )
        for group in groups
    ]


def deparse(tokens: Sequence[Token], texts: dict[int, str] | None = None) -> str:
    """Return `tokens` with R's blanks: around ``+ - * | ~ %in%``, none around ``/ : ^``.

    `texts` maps a token's start to R's spelling of its expression.
    """
    out = ""
    for i, token in enumerate(tokens):
        text = (texts or {}).get(token.start, token.text)
        text = "|" if text in BARS and text != "||" else text
        unary = token.text in "+-" and (i == 0 or tokens[i - 1].kind in ("operator", "open"))
        if token.kind == "operator" and token.text not in (":", "^", "**", "/") and not unary:
            out += f" {text} "
        else:
            out += "^" if text == "**" else text
    return out.strip()


def _independent(terms: Terms, group: tuple[Expression, ...], diagonal: bool) -> list[BarTerm]:
    parts = []
    name = _group_text(group)
    if terms.intercept:
        parts.append(BarTerm(terms=Terms(intercept=True), group=group, text=f"1 | {name}"))
    for term in terms.terms:
        text = ":".join(e.text for e in term)
        single = Terms(intercept=False, terms=(term,))
        parts.append(
            BarTerm(terms=single, group=group, text=f"0 + {text} | {name}", diagonal=diagonal)
        )
    return parts


def _groups(tokens: list[Token], expander: Expander) -> list[tuple[Expression, ...]]:
    """Return the grouping factors: ``a/b`` gives ``b:a`` and ``a`` (lme4's order)."""
    while len(tokens) > 2 and tokens[0].kind == "open" and _closing(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
    nested: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        if token.text == "/" and depth == 0:
            nested.append([])
        else:
            nested[-1].append(token)
    parts = [_interaction(part, tokens, expander) for part in nested]
    groups = []
    for i in range(len(parts), 0, -1):
        groups.append(tuple(e for part in reversed(parts[:i]) for e in part))
    return groups


def _interaction(
    tokens: list[Token], whole: list[Token], expander: Expander
) -> tuple[Expression, ...]:
    tokens = [t for t in tokens if t.kind not in ("open", "close")]
    if not tokens:
        expander.fail("A grouping factor is missing beside '/'.", whole[0])
    names = tokens[::2]
    for token in tokens[1::2]:
        if token.text not in (":", "%in%"):
            expander.fail(
                f"{token.text!r} cannot join grouping factors; use ':' for their combinations, '/' "
                "for nesting, or one (x | g) each.",
                token,
            )
    if len(tokens) % 2 == 0:
        expander.fail("A grouping factor is missing here.", tokens[-1])
    for token in names:
        if token.kind != "expression":
            expander.fail(f"{token.text!r} is not a grouping factor.", token)
    return tuple(expander.expression(t) for t in names)


def _group_text(group: tuple[Expression, ...]) -> str:
    return ":".join(e.text for e in group)


def _check_added(tokens: Sequence[Token], start: int, close: int, expander: Expander) -> None:
    before = tokens[start - 1].text if start > 0 else "+"
    after = tokens[close + 1].text if close + 1 < len(tokens) else "+"
    if before not in ("+", "~") or after not in ("+", "-"):
        expander.fail(
            "A random-effects term can only be added with '+': y ~ x + (x | g).", tokens[start]
        )


def _has_bar_outside(tokens: Sequence[Token]) -> bool:
    """Tell whether a bar stands outside all parentheses."""
    depth = 0
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0 and token.text in BARS:
            return True
    return False


def _has_inner_bars(tokens: Sequence[Token]) -> bool:
    """Tell whether a bar stands inside further parentheses."""
    depth = 0
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        if depth > 0 and token.text in BARS:
            return True
    return False


def _closing(tokens: Sequence[Token], start: int) -> int:
    depth = 0
    for position in range(start, len(tokens)):
        depth += (tokens[position].kind == "open") - (tokens[position].kind == "close")
        if depth == 0:
            return position
    return len(tokens) - 1
