"""Small data for generalised mixed models: every family with every structure of random effects."""

from __future__ import annotations

import numpy as np

from mlpool.engine.glmm.types import GlmmData
from mlpool.engine.types import ArrayRows, ReTerm
from mlpool.families import _LINKS, Family

FAMILIES = [(name, link) for name, links in _LINKS.items() for link in links]
N = 96


def structures(x):
    """Terms by name: one factor, slopes, crossed, nested, and all of it together."""
    one, both = np.ones((N, 1)), np.column_stack([np.ones(N), x])
    g = np.repeat(np.arange(12), 8)
    h = (np.arange(N) * 7) % 5
    wide, other = g // 4, np.arange(N) % 4

    def term(z, codes, factor):
        return ReTerm(z=ArrayRows(z), codes=codes, n_levels=int(codes.max()) + 1, factor=factor)

    return {
        "intercept": (term(one, g, 0),),
        "slope": (term(both, g, 0),),
        "independent": (term(one, g, 0), term(x[:, None], g, 0)),
        "crossed": (term(one, g, 0), term(both, h, 1)),
        "nested": (term(both, g, 0), term(both, wide, 1)),
        "all": (
            term(both, g, 0), term(one, h, 1), term(one, wide, 2), term(x[:, None], h, 1),
            term(one, other, 3),
        ),
    }  # fmt: skip


STRUCTURES = tuple(structures(np.linspace(-1, 1, N)))


def centre_of(family, link):
    """A linear predictor about which every mean is possible."""
    if (family, link) == ("binomial", "log"):
        return -3.0
    if (family, link) == ("binomial", "identity"):
        return 0.5
    if family in ("Gamma", "inverse.gaussian", "gaussian") and link != "log":
        return 4.0
    return 5.0 if link in ("identity", "sqrt") else 0.0


def make(family, link, structure, seed=0, *, shuffle=False):
    """Data of one family and structure; the offset holds the centre."""
    rng = np.random.default_rng(seed)
    x = 0.5 * rng.normal(size=N)
    terms = structures(x)[structure]
    made = Family(family, link)
    centre = centre_of(family, link)
    mu = made.inverse(centre + 0.3 * x + 0.2 * rng.normal(size=12)[np.repeat(np.arange(12), 8)])
    if family == "binomial":
        mu = np.clip(mu, 0.05, 0.95)
    draw = {
        "binomial": lambda: rng.binomial(3, mu) / 3,
        "poisson": lambda: rng.poisson(mu) * 1.0,
        "nbinom1": lambda: rng.poisson(mu) * 1.0,
        "nbinom2": lambda: rng.poisson(mu) * 1.0,
        "Gamma": lambda: rng.gamma(3, mu / 3),
        "inverse.gaussian": lambda: rng.wald(mu, 3),
        "gaussian": lambda: mu + 0.1 * rng.normal(size=N),
    }
    y = draw[family]()
    if (family, link) == ("binomial", "identity"):
        y = np.clip(y, 1 / 3, 2 / 3)  # the modes of a level of failures alone are on the edge
    X = np.column_stack([np.ones(N), x])
    order = rng.permutation(N) if shuffle else np.arange(N)
    return GlmmData(
        y=y[order],
        X=ArrayRows(X[order]),
        terms=tuple(
            ReTerm(
                z=ArrayRows(t.z.rows(0, N)[order]), codes=t.codes[order], n_levels=t.n_levels,
                factor=t.factor,
            )
            for t in terms
        ),
        family=made,
        trials=np.full(N, 3.0) if family == "binomial" else None,
        offset=np.full(N, centre) if centre else None,
    )  # fmt: skip


def point(problem, family, *, joint=False):
    """A point of the parameter space: theta, gamma (unless joint) and the log of the shape."""
    theta = np.where(problem.template.is_diagonal, 0.2, 0.05)
    if problem.offset is not None:
        theta = theta / 2
    parts = [theta] if joint else [theta, np.array([0.05, 0.1])]
    if problem.has_shape:
        parts.append(np.array([-3.0 if family == "gaussian" else 0.3]))
    return np.concatenate(parts)
