"""The record of a model's engine by its type: `m.kind` says which one it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mlpool.designs.least_squares import AbsorbedOls
from mlpool.engine.glmm.types import GlmmFit
from mlpool.engine.residual.types import ResidualFit
from mlpool.engine.types import LmmFit, OlsFit

if TYPE_CHECKING:
    from mlpool.engine.types import FitRecord


class HasRecord(Protocol):
    """What holds a record: a fitted model."""

    @property
    def fit(self) -> FitRecord:
        """The engine's record."""


def ols_fit(m: HasRecord) -> OlsFit | AbsorbedOls:
    """Return the record of an lm or glm."""
    assert isinstance(m.fit, OlsFit | AbsorbedOls)
    return m.fit


def lmm_fit(m: HasRecord) -> LmmFit:
    """Return the record of an lmer."""
    assert isinstance(m.fit, LmmFit)
    return m.fit


def glmm_fit(m: HasRecord) -> GlmmFit:
    """Return the record of a glmer."""
    assert isinstance(m.fit, GlmmFit)
    return m.fit


def residual_fit(m: HasRecord) -> ResidualFit:
    """Return the record of a model with a residual covariance."""
    assert isinstance(m.fit, ResidualFit)
    return m.fit


def mixed_fit(m: HasRecord) -> LmmFit | GlmmFit | ResidualFit:
    """Return a record with theta, modes and their covariances."""
    assert isinstance(m.fit, LmmFit | GlmmFit | ResidualFit)
    return m.fit


def linear_fit(m: HasRecord) -> OlsFit | AbsorbedOls | LmmFit | ResidualFit:
    """Return a record with sigma and the unscaled covariance of the coefficients."""
    assert isinstance(m.fit, OlsFit | AbsorbedOls | LmmFit | ResidualFit)
    return m.fit
