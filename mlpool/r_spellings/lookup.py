"""Where the things are that R's users type by another name: ``names.txt``, read on first use."""

from __future__ import annotations

from functools import cache
from pkgutil import get_data

from mlpool.errors import OptionError, brief, nearest_names
from mlpool.registry import homes


@cache
def sections() -> dict[str, dict[str, str]]:
    """Return the calls by their title: title -> R's name -> the call that answers here."""
    found: dict[str, dict[str, str]] = {}
    calls, _, _ = _text().partition("\nno: ")
    for part in calls.split("\n# ")[1:]:
        title, *lines = part.strip().splitlines()
        pairs = (line.split(maxsplit=1) for line in lines if line)
        found[title] = {name: call.strip() for name, call in pairs}
    return found


@cache
def spellings() -> dict[str, str]:
    """Return R's names with the call that answers here."""
    return {name: call for calls in sections().values() for name, call in calls.items()}


@cache
def absent() -> dict[str, str]:
    """Return R's names that nothing answers, each with the reason."""
    found: dict[str, str] = {}
    for part in _text().split("\nno: ")[1:]:
        reason, _, names = part.partition("\n")
        found |= dict.fromkeys(names.split(), reason)
    return found


def _text() -> str:
    data = get_data(__package__ or "", "names.txt")
    assert data is not None
    return data.decode("utf-8").replace("\r\n", "\n")


def r_spelling(name: str) -> str | None:
    """Return where the thing is that R has under a name; None for names that it knows nothing of.

    Parameters
    ----------
    name : str
        As R writes it (``"glmer.nb"``, ``"lme4::allFit"``) or with underscores.

    Returns
    -------
    str or None
        One sentence with the call that answers, or why there is none.

    Raises
    ------
    OptionError
        For something that is no text.

    Examples
    --------
    >>> import mlpool
    >>> mlpool.r_spelling("car::linearHypothesis")
    "mlpool has no linearHypothesis; here it is linear_hypothesis(m, 'x = 0')."
    >>> mlpool.r_spelling("lmerTest::ranova")
    'mlpool has ranova, too: help(mlpool.ranova).'
    """
    if not isinstance(name, str):
        raise OptionError(f"name must be text such as 'lme4::ranef'; got {brief(name)}.")
    own = name.rpartition("::")[2].replace(".", "_")
    if own in homes():
        return f"mlpool has {own}, too: help(mlpool.{own})."
    call = spellings().get(own)
    if call is not None:
        return f"mlpool has no {own}; here it is {call}."
    reason = absent().get(own)
    return None if reason is None else f"There is no {own}: {reason}."


def missing_name(name: str, known: list[str]) -> str:
    """Return the sentence about a name that mlpool does not have.

    Examples
    --------
    >>> missing_name("glht", ["glm"])
    "module 'mlpool' has no attribute 'glht'; here it is estimate_contrasts(m, 'f')."
    """
    plain = f"module 'mlpool' has no attribute {brief(name)}"
    if name in spellings():
        return f"{plain}; here it is {spellings()[name]}."
    if name in absent():
        return f"{plain}: {absent()[name]}."
    return f"{plain}.{nearest_names(name, known)}"
