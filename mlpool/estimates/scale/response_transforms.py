"""Back from what the formula does to the outcome: ``log(y)``, ``sqrt(y)`` and their kin."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlpool.errors import OptionError
from mlpool.formula.types import Chain
from mlpool.typing import FloatArray

if TYPE_CHECKING:
    from mlpool.models import FittedModel

_BASES = {"log": math.e, "log2": 2.0, "log10": 10.0, "log1p": math.e}
KNOWN = (*_BASES, "sqrt")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformedResponse:
    """The outcome as a function of what the model predicts; stands where a family does.

    Attributes
    ----------
    link : str
        The response as the formula has it: ``log(y)``.
    function : str
    shift : float
        Constant added before the logarithm or the root.
    name : str
    """

    link: str
    function: str
    shift: float = 0.0
    name: str = "gaussian"

    @property
    def kin(self) -> str:
        """The family whose variance it has, as of a `Family`."""
        return self.name

    @property
    def base(self) -> float | None:
        """Base of a logarithm, of which contrasts are logarithms of ratios; None for others."""
        is_ratio = self.function in _BASES and self.shift == 0.0 and self.function != "log1p"
        return _BASES[self.function] if is_ratio else None

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Return the outcome of a prediction."""
        eta = np.asarray(eta, dtype=np.float64)
        if self.function == "sqrt":
            return np.asarray(np.maximum(eta, 0.0) ** 2 - self.shift)
        with np.errstate(over="ignore"):
            return np.asarray(_BASES[self.function] ** eta - self.shift)

    def curvature(self, eta: FloatArray) -> FloatArray:
        """Return the second derivative of the outcome by the prediction."""
        if self.function == "sqrt":
            return np.where(np.asarray(eta) > 0.0, 2.0, 0.0)
        return np.asarray(np.log(_BASES[self.function]) * self.derivative(eta))

    def derivative(self, eta: FloatArray) -> FloatArray:
        """Return the derivative of the outcome by the prediction."""
        eta = np.asarray(eta, dtype=np.float64)
        if self.function == "sqrt":
            return np.asarray(2.0 * np.maximum(eta, 0.0))
        base = _BASES[self.function]
        with np.errstate(over="ignore"):
            return np.asarray(np.log(base) * base**eta)


def transformed_response(model: FittedModel) -> TransformedResponse | None:
    """Return how to take predictions back to the outcome; None if the formula has it as it is.

    Raises
    ------
    OptionError
        For a transformation that is not known.
    """
    response = model.response
    tree = response.tree
    if isinstance(tree, ast.Name) or model.design.response_levels:
        return None
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and len(tree.args) == 1:
        shift = _shift(tree.args[0])
        name = tree.func.id
        if name in KNOWN and shift is not None and not tree.keywords:
            shift += 1.0 if name == "log1p" else 0.0
            return TransformedResponse(link=response.text, function=name, shift=shift)
    raise OptionError(
        f"Answers cannot be taken back from {response.text} to the scale of the outcome: that is "
        f"known for {', '.join(KNOWN)} of a column, or of a column plus a number."
    )


def _shift(tree: ast.AST) -> float | None:
    """Return c of ``y`` (0) or ``y + c``; None for anything else."""
    if isinstance(tree, ast.Name):
        return 0.0
    if isinstance(tree, Chain) and len(tree.ops) == 1 and isinstance(tree.ops[0], ast.Add):
        parts = [tree.left, *tree.comparators]
        numbers = [p.value for p in parts if isinstance(p, ast.Constant)]
        columns = [p for p in parts if isinstance(p, ast.Name)]
        if len(numbers) == len(columns) == 1 and isinstance(numbers[0], (int, float)):
            return float(numbers[0])
    return None
