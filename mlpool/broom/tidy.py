"""``tidy``: a row per coefficient and variance parameter, columns as broom calls them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from mlpool.argument_values import flag, level
from mlpool.errors import NotSupportedError, OptionError, brief
from mlpool.models import FittedModel, MixedModel, ResidualModel
from mlpool.models.argument_checks import check_model
from mlpool.models.mixed_model import group_effects, has_effects
from mlpool.parameters import model_parameters

_EFFECTS = ("fixed", "ran_pars", "ran_vals", "ran_coefs")
_STRUCTURE = ("cor_model", "var_model")


def tidy(
    m: FittedModel,
    *,
    effects: str | Sequence[str] | None = None,
    conf_int: bool = False,
    conf_level: float = 0.95,
    exponentiate: bool = False,
) -> pd.DataFrame:
    """Return coefficients as broom's and broom.mixed's ``tidy`` do.

    Parameters
    ----------
    m : FittedModel
    effects : {"fixed", "ran_pars", "ran_vals", "ran_coefs"} or several of them, optional
        Coefficients, SDs and correlations, conditional modes and each group's coefficients; of
        mixed models by default the first two.
    conf_int : bool
        Add ``conf.low`` and ``conf.high``: by t or z, of ``glm`` from the profile likelihood.
    conf_level : float
    exponentiate : bool
        Exponentiate coefficients and intervals, and multiply the standard errors of mixed models
        by them (those of ``glm`` stay on the link's scale, as broom leaves them).

    Returns
    -------
    DataFrame
        ``term``, ``estimate``, ``std.error``, ``statistic``, ``p.value``. Of mixed models also
        ``effect`` (``fixed``, ``ran_pars``) and ``group``, and rows ``sd__(Intercept)``,
        ``cor__(Intercept).Days``; of linear ones ``df``, Satterthwaite's, as with lmerTest. Rows
        of groups have ``level``; conditional modes have their conditional SD as ``std.error``. Of
        models with a residual structure also ``cor_model`` and ``var_model``, a row per parameter.

    Raises
    ------
    OptionError
        For something that is no model, or effects that there are none of.
    NotSupportedError
        For `exponentiate` of a model with an identity link.

    See Also
    --------
    model_parameters : the same as a table to read, with other intervals and covariances.

    Examples
    --------
    >>> import mlpool
    >>> m = mlpool.lmer("Reaction ~ Days + (1 | Subject)", mlpool.load_data("sleepstudy"))
    >>> mlpool.tidy(m)[["effect", "term", "estimate"]].round(2)
         effect             term  estimate
    0     fixed      (Intercept)    251.41
    1     fixed             Days     10.47
    2  ran_pars  sd__(Intercept)     37.12
    3  ran_pars  sd__Observation     30.99
    """
    check_model(m, "tidy()")
    if isinstance(m, ResidualModel):
        return _of_residual_structure(m, effects, conf_int, conf_level, exponentiate)
    wanted = _wanted_effects(effects, _EFFECTS if has_effects(m) else _EFFECTS[:1])
    shown = flag(conf_int, "conf_int")
    frame = _fixed(m, level(conf_level, "conf_level") if shown else None)
    if flag(exponentiate, "exponentiate"):
        frame = _exponentiated(m, frame)
    if not has_effects(m):
        return frame
    frame.insert(0, "effect", "fixed")
    frame.insert(1, "group", None)
    parts = {"fixed": lambda: frame, "ran_pars": lambda: _random(m)}
    parts |= {"ran_vals": lambda: _modes(m), "ran_coefs": lambda: _group_coefficients(m)}
    made = [parts[effect]() for effect in wanted]
    return made[0] if len(made) == 1 else pd.concat(made, ignore_index=True)


def _of_residual_structure(
    m: ResidualModel,
    effects: str | Sequence[str] | None,
    conf_int: bool,
    conf_level: float,
    exponentiate: bool,
) -> pd.DataFrame:
    """Return coefficients, random effects, and the parameters of correlation and dispersion."""
    offered = (_EFFECTS if m.is_mixed else _EFFECTS[:1]) + _STRUCTURE
    usual = [e for e in offered if e not in ("ran_vals", "ran_coefs")]
    wanted = usual if effects is None else _wanted_effects(effects, offered)
    shown = flag(conf_int, "conf_int")
    if flag(exponentiate, "exponentiate"):
        raise _identity_link()
    frame = _fixed(m, level(conf_level, "conf_level") if shown else None)
    frame.insert(0, "effect", "fixed")
    frame.insert(1, "group", None)
    parts: dict[str, Callable[[], pd.DataFrame]] = {
        "fixed": lambda: frame,
        "cor_model": lambda: _structure(m.correlation_parameters(), "cor_model", m),
        "var_model": lambda: _structure(m.dispersion_parameters(), "var_model", m),
    }
    if has_effects(m):
        parts |= {"ran_pars": lambda: _random(m), "ran_vals": lambda: _modes(m)}
        parts["ran_coefs"] = lambda: _group_coefficients(m)
    made = [one for effect in wanted if len(one := parts[effect]())]
    return pd.concat(made, ignore_index=True) if made else frame.iloc[:0]


def _structure(values: pd.Series, effect: str, m: ResidualModel) -> pd.DataFrame:
    """Return a row per parameter of a correlation or of unequal variances."""
    said, term = m.structure, m.structure.correlation
    text = "" if term is None else term.text
    group = text if effect == "cor_model" else (said.dispersion_text or text)
    return pd.DataFrame(
        {
            "effect": effect, "group": group, "term": [str(n) for n in values.index],
            "estimate": values.to_numpy(),
        }
    )  # fmt: skip


def _wanted_effects(effects: str | Sequence[str] | None, offered: tuple[str, ...]) -> list[str]:
    """Return what is asked for, in the order in which broom.mixed shows it.

    Raises
    ------
    OptionError
    """
    is_mixed = len(offered) > 1
    if effects is None:
        return list(offered[:2])
    asked = [effects] if isinstance(effects, str) else effects
    if not isinstance(asked, (list, tuple)) or not asked or not set(asked) <= set(offered):
        raise OptionError(
            f"effects must be {' or '.join(map(repr, offered))}"
            f"{', or a list of these' if is_mixed else ' of a model without random effects'}; "
            f"got {brief(effects)}."
        )
    return [effect for effect in offered if effect in asked]


def _modes(m: MixedModel) -> pd.DataFrame:
    """Return a row per level and random effect, effect by effect as broom.mixed has them."""
    modes = group_effects(m)
    sds = modes.sd
    parts = [
        _of_levels("ran_vals", group, name, frame[name]).assign(
            **{"std.error": sds[group][name].to_numpy()}
        )
        for group, frame in modes.items()
        for name in frame.columns
    ]
    return pd.concat(parts, ignore_index=True)


def _group_coefficients(m: MixedModel) -> pd.DataFrame:
    parts = [
        _of_levels("ran_coefs", group, name, frame[name])
        for group, frame in m.coef().items()
        for name in frame.columns
    ]
    return pd.concat(parts, ignore_index=True)


def _of_levels(effect: str, group: str, term: str, values: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "effect": effect, "group": group, "level": list(values.index), "term": term,
            "estimate": values.to_numpy(),
        }
    )  # fmt: skip


def _fixed(m: FittedModel, conf_level: float | None) -> pd.DataFrame:
    method = "satterthwaite" if m.kind in ("lmer", "gls") else None
    table = model_parameters(m, effects="fixed", ci=conf_level, ci_method=method).to_pandas()
    statistic = "t" if "t" in table else "z"
    frame = pd.DataFrame(
        {
            "term": table["Parameter"],
            "estimate": table["Coefficient"],
            "std.error": table["SE"],
            "statistic": table[statistic],
        }
    )
    if m.kind in ("lmer", "gls"):
        frame["df"] = table["df_error"]
    frame["p.value"] = table["p"]
    if conf_level is not None:
        frame["conf.low"], frame["conf.high"] = table["CI_low"], table["CI_high"]
    return frame


def _identity_link() -> NotSupportedError:
    return NotSupportedError(
        "exponentiate=True is for models with a log or logit link; this one has the identity."
    )


def _exponentiated(m: FittedModel, frame: pd.DataFrame) -> pd.DataFrame:
    if m.family is None or m.family.link == "identity":
        raise _identity_link()
    grown = [c for c in ("estimate", "conf.low", "conf.high") if c in frame]
    factor = np.exp(frame["estimate"]) if m.is_mixed else 1.0
    return frame.assign(
        **{"std.error": frame["std.error"] * factor, **{c: np.exp(frame[c]) for c in grown}}
    )


def _random(m: MixedModel) -> pd.DataFrame:
    """Return a row per SD and correlation, triangle by columns as broom.mixed has them."""
    rows = []
    varcorr = m.varcorr()
    for group, block in varcorr.items():
        for j, first in enumerate(block.names):
            rows.append((group, f"sd__{first}", block.sd[j]))
            for i in range(j + 1, len(block.names)):
                rows.append((group, f"cor__{first}.{block.names[i]}", block.cor[i, j]))
    if varcorr.sigma is not None:
        rows.append(("Residual", "sd__Observation", varcorr.sigma))
    frame = pd.DataFrame(rows, columns=["group", "term", "estimate"])
    frame.insert(0, "effect", "ran_pars")
    return frame
