"""R's ``update.formula``: ``. ~ . - x`` against the formula of a fitted model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlpool.errors import FormulaError
from mlpool.formula.language.lexer import lex
from mlpool.formula.language.structures import BARS
from mlpool.formula.language.tokens import Token, read_tokens
from mlpool.formula.parse import canonical_text, context_names, parse_formula
from mlpool.formula.types import BarTerm, Expression, ParsedFormula, Terms


def update_formula(
    old: ParsedFormula, text: str, context: Mapping[str, object] | Iterable[str] | None = None
) -> str:
    """Return the formula that `text` makes of `old`.

    Parameters
    ----------
    old : ParsedFormula
    text : str
        A dot stands for the old left or right side; an empty left side keeps the response.
        ``- (x | g)`` takes a random-effects term away, ``- offset(o)`` an offset.
    context : mapping or iterable of str, optional
        Names that the formula may use.

    Returns
    -------
    str

    Raises
    ------
    FormulaError
        If `text` is no formula, or takes away a random-effects term that is not there.

    Examples
    --------
    >>> update_formula(parse_formula("y ~ a * b + (1 | g)"), ". ~ . - a:b")
    'y ~ a + b + (1 | g)'
    """
    tokens = read_tokens(text)
    at = [i for i, t in enumerate(tokens) if t.text == "~"]
    if len(at) != 1:
        raise FormulaError(
            "update() takes a formula with one '~', such as '. ~ . - x'.", formula=text
        )
    right = tokens[at[0] + 1 :]
    left = text[: tokens[at[0]].start].strip()
    response = "" if old.response is None else old.response.text
    left = _with_response(left, response) if left else response
    has_dot = any(t.kind == "dot" for t in right)
    bars, offsets = (list(old.bars), list(old.offsets)) if has_dot else ([], [])
    spelled = _substitute(
        right, old.fixed, (bars, offsets), text, tuple(sorted(context_names(context)))
    )
    new = parse_formula(f"{left} ~ {spelled}", context=context)
    bars += [b for b in new.bars if b not in bars]
    offsets += [o for o in new.offsets if o not in offsets]
    made = canonical_text(new.response, new.fixed, bars, offsets)
    return made.replace("~ 1 + ", "~ ", 1)


def _with_response(left: str, response: str) -> str:
    """Put the old response where the new left side has a dot."""
    out, done = "", 0
    for piece in lex(left, formula=left):
        if piece.kind == "name" and piece.text == ".":
            out += left[done : piece.start] + response
            done = piece.end + 1
    return out + left[done:]


def _substitute(
    tokens: list[Token],
    fixed: Terms,
    old: tuple[list[BarTerm], list[Expression]],
    text: str,
    context: tuple[str, ...],
) -> str:
    """Spell the right side with its dots replaced; take removed bars and offsets out of `old`."""
    pieces: list[str] = []
    position = 0
    has_intercept = True
    while position < len(tokens):
        token = tokens[position]
        end = _closing(tokens, position) if token.kind == "open" else position
        span = text[token.start : tokens[end].end + 1]
        is_removed = bool(pieces) and pieces[-1] == "-"
        is_bar = end > position and any(t.text in BARS for t in tokens[position:end])
        if is_removed and (is_bar or span.startswith("offset(")):
            pieces.pop()
            _remove(span, old, text, context)
            position = end + 1
            continue
        if token.kind == "dot":
            has_intercept = fixed.intercept
            span = "(" + " + ".join(":".join(e.text for e in t) for t in fixed.terms) + ")"
            pieces.append(span if fixed.terms else "1" if fixed.intercept else "0")
        elif is_bar:
            pieces.append(span)
            position = end
        else:
            pieces.append(token.text)
        position += 1
    body = " ".join(pieces).strip() or "1"
    return body if has_intercept else f"0 + {body}"


def _remove(
    span: str, old: tuple[list[BarTerm], list[Expression]], text: str, context: tuple[str, ...]
) -> None:
    """Take a random-effects term or an offset out of the old ones."""
    bars, offsets = old
    gone = parse_formula(f"~ {span}", context=context)
    for bar in gone.bars:
        if bar not in bars:
            known = ", ".join(b.label for b in bars) or "none"
            raise FormulaError(
                f"{span} is no random-effects term of the model, which has {known}.", formula=text
            )
        bars.remove(bar)
    for offset in gone.offsets:
        if offset not in offsets:
            raise FormulaError(f"{span} is no offset of the model.", formula=text)
        offsets.remove(offset)


def _closing(tokens: list[Token], start: int) -> int:
    depth = 0
    for position in range(start, len(tokens)):
        depth += (tokens[position].kind == "open") - (tokens[position].kind == "close")
        if depth == 0:
            return position
    return len(tokens) - 1
