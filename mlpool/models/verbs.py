"""R's spellings of `fit`: `lm`, `glm`, `lmer`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from mlpool.errors import OptionError, nearest_names
from mlpool.formula import parse_formula
from mlpool.frames import read_frame
from mlpool.models.fit import as_bool, fit
from mlpool.models.mixed import LinearMixedModel
from mlpool.models.single_level import GeneralizedLinearModel, LinearModel


def lm(formula: str, data: Any, **options: Any) -> LinearModel:
    """Fit a linear model (R's ``lm``): complete pooling, or no pooling with a factor.

    Takes the arguments of :func:`fit` but ``family`` and ``reml``.

    Raises
    ------
    OptionError
        If the formula has a random-effects term.
    """
    check_arguments("lm", options, {"family", "reml", "REML"})
    parsed = parse_formula(
        formula, columns=read_frame(data).columns, context=options.get("context")
    )
    if parsed.bars:
        raise OptionError(
            f"lm() fits no random effects such as ({parsed.bars[0].text}); use lmer() or fit()."
        )
    result = fit(formula, data, **options)
    assert isinstance(result, LinearModel)
    return result


def glm(
    formula: str, data: Any, family: Any = "gaussian", **options: Any
) -> GeneralizedLinearModel:
    """Fit a generalised linear model (R's ``glm``).

    Raises
    ------
    OptionError
        If the formula has a random-effects term.
    """
    check_arguments("glm", options, {"reml", "REML"})
    parsed = parse_formula(
        formula, columns=read_frame(data).columns, context=options.get("context")
    )
    if parsed.bars:
        raise OptionError(
            "glm() fits no random effects; generalised mixed models are not available yet."
        )
    result = fit(formula, data, family=family, **options)
    assert isinstance(result, GeneralizedLinearModel)
    return result


def lmer(
    formula: str,
    data: Any,
    REML: bool | None = None,
    **options: Any,
) -> LinearMixedModel:
    """Fit a linear mixed model (lme4's ``lmer``): partial pooling.

    ``REML=`` and ``reml=`` mean the same; the other arguments are those of :func:`fit`.

    Raises
    ------
    OptionError
        If the formula has no random-effects term.
    """
    check_arguments("lmer", options, {"family", "cluster", "vcov"})
    if REML is not None:
        options["reml"] = as_bool(REML, "REML")
    parsed = parse_formula(
        formula, columns=read_frame(data).columns, context=options.get("context")
    )
    if not parsed.bars:
        raise OptionError(
            "lmer() needs a random-effects term such as (1 | school); use lm() without one."
        )
    result = fit(formula, data, **options)
    assert isinstance(result, LinearMixedModel)
    return result


def check_arguments(verb: str, options: Mapping[str, Any], excluded: set[str]) -> None:
    """Refuse arguments that `fit` does not have, or that make no sense for a verb.

    Raises
    ------
    OptionError
        With the nearest spelling.
    """
    known = [p for p in inspect.signature(fit).parameters if p not in ("formula", "data")]
    known = [p for p in known if p not in excluded]
    for name in options:
        if name not in known:
            raise OptionError(f"{verb}() has no argument {name!r}.{nearest_names(name, known)}")
