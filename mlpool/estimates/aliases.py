"""The spellings of R's emmeans: `emmeans`, `pairs`, `emtrends`."""

from __future__ import annotations

import re
from typing import Any

from mlpool.errors import OptionError
from mlpool.estimates.contrasts import estimate_contrasts
from mlpool.estimates.means import estimate_means
from mlpool.estimates.slopes import estimate_slopes
from mlpool.formula.lexer import unquote_name
from mlpool.results import ResultFrame

_MODES = {"satterthwaite": "satterthwaite", "kenward-roger": "kenward", "asymptotic": "normal"}


def emmeans(
    model: Any, specs: Any, *, at: dict[str, Any] | None = None, lmer_df: str | None = None,
    **options: Any,
) -> ResultFrame:  # fmt: skip
    """Return estimated marginal means as emmeans does; a spelling of :func:`estimate_means`.

    Parameters
    ----------
    model : FittedModel
    specs : str or sequence of str
        ``"~ recipe"``, ``"~ recipe | temperature"``, ``"recipe"``, ``["recipe", "temperature"]``.
    at : dict, optional
        Values: ``{"extraversion": 7}``.
    lmer_df : {"satterthwaite", "kenward-roger", "asymptotic"}, optional
        Degrees of freedom of a linear mixed model; Kenward-Roger, emmeans' default, where it can
        be had.
    **options
        Of :func:`estimate_means`.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("angle ~ recipe + temperature", mlpool.load_data("cake"))
    >>> mlpool.emmeans(m, "~ recipe")["Mean"].round(2).to_list()
    [33.12, 31.64, 31.6]
    """
    names, groups = read_specs(specs)
    by, held = _with_values([*names, *groups], at)
    return estimate_means(
        model,
        by=by,
        at=held,
        two_valued=True,
        ci_method=read_mode(model, lmer_df, options),
        **options,
    )


def pairs(
    model: Any, specs: Any, *, adjust: str = "tukey", at: dict[str, Any] | None = None,
    lmer_df: str | None = None, comparison: Any = "revpairwise", **options: Any,
) -> ResultFrame:  # fmt: skip
    """Return pairwise comparisons of marginal means as ``pairs(emmeans(...))`` does.

    Parameters
    ----------
    model, specs, at, lmer_df
        As in :func:`emmeans`; after a bar ``|`` families of their own.
    adjust : str
        Of p-values and intervals; ``"tukey"`` as emmeans.
    comparison : str
        Earlier minus later level, as emmeans.
    **options
        Of :func:`estimate_contrasts`.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("angle ~ recipe + temperature", mlpool.load_data("cake"))
    >>> mlpool.pairs(m, "~ recipe")["p"].round(3).to_list()
    [0.412, 0.391, 0.999]
    """
    names, groups = read_specs(specs)
    contrast, held = _with_values(names, at)
    by, held = _with_values(groups, held)
    return estimate_contrasts(
        model, contrast=contrast, by=by or None, comparison=comparison, p_adjust=adjust,
        adjust_ci=True, within_by=True, at=held, two_valued=True,
        ci_method=read_mode(model, lmer_df, options), **options,
    )  # fmt: skip


def emtrends(
    model: Any, specs: Any, var: str, *, at: dict[str, Any] | None = None,
    lmer_df: str | None = None, **options: Any,
) -> ResultFrame:  # fmt: skip
    """Return trends as emmeans does; a spelling of :func:`estimate_slopes`.

    Parameters
    ----------
    model, specs, at, lmer_df
        As in :func:`emmeans`; ``"~ 1"`` for one slope.
    var : str
        The numeric predictor.
    **options
        Of :func:`estimate_slopes`.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lm("math ~ ses * gender", mlpool.load_data("hsb82"))
    >>> mlpool.emtrends(m, "~ gender", "ses")["Slope"].round(2).to_list()
    [3.01, 3.22]
    """
    names, groups = read_specs(specs)
    by, held = _with_values([*names, *groups], at)
    return estimate_slopes(
        model, trend=var, by=by or None, at=held, two_valued=True,
        ci_method=read_mode(model, lmer_df, options), **options,
    )  # fmt: skip


def read_specs(specs: Any) -> tuple[list[str], list[str]]:
    """Return the names left and right of the bar of ``~ a * b | c``.

    Raises
    ------
    OptionError
        If it is not a formula of names, a name or a list of names.
    """
    if isinstance(specs, (list, tuple)) and all(isinstance(s, str) for s in specs):
        return list(specs), []
    if not isinstance(specs, str):
        raise OptionError(
            f"specs must be a formula such as '~ recipe | temperature'; got {specs!r}."
        )
    text = specs.strip()
    for word in ("pairwise", "revpairwise"):
        if text.startswith(word):
            text = text.removeprefix(word).strip()
    left, _, right = text.removeprefix("~").partition("|")
    if "~" in left + right:
        raise OptionError(f"specs={specs!r} cannot be read; write '~ recipe | temperature'.")
    return _names(left), _names(right)


def _names(text: str) -> list[str]:
    parts = [p.strip() for p in re.findall(r"(?:`(?:[^`\\]|\\.)*`|[^`*:+])+", text)]
    return [unquote_name(p) for p in parts if p and p != "1"]


def _with_values(
    names: list[str], at: dict[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the focal variables with their values in `at`, and what of `at` is left."""
    given = dict(at or {})
    focal = {name: given.pop(name, None) for name in names}
    return focal, given or None


def read_mode(model: Any, lmer_df: str | None, options: dict[str, Any]) -> str | None:
    """Return the source of df that emmeans' ``lmer.df`` means, unless `options` name one.

    Raises
    ------
    OptionError
        For an unknown mode.
    """
    method = options.pop("ci_method", None)
    if method is not None or model.kind != "lmer":
        return None if method is None else str(method)
    if options.get("vcov") is not None or options.get("cluster") is not None:
        return None
    if lmer_df is None:
        return "kenward" if model.reml else "satterthwaite"
    if lmer_df not in _MODES:
        raise OptionError(f"lmer_df must be one of {tuple(_MODES)}; got {lmer_df!r}.")
    return _MODES[lmer_df]
