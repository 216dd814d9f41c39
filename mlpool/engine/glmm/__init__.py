"""Generalised linear mixed models on arrays: rows' likelihoods, modes, Laplace and quadrature.

May import the engine's blocks and eliminations, families and errors; no frames, formulas or text.
Start reading in ``fit.py``.
"""

from mlpool.engine.glmm.fit import fit_glmm
from mlpool.engine.glmm.types import GlmmData, GlmmFit

__all__ = ["GlmmData", "GlmmFit", "fit_glmm"]
