"""Random data sets and models of every kind, each made from one seed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

import mlpool
from mlpool.families import Family

KINDS = ("lm", "glm", "lmer", "glmer")

LINKS = {
    "binomial": ("logit", "probit", "cloglog"),
    "poisson": ("log", "sqrt"),
    "Gamma": ("log", "inverse"),
    "gaussian": ("log",),
    "inverse.gaussian": ("log",),
}


@dataclass(frozen=True, kw_only=True)
class Study:
    """One data set and the model that is fitted to it.

    Attributes
    ----------
    seed : int
    kind : {"lm", "glm", "lmer", "glmer"}
    formula : str
    data : DataFrame
        Columns y, x1 .. x3 (numbers), f (factor of three levels), z (twice x1), g, h, k (groups), w
        (weights), o (offset), of which the formula uses some.
    options : dict
        Arguments of the fit beside formula and data.
    """

    seed: int
    kind: str
    formula: str
    data: pd.DataFrame
    options: dict[str, Any] = field(default_factory=dict)

    def fit(self, data: pd.DataFrame | None = None, **changes: Any) -> Any:
        """Return the fitted model; what it warns of is in `warned`."""
        return getattr(mlpool, self.kind)(
            self.formula, self.data if data is None else data, **{**self.options, **changes}
        )


def warned(ask: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Return a result and the classes of mlpool's warnings on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = ask()
    return result, [w.category.__name__ for w in caught]


def make_study(seed: int, kind: str | None = None) -> Study:
    """Return the study of a seed; the kind goes round with the seed unless it is said."""
    rng = np.random.default_rng([seed, 77])
    kind = kind or ("lmer", "lm", "lmer", "glm", "lmer", "glmer")[seed % 6]
    if kind in ("lm", "glm"):
        return _single(rng, seed, kind)
    return _mixed(rng, seed, kind)


# --- columns ------------------------------------------------------------------------------------


def _sizes(rng: np.random.Generator, J: int, n: int) -> np.ndarray:
    """Return cluster sizes that add up to about n: balanced, uneven, or with singletons."""
    style = rng.integers(4)
    mean = max(n // J, 1)
    if style == 0:
        return np.full(J, mean)
    if style == 1:
        return rng.integers(1, 2 * mean + 1, J)
    if style == 2:
        return np.maximum(1, np.round(mean * rng.lognormal(0, 0.7, J)).astype(int))
    sizes = np.full(J, mean)
    sizes[rng.random(J) < 0.3] = 1
    return sizes


def _predictor(rng: np.random.Generator, codes: np.ndarray) -> np.ndarray:
    """Return a predictor: within, between or mixed; whole numbers, years or dollars at times."""
    n, J = codes.size, codes.max() + 1
    style = rng.integers(6)
    x = rng.normal(size=n)
    if style == 1:
        x = rng.normal(size=J)[codes]
    elif style == 2:
        x = x + rng.normal(size=J)[codes]
    elif style == 3:
        x = rng.integers(0, 8, n).astype(float)
    elif style == 4:
        x = (rng.random(n) < 0.4).astype(float)
    extra = rng.integers(8)
    if extra == 0:
        x = np.round(10 * x) + 2000.0
    elif extra == 1:
        x = x * 3e4 + 5e4
    elif extra == 2:
        x = x * 10.0 ** rng.integers(-9, 10)
    return x


def _columns(rng: np.random.Generator, n: int, J: int) -> pd.DataFrame:
    g = np.repeat(np.arange(J), _sizes(rng, J, n))
    n = g.size
    H = int(rng.integers(2, max(3, J // 2 + 1)))
    K = int(rng.integers(2, 9))
    d = pd.DataFrame(
        {"g": g, "h": g % H, "k": rng.integers(0, K, n), "f": rng.choice(list("abc"), n)}
    )
    for i in (1, 2, 3):
        d[f"x{i}"] = _predictor(rng, g)
    d["z"] = 2.0 * d["x1"]
    d["w"] = rng.uniform(0.3, 3.0, n) * 10.0 ** (rng.integers(-3, 4) if rng.random() < 0.2 else 0)
    d["o"] = rng.normal(size=n)
    return d.assign(g=_labels(d.g, "g"), h=_labels(d.h, "h"), k=_labels(d.k, "k"))


def _labels(codes: pd.Series, letter: str) -> list[str]:
    return [f"{letter}{c:03d}" for c in codes]


def _fixed(rng: np.random.Generator) -> list[str]:
    terms = [f"x{i}" for i in (1, 2, 3) if rng.random() < 0.5]
    if rng.random() < 0.3:
        terms.append("f")
    if rng.random() < 0.15 and "x1" in terms:
        terms.append("f:x1" if "f" in terms else "x1:x2")
    if rng.random() < 0.1 and "x1" in terms:
        terms.append("z")
    return terms


def _trend(rng: np.random.Generator, d: pd.DataFrame, fixed: list[str]) -> np.ndarray:
    """Return the sum of the predictors' effects, each of about a unit, at times of thousands."""
    eta = np.zeros(len(d))
    for name in fixed:
        if name in ("x1", "x2", "x3"):
            x = d[name].to_numpy()
            size = 0.7 if rng.random() < 0.8 else 10.0 ** rng.uniform(1, 4)
            eta = eta + size * rng.normal() * (x - x.mean()) / (x.std() or 1.0)
    if "f" in fixed:
        eta = eta + rng.normal(size=3)[d["f"].map({"a": 0, "b": 1, "c": 2}).to_numpy()]
    return eta


# --- single-level models ------------------------------------------------------------------------


def _single(rng: np.random.Generator, seed: int, kind: str) -> Study:
    d = _columns(rng, int(rng.integers(15, 90)), int(rng.integers(3, 12)))
    fixed = _fixed(rng) or ["x1"]
    right = " + ".join(fixed)
    if kind == "lm" and rng.random() < 0.1:
        right = "0 + " + right
    options: dict[str, Any] = {}
    if rng.random() < 0.25:
        options["weights"] = "w"
    if rng.random() < 0.15 and kind == "lm":
        options["offset"] = "o"
    if kind == "lm":
        unit = 10.0 ** rng.integers(-9, 10) if rng.random() < 0.3 else 1.0
        shift = 10.0 ** rng.uniform(0, 4) if rng.random() < 0.3 else 0.0
        d["y"] = unit * (shift + _trend(rng, d, fixed) + rng.normal(size=len(d)))
        d["o"] *= unit
        return Study(seed=seed, kind=kind, formula=f"y ~ {right}", data=d, options=options)
    return _generalized(rng, seed, kind, d, fixed, f"y ~ {right}", np.zeros(len(d)))


def _generalized(
    rng: np.random.Generator, seed: int, kind: str, d: pd.DataFrame, fixed: list[str],
    formula: str, random: np.ndarray,
) -> Study:  # fmt: skip
    mixed = ["binomial", "binomial", "poisson", "Gamma"]
    family = str(rng.choice(list(LINKS) if kind == "glm" else mixed))
    link = str(rng.choice(LINKS[family]))
    if kind == "glmer" and family == "Gamma":
        link = "log"
    eta = np.clip(_trend(rng, d, fixed), -3, 3) * 0.5 + random
    if link in ("sqrt", "inverse"):
        eta = np.abs(eta) * 0.3 + 1.0
    mu = Family(family, link).inverse(eta)
    n = len(d)
    if family == "binomial":
        d["y"] = (rng.random(n) < mu).astype(float)
    elif family == "poisson":
        d["y"] = rng.poisson(np.clip(mu, 0, 1e4)).astype(float)
    elif family == "Gamma":
        d["y"] = rng.gamma(3.0, mu / 3.0) + 1e-8 * mu.mean()
    elif family == "inverse.gaussian":
        d["y"] = rng.wald(mu, 4.0)
    else:
        d["y"] = mu + 0.1 * rng.normal(size=n)
    options: dict[str, Any] = {"family": f"{family}({link})"}
    if rng.random() < 0.15 and link == "log":
        options["offset"] = "o"
    return Study(seed=seed, kind=kind, formula=formula, data=d, options=options)


# --- mixed models -------------------------------------------------------------------------------


def _bars(rng: np.random.Generator, *, small: bool) -> list[tuple[list[str], str, bool]]:
    """Return terms (slopes, grouping factor, independent)."""

    def slopes() -> list[str]:
        count = int(rng.choice([0, 1, 2, 3], p=[0.5, 0.35, 0.12, 0.03]))
        if small:
            count = min(count, 1)
        return [f"x{i + 1}" for i in range(count)]

    structure = rng.choice(["one", "nested", "crossed", "three"], p=[0.5, 0.18, 0.22, 0.1])
    factors = {"one": "g", "nested": "gh", "crossed": "gk", "three": "ghk"}[structure]
    return [(slopes() if i == 0 or rng.random() < 0.3 else [], name, bool(rng.random() < 0.2))
            for i, name in enumerate(factors)]  # fmt: skip


def _written(slopes: list[str], group: str, independent: bool) -> str:
    inside = " + ".join(["1", *slopes])
    return f"({inside} {'||' if independent and slopes else '|'} {group})"


def _effects(rng: np.random.Generator, d: pd.DataFrame, bars: Any, ratio: float) -> np.ndarray:
    eta = np.zeros(len(d))
    for slopes, group, _ in bars:
        codes = pd.factorize(d[group])[0]
        size = ratio * (0.0 if rng.random() < 0.1 else rng.uniform(0.3, 1.5))
        eta = eta + size * rng.normal(size=codes.max() + 1)[codes]
        for name in slopes:
            x = d[name].to_numpy()
            size = ratio * (0.0 if rng.random() < 0.25 else rng.uniform(0.2, 1.0))
            eta = eta + size * rng.normal(size=codes.max() + 1)[codes] * (x - x.mean()) / (
                x.std() or 1.0
            )
    return eta


def _mixed(rng: np.random.Generator, seed: int, kind: str) -> Study:
    J = int(rng.choice([3, 4, 5, 8, 12, 20]))
    d = _columns(rng, int(rng.integers(25, 110)), J)
    bars = _bars(rng, small=kind == "glmer")
    fixed = _fixed(rng)
    if rng.random() < 0.08:
        fixed.append(bars[-1][1])  # a factor that is fixed and random
    elif rng.random() < 0.3:
        fixed = list(dict.fromkeys([*bars[0][0], *fixed]))
    right = " + ".join([*(fixed or ["1"]), *(_written(*bar) for bar in bars)])
    if kind == "glmer":
        eta = _effects(rng, d, bars, 0.7)
        return _generalized(rng, seed, kind, d, fixed, f"y ~ {right}", eta)
    ratio = 10.0 ** rng.uniform(-4, 4) if rng.random() < 0.25 else 1.0
    unit = 10.0 ** rng.integers(-9, 10) if rng.random() < 0.3 else 1.0
    shift = 10.0 ** rng.uniform(0, 4) if rng.random() < 0.3 else 0.0
    if any(name.startswith("x") for name in fixed) and rng.random() < 0.1:
        right = "0 + " + right
    options: dict[str, Any] = {"REML": bool(rng.random() < 0.7)}
    w = np.ones(len(d))
    if rng.random() < 0.2:
        options["weights"], w = "w", d["w"].to_numpy()
    if rng.random() < 0.15:
        options["offset"] = "o"
    noise = rng.normal(size=len(d)) / np.sqrt(w / w.mean())
    d["y"] = unit * (shift + _trend(rng, d, fixed) + _effects(rng, d, bars, ratio) + noise)
    d["o"] *= unit
    return Study(seed=seed, kind=kind, formula=f"y ~ {right}", data=d, options=options)
