"""The types that a model file may hold, which of their fields hold rows, and what fits a field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from mlpool.designs.least_squares import AbsorbedOls
from mlpool.designs.residual_facts import ResidualNames
from mlpool.engine.glmm.types import GlmmFit, Inference, LevelScores
from mlpool.engine.pooling.absorbed_factor import AbsorbedFit, Addresses
from mlpool.engine.residual.types import ResidualFit
from mlpool.engine.types import Control, Diagnostic, LmmFit, MonteCarlo, OlsFit, Optimum
from mlpool.estimates.grids.variables import VariableSummary
from mlpool.families import Family
from mlpool.formula.contrast_coding import Contrasts, Dummies, GivenContrasts
from mlpool.formula.design import Design
from mlpool.formula.design_matrix import DesignMatrix, FactorPart, NumberPart
from mlpool.formula.functions.values import FactorValue, MatrixValue, NumberValue
from mlpool.formula.newdata import Encoding
from mlpool.formula.random_terms import RandomDesign
from mlpool.formula.residual_structure import (
    CorrelationTerm,
    DispersionTerm,
    ResidualStructure,
)
from mlpool.formula.types import BarStructure, ColumnInfo, ColumnPart
from mlpool.frames.levels import Column
from mlpool.inference.residual.information import ResidualInformation, WaldScale
from mlpool.inference.small_sample.information import VarianceInformation
from mlpool.inference.structured import StructuredInformation
from mlpool.models.fitted import FittedModel
from mlpool.models.generalized_mixed import GeneralizedLinearMixedModel
from mlpool.models.mixed import LinearMixedModel
from mlpool.models.mixed_model import MixedModel
from mlpool.models.residual_covariance import ResidualModel
from mlpool.models.single_level import GeneralizedLinearModel, LinearModel
from mlpool.performance.variance_components import DesignMoments
from mlpool.sources.absent_rows import AbsentRows
from mlpool.typing import Entries
from mlpool.uncertainty.covariance import VcovChoice
from mlpool.uncertainty.model_protocol import EstimatedModel

MODELS = (
    LinearModel, GeneralizedLinearModel, LinearMixedModel, GeneralizedLinearMixedModel,
    ResidualModel,
)  # fmt: skip

RECORDS: dict[str, type] = {
    one.__name__: one
    for one in (
        *MODELS, Design, DesignMatrix, NumberPart, FactorPart, Dummies, Contrasts, GivenContrasts,
        RandomDesign,
        Encoding, FactorValue, ColumnInfo, ColumnPart, Column, Control, Diagnostic, Optimum, OlsFit,
        LmmFit, MonteCarlo, GlmmFit, Inference, LevelScores, AbsorbedOls, AbsorbedFit, Addresses,
        Family,
        VcovChoice, VarianceInformation, DesignMoments, VariableSummary, NumberValue, MatrixValue,
        ResidualFit, ResidualInformation, WaldScale, ResidualNames, ResidualStructure,
        CorrelationTerm, DispersionTerm, StructuredInformation, BarStructure,
    )
}  # fmt: skip
"""Name in a file -> type. A name that is not here is refused; nothing is imported by name."""

ROW_FIELDS: dict[type, frozenset[str]] = {
    Design: frozenset({"y", "trials", "weights", "offset", "cluster", "kept"}),
    NumberPart: frozenset({"arrays"}),
    FactorPart: frozenset({"codes"}),
    RandomDesign: frozenset({"codes"}),
    OlsFit: frozenset({"fitted", "working_weights", "working_resid"}),
    AbsorbedOls: frozenset({"fitted"}),
    GlmmFit: frozenset({"scores"}),
    ResidualFit: frozenset({"fitted", "fitted_fixed", "scale"}),
    VcovChoice: frozenset({"clusters"}),
    Column: frozenset({"values", "is_missing"}),
}
"""Fields whose arrays have one entry per row of the data: left out unless asked for."""

NOT_SAVED = frozenset({"_cache", "raw"})
"""Fields that are made again when they are needed."""


def saved_fields(kind: type) -> list[Field[Any]]:
    """Return the fields of a record type that a file holds."""
    return [f for f in fields(kind) if f.name not in NOT_SAVED]


def is_required(one: Field[object]) -> bool:
    """Return whether a field has no default."""
    return one.default is MISSING and one.default_factory is MISSING


@cache
def hints_of(kind: object) -> dict[str, Any]:
    """Return the resolved annotations of a record type or function."""
    # facts name their models for type checkers only: they stand below them
    models = {one.__name__: one for one in (*MODELS, FittedModel, MixedModel, EstimatedModel)}
    return get_type_hints(kind, localns=models, include_extras=True)


def fits(value: object, hint: object) -> bool:
    """Return whether a value is what an annotation says.

    Examples
    --------
    >>> fits((1.0, 2.0), tuple[float, ...]), fits("a", int | None)
    (True, False)
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in arguments)
    if origin is Literal:
        return isinstance(value, str) and value in arguments
    if origin is Annotated:
        return isinstance(value, AbsentRows) or _is_array(value, arguments[1:])
    if origin is list:
        return isinstance(value, list) and all(fits(v, arguments[0]) for v in value)
    if origin is Sequence:
        return isinstance(value, tuple) and all(fits(v, arguments[0]) for v in value)
    if origin is tuple:
        return isinstance(value, tuple) and _fits_each(value, arguments)
    if origin in (dict, Mapping):
        return isinstance(value, dict) and all(
            isinstance(k, str) and fits(v, arguments[1]) for k, v in value.items()
        )
    if origin is Callable:
        return callable(value)
    return _is_one(value, hint)


def _is_one(value: Any, hint: Any) -> bool:
    if hint in (None, NoneType):
        return value is None
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _fits_each(values: tuple[object, ...], hints: tuple[object, ...]) -> bool:
    if len(hints) == 2 and hints[1] is Ellipsis:
        return all(fits(v, hints[0]) for v in values)
    return len(values) == len(hints) and all(fits(v, h) for v, h in zip(values, hints, strict=True))


def _is_array(value: object, declared: tuple[object, ...]) -> bool:
    entries = [one for one in declared if isinstance(one, Entries)]
    return isinstance(value, np.ndarray) and all(one.fit(value) for one in entries)
