"""Random designs of generalised mixed models, drawn from the model they are fitted with."""

from __future__ import annotations

import numpy as np

from mlpool.engine.glmm.types import GlmmData
from mlpool.engine.types import ArrayRows, ReTerm
from mlpool.families import _LINKS, Family

FAMILIES = [(name, link) for name, links in _LINKS.items() for link in links]
STRUCTURES = ("intercept", "slope", "independent", "crossed", "nested")


def random_design(seed: int) -> GlmmData:
    """Few clusters, strong or rare effects, predictors that differ within or between clusters."""
    rng = np.random.default_rng([11, seed])
    name, link = FAMILIES[seed % len(FAMILIES)]
    family = Family(name, link)
    J, size = int(rng.integers(4, 16)), int(rng.integers(3, 10))
    n = J * size
    g = np.repeat(np.arange(J), size)
    x = rng.normal(size=J)[g] if rng.random() < 0.3 else rng.normal(size=n)
    x = x * rng.choice([0.3, 1.0])
    X = np.column_stack([np.ones(n), x])
    terms, random = _terms(rng, g, x)
    strength = rng.choice([0.0, 0.3, 1.0, 3.0], p=[0.2, 0.4, 0.3, 0.1])
    eta = rng.choice([0.0, 0.5, 2.0]) * x + strength * random
    mu = family.inverse(_placed(family, eta, float(rng.choice([-3.0, -1.0, 0.0, 1.0, 2.0]))))
    trials = None
    if name == "binomial":
        m = rng.integers(1, 12, n) if rng.random() < 0.4 else np.ones(n, dtype=int)
        y = rng.binomial(m, np.clip(mu, 0.0, 1.0)) / m
        trials = m.astype(np.float64)
    else:
        y = _drawn(rng, family, mu)
    return GlmmData(y=y, X=ArrayRows(X), terms=terms, family=family, trials=trials)


def _terms(rng, g, x):
    n, J = len(g), int(g.max()) + 1
    one, slope = np.ones((n, 1)), x[:, None]
    structure = rng.choice(STRUCTURES)
    h = rng.integers(0, int(rng.integers(3, 9)), n) if structure == "crossed" else g // 3
    h = np.unique(h, return_inverse=True)[1]

    def term(z, codes, factor):
        return ReTerm(z=ArrayRows(z), codes=codes, n_levels=int(codes.max()) + 1, factor=factor)

    a, b, c = rng.normal(size=J)[g], rng.normal(size=J)[g], rng.normal(size=int(h.max()) + 1)[h]
    match structure:
        case "intercept":
            return (term(one, g, 0),), a
        case "slope":
            return (term(np.hstack([one, slope]), g, 0),), a + 0.5 * b * x
        case "independent":
            return (term(one, g, 0), term(slope, g, 0)), a + 0.5 * b * x
    return (term(one, g, 0), term(one, h, 1)), a + 0.7 * c


def _placed(family, eta, centre):
    """The predictor moved and squeezed into the family's range."""
    if family.name == "binomial":
        if family.link == "log":
            return np.minimum(eta - 2.0, -0.05)
        if family.link == "identity":
            return np.clip(0.4 + 0.15 * eta, 0.02, 0.98)
        return eta + centre
    if family.link == "log":
        return eta + centre
    if family.name == "gaussian":
        return eta + 5.0 if family.link == "identity" else np.maximum(0.3 * eta + 2.0, 0.2)
    return np.maximum(0.5 * eta + 1.0 + abs(centre), 0.15)


def _drawn(rng, family, mu):
    shape = float(rng.choice([0.5, 2.0, 10.0]))
    match family.name:
        case "poisson":
            return rng.poisson(np.minimum(mu, 1e4)) * 1.0
        case "nbinom1" | "nbinom2":
            return rng.poisson(np.minimum(mu, 1e4) * rng.gamma(shape, 1.0 / shape, len(mu))) * 1.0
        case "Gamma":
            return np.maximum(rng.gamma(shape, mu / shape), 1e-6)
        case "inverse.gaussian":
            return np.maximum(rng.wald(mu, shape * mu.mean()), 1e-6)
    return mu + float(rng.choice([0.1, 0.5])) * rng.normal(size=len(mu))
