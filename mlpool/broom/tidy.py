"""``tidy``: a row per coefficient and variance parameter, columns as broom calls them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlpool.argument_values import flag, level
from mlpool.errors import NotSupportedError
from mlpool.models import FittedModel, MixedModel
from mlpool.models.argument_checks import check_model
from mlpool.parameters import model_parameters


def tidy(
    m: FittedModel, *, conf_int: bool = False, conf_level: float = 0.95, exponentiate: bool = False
) -> pd.DataFrame:
    """Return coefficients as broom's and broom.mixed's ``tidy`` do.

    Parameters
    ----------
    m : FittedModel
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
        ``cor__(Intercept).Days``; of linear ones ``df``, Satterthwaite's, as with lmerTest.

    Raises
    ------
    OptionError
        For something that is no model.
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
    wanted = flag(conf_int, "conf_int")
    frame = _fixed(m, level(conf_level, "conf_level") if wanted else None)
    if flag(exponentiate, "exponentiate"):
        frame = _exponentiated(m, frame)
    if not isinstance(m, MixedModel):
        return frame
    frame.insert(0, "effect", "fixed")
    frame.insert(1, "group", None)
    return pd.concat([frame, _random(m)], ignore_index=True)


def _fixed(m: FittedModel, conf_level: float | None) -> pd.DataFrame:
    method = "satterthwaite" if m.kind == "lmer" else None
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
    if m.kind == "lmer":
        frame["df"] = table["df_error"]
    frame["p.value"] = table["p"]
    if conf_level is not None:
        frame["conf.low"], frame["conf.high"] = table["CI_low"], table["CI_high"]
    return frame


def _exponentiated(m: FittedModel, frame: pd.DataFrame) -> pd.DataFrame:
    if m.family is None or m.family.link == "identity":
        raise NotSupportedError(
            "exponentiate=True is for models with a log or logit link; this one has the identity."
        )
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
