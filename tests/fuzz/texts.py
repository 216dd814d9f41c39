"""Any text as a formula: a model that files, updates and its own text keep, or one sentence."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import mlpool
from mlpool.formula import parse_formula
from tests.formula.test_fuzz import DATA, formula
from tests.fuzz.runner import Failure, run

RIGHT = [
    "x", "z", "k", "b", "f", "g", "o", "log(z)", "poly(x, 2)", "I(x^2)", "scale(x)", "factor(k)",
    "x:f", "f:b", "bs(z, df = 4)", "x*f", "offset(z)", "ifelse(x > 0, 1, z)", "C(f, contr.sum)",
    "`odd \\`name (1)`", "sqrt(z)", "relevel(f, ref = 'v')", "x %in% f", "0", "I(x > 0 & z < 5)",
    "cut(z, 3)", "pmin(x, 0)", "as.numeric(f)", "day", "exp(x)", "x - 1", "(x + z)^2", "x / f",
]  # fmt: skip
BARS = ["(1 | g)", "(x | g)", "(x || g)", "(1 | g/f)", "(0 + x | g)", "(1 | g:f)", "(f | g)"]
FAMILIES = [None, None, None, "gaussian", "poisson", "binomial"]
LEFT = {"poisson": "k", "binomial": "b"}


def right(rng: random.Random, family: str | None) -> str:
    """Return a formula that somebody might write."""
    terms = [rng.choice(RIGHT) for _ in range(rng.choice([1, 1, 2, 3]))]
    if rng.random() < 0.4:
        terms.append(rng.choice(BARS))
    left = LEFT.get(family or "", rng.choice(["y", "y", "y", "I(y * 2)", "exp(y)"]))
    return f"{left} ~ {' + '.join(terms)}"


def attempt(seed: int) -> None:
    """Fit a formula; if it fits, save, load, update and read it back."""
    rng = random.Random(seed)
    family = rng.choice(FAMILIES)
    text = right(rng, family) if rng.random() < 0.6 else formula(rng)
    before, what = DATA.copy(), f"{text!r} {family}"
    m = run(lambda: mlpool.fit(text, DATA, family=family), what)
    if not DATA.equals(before):
        raise Failure(f"{what}: the data were changed")
    if isinstance(m, Exception):
        return
    parsed = m.formula
    if str(parse_formula(str(parsed))) != str(parsed):
        raise Failure(f"{what}: {parsed} reads back as another formula")
    again = run(lambda: filed(m), what)
    held(m, again, what, "the loaded model")
    held(m, run(lambda: m.update(str(parsed)), what), what, "update(own text)")
    told = run(lambda: (str(m), str(m.summary()), str(mlpool.model_parameters(m))), what)
    if isinstance(told, Exception):
        raise Failure(f"{what}: no tables: {told}")


def filed(m: Any) -> Any:
    """Return the model as a file keeps it."""
    with tempfile.TemporaryDirectory() as folder:
        return mlpool.load_model(m.save(Path(folder) / "m.mlpool"))


def held(m: Any, other: Any, what: str, who: str) -> None:
    """Hold two models to the same coefficients and predictions of rows, many and one."""
    if isinstance(other, Exception):
        raise Failure(f"{what}: {who} is refused: {str(other)[:200]}")
    if other.names == m.names == []:
        return  # offsets alone
    if other.names != m.names or not np.allclose(
        other.fixef(),
        m.fixef(),
        rtol=1e-5,
        atol=1e-7 * np.nanmax(np.abs(m.fixef())),
        equal_nan=True,
    ):
        raise Failure(f"{what}: {who} has other coefficients")
    rows = DATA.iloc[:6]
    both = [run(lambda one=one: np.asarray(one.predict(rows), float), what) for one in (m, other)]
    if any(isinstance(p, Exception) for p in both):
        if not all(isinstance(p, Exception) for p in both):
            raise Failure(f"{what}: one of two predicts: {both}"[:300])
        return
    size = np.nanmax(np.abs(both[0]), initial=1e-300)
    if not np.allclose(*both, rtol=1e-4, atol=1e-5 * size, equal_nan=True):
        raise Failure(f"{what}: {who} predicts otherwise")
    one = run(lambda: np.asarray(m.predict(DATA.iloc[[2]]), float), what)
    if isinstance(one, Exception) or not np.allclose(one, both[0][2], rtol=1e-7, equal_nan=True):
        raise Failure(f"{what}: one row is predicted as {one}, with others as {both[0][2]}")
