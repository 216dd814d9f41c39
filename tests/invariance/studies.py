"""One made study and the six kinds of models fitted to it, whatever its columns are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import mlpool

ROLES = ("y", "b", "c", "x", "f", "g", "h", "k")
"""Response, 0/1 response, counts, predictor, factor, group, group of groups, crossed group."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Data and what their columns are called.

    Attributes
    ----------
    data : data frame
        Of any kind that mlpool reads.
    names : dict
        Role -> column name.
    """

    data: Any
    names: dict[str, str]

    def __getitem__(self, role: str) -> str:
        return self.names[role]

    def text(self, formula: str) -> str:
        """Return a formula written in roles with this study's names, in backticks."""
        words = formula.split()
        return " ".join(f"`{self.names[w]}`" if w in self.names else w for w in words)


def make_study(seed: int = 5) -> Study:
    """Return 144 rows of 12 groups in 4 larger ones, crossed with 8 others; x is 0, 1, ..., 9."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(12), 12)
    k = rng.permutation(np.tile(np.arange(8), 18))
    x = rng.integers(0, 10, 144)
    f = rng.choice(["low", "mid", "top"], 144)
    slope = 0.4 + 0.25 * rng.normal(size=12)[g]
    eta = 2 + slope * (x - 4.5) + (f == "mid") - 0.5 * (f == "top")
    eta = (
        eta
        + rng.normal(size=12)[g]
        + 0.8 * rng.normal(size=4)[g // 3]
        + 0.7 * rng.normal(size=8)[k]
    )
    y = eta + rng.normal(size=144)
    b = (rng.random(144) < 1 / (1 + np.exp(-0.6 * (eta - 2)))).astype(int)
    c = rng.poisson(np.exp(0.3 * (eta - 2)))
    labels = {"g": "abcdefghijkl", "h": "WXYZ", "k": "pqrstuvw"}
    data = pd.DataFrame(
        {
            "y": y, "b": b, "c": c, "x": x, "f": f,
            "g": [labels["g"][i] for i in g],
            "h": [labels["h"][i // 3] for i in g],
            "k": [labels["k"][i] for i in k],
        }
    )  # fmt: skip
    return Study(data=data, names={role: role for role in ROLES})


Fit = Callable[[Study], Any]


def _lm(s: Study) -> Any:
    return mlpool.lm(s.text("y ~ x + f"), s.data)


def _glm(s: Study) -> Any:
    return mlpool.glm(s.text("b ~ x + f"), s.data, family="binomial")


def _poisson(s: Study) -> Any:
    return mlpool.glm(s.text("c ~ x + f"), s.data, family="poisson")


def _lmer(random: str) -> Fit:
    return lambda s: mlpool.lmer(s.text(f"y ~ x + f + {random}"), s.data)


def _glmer(s: Study) -> Any:
    return mlpool.glmer(s.text("b ~ x + f + ( 1 | g )"), s.data, family="binomial")


KINDS: dict[str, Fit] = {
    "lm": _lm,
    "glm": _glm,
    "count": _poisson,
    "lmer": _lmer("( x | g )"),
    "nested": _lmer("( 1 | h / g )"),
    "crossed": _lmer("( x | g ) + ( 1 | k )"),
    "glmer": _glmer,
}
"""Kind of model -> how it is fitted to a study."""

LINEAR = ("lm", "lmer", "nested", "crossed")
MIXED = ("lmer", "nested", "crossed", "glmer")
LINEAR_MIXED = ("lmer", "nested", "crossed")
GENERALIZED = ("glm", "count", "glmer")
EVERY = tuple(KINDS)
