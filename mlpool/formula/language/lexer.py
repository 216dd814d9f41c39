"""Characters to pieces with places: numbers, strings, names and operators of R's language."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from mlpool.errors import FormulaError, brief
from mlpool.formula.language.safety import CONTRASTS, NOT_NAMES

_PIECE = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?L?)"
    r"|(?P<quoted>`(?:[^`\\]|\\[\s\S])*`)"
    r"|(?P<string>\"[^\"\\]*\"|'[^'\\]*')"
    r"|(?P<name>(?:[^\W\d]|\.(?!\d))[\w.]*)"
    r"|(?P<op>%in%|%%|%/%|\*\*|==|!=|<=|>=|&&|\|\||[-+*/^:()<>=!&|,\[\]{}$@;~\\])"
)
_BLANKS = re.compile(r"\s*")
_SYNTACTIC = re.compile(r"(?:[^\W\d_]|\.(?!\d))[\w.]*\Z")
_HIDDEN = re.compile(r"(?:^|\.)__")
_ESCAPED = re.compile(r"\\([`\\])")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text between characters `start` and `end` (inclusive) of the formula.

    `kind` is "number", "quoted" (a name in backticks), "string", "name", "op" or "end".
    """

    kind: str
    text: str
    start: int
    end: int


def lex(source: str, *, formula: str, offset: int = 0) -> list[Piece]:
    """Return the pieces of `source`, which begins at character `offset` of `formula`.

    Raises
    ------
    FormulaError
        For a quote that is never closed, or a character that means nothing.
    """
    pieces: list[Piece] = []
    position = _after_blanks(source, 0)
    while position < len(source):
        match = _PIECE.match(source, position)
        if match is None or match.lastgroup is None:
            raise _unreadable(source, position, formula, offset)
        start = offset + position
        pieces.append(Piece(match.lastgroup, match.group(), start, start + len(match.group()) - 1))
        position = _after_blanks(source, match.end())
    return _without_packages(pieces)


def _without_packages(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces without R's ``package::`` before a function: its name says enough."""
    out: list[Piece] = []
    for i, piece in enumerate(pieces):
        out.append(piece)
        before = out[-4:-1]
        is_call = piece.kind == "name" and i + 1 < len(pieces) and pieces[i + 1].text == "("
        if is_call and [p.text for p in before[1:]] == [":", ":"] and before[0].kind == "name":
            del out[-4:-1]
    return out


def quote_name(name: str) -> str:
    r"""Return `name` as R writes it: in backticks unless it reads back as this name.

    Examples
    --------
    >>> quote_name("Petal.Width"), quote_name("Height (cm)"), quote_name("a`b")
    ('Petal.Width', '`Height (cm)`', '`a\\`b`')
    """
    if is_plain(name):
        return name
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def unquote_name(text: str) -> str:
    """Return the name that a piece spells: without its backticks and their escapes."""
    return _ESCAPED.sub(r"\1", text[1:-1]) if text.startswith("`") else text


def is_plain(name: str) -> bool:
    """Tell whether `name` stands for itself without backticks."""
    return (
        _SYNTACTIC.match(name) is not None
        and name not in NOT_NAMES
        and name not in CONTRASTS
        and name != "."
        and not has_lookalikes(name)
        and not reaches_inside(name)
    )


def has_lookalikes(name: str) -> bool:
    """Tell whether a name has characters that only look like plain letters."""
    return unicodedata.normalize("NFKC", name) != name


def reaches_inside(name: str) -> bool:
    """Tell whether a name is one of Python's own, such as ``__class__``."""
    return _HIDDEN.search(name) is not None


def _after_blanks(source: str, position: int) -> int:
    match = _BLANKS.match(source, position)
    return position if match is None else match.end()


def _unreadable(source: str, position: int, formula: str, offset: int) -> FormulaError:
    character = source[position]
    if character in "\"'`":
        if character != "`" and character in source[position + 1 :]:
            message = "A text in a formula cannot have a backslash."
        else:
            message = f"{brief(character)} is never closed."
    elif character == "%":
        message = "'%' alone means nothing in a formula; there are %in%, %% and %/%."
    else:
        message = f"{brief(character)} has no meaning in a formula."
    return FormulaError(message, formula=formula, start=offset + position)
