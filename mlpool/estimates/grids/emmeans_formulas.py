"""emmeans' formulas: ``"pairwise ~ recipe | temperature"``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpool.errors import OptionError, brief, nearest_names
from mlpool.formula.language.lexer import unquote_name

if TYPE_CHECKING:
    from mlpool.typing import ByLike

COMPARISONS = {
    "pairwise": "revpairwise",
    "revpairwise": "pairwise",
    "trt.vs.ctrl": "reference",
    "trt.vs.ctrl1": "reference",
    "dunnett": "reference",
    "consec": "sequential",
    "eff": "meandev",
    "del.eff": "meanotherdev",
    "poly": "poly",
    "helmert": "helmert",
}
"""emmeans' words before the tilde; its pairwise is the earlier minus the later level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specs:
    """What is asked of a grid.

    Attributes
    ----------
    names, groups : tuple of str
        Left and right of the bar.
    comparison : str
        Contrasts that stand before the tilde, in :func:`estimate_contrasts`' words; else empty.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...] = ()
    comparison: str = ""

    def with_values(
        self, names: Sequence[str], at: dict[str, object] | None
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the focal variables with their values in `at`, and what of `at` is left."""
        if at is not None and not isinstance(at, Mapping):
            raise OptionError(f"at must be a dict such as {{'ses': [0, 1]}}; got {brief(at)}.")
        given = dict(at or {})
        focal = {name: given.pop(name, None) for name in names}
        return focal, given or None


def read_specs(specs: object, by: ByLike | None = None) -> Specs:
    """Return what ``~ a * b | c``, a name or a list of names asks for.

    Raises
    ------
    OptionError
        If it is not a formula of names, a name or a list of names, or `by` is not names.
    """
    groups = _read_by(by)
    if isinstance(specs, (list, tuple)) and all(isinstance(s, str) for s in specs):
        return Specs(names=tuple(specs), groups=groups)
    if not isinstance(specs, str):
        raise OptionError(
            f"specs must be a formula such as '~ recipe | temperature'; got {brief(specs)}."
        )
    before, tilde, after = _outside_backticks(specs)
    comparison = ""
    if tilde and before:
        if before not in COMPARISONS:
            raise OptionError(
                f"specs={brief(specs)}: contrasts before the tilde are one of "
                f"{', '.join(COMPARISONS)}.{nearest_names(before, COMPARISONS)}"
            )
        comparison = COMPARISONS[before]
    text = after if tilde else before
    parts = _split(text, "|")
    if "~" in "".join(re.sub(r"`(?:[^`\\]|\\.)*`", "", part) for part in parts) or len(parts) > 2:
        raise OptionError(f"specs={brief(specs)} cannot be read; write '~ recipe | temperature'.")
    right = _names(parts[1]) if len(parts) > 1 else ()
    return Specs(names=_names(parts[0]), groups=(*right, *groups), comparison=comparison)


def _read_by(by: ByLike | None) -> tuple[str, ...]:
    if by is None:
        return ()
    names = [by] if isinstance(by, str) else by
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
        raise OptionError(f"by must be a name or a list of names; got {brief(by)}.")
    return tuple(names)


def _outside_backticks(text: str) -> tuple[str, str, str]:
    """Return what stands before and after the first tilde that is not part of a name."""
    parts = _split(text, "~", 1)
    if len(parts) == 1:
        return text.strip(), "", ""
    return parts[0].strip(), "~", parts[1]


def _split(text: str, mark: str, most: int = 0) -> list[str]:
    """Return the parts between marks that are not inside backticks."""
    parts, inside, done = [""], False, 0
    for i, character in enumerate(text):
        # a backslash before a backtick makes it part of the name
        inside ^= character == "`" and not (inside and text[i - 1] == "\\")
        if character == mark and not inside and (not most or done < most):
            parts.append("")
            done += 1
        else:
            parts[-1] += character
    return parts


def _names(text: str) -> tuple[str, ...]:
    pieces = [text]
    for mark in "*:+":
        pieces = [p for piece in pieces for p in _split(piece, mark)]
    names = [p.strip() for p in pieces]
    return tuple(unquote_name(p) for p in names if p and p != "1")
