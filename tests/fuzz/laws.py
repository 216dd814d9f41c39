"""Laws that need no reference: other units, zeros and orders of the data; strict arithmetic."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import mlpool
from tests.fuzz.designs import Study, warned
from tests.fuzz.lmm import far, takes_up_its_effects

REL = 2e-4
"""theta stops where the deviance is flat to rounding; df and intervals magnify that."""

ROUNDED = 1e-13
"""Share of a number that its rounding is: what a shift leaves of equal ones."""


@dataclass(frozen=True)
class Law:
    """What is done to the data, and what a number in units of y is multiplied by."""

    name: str
    change: Callable[[pd.DataFrame], pd.DataFrame]
    y: float = 1.0
    shifts: bool = False
    order: np.ndarray | None = None


def laws_of(study: Study) -> list[Law]:
    """Return some laws, drawn by the study's seed."""
    rng = np.random.default_rng([study.seed, 5])
    order = rng.permutation(len(study.data))
    laws = [
        Law("rows", lambda d: d.iloc[order].reset_index(drop=True), order=order),
    ]
    used = [name for name in ("x1", "x2", "x3") if name in study.formula]
    linear = study.kind in ("lm", "lmer")
    if used:
        laws.append(_scaled(str(rng.choice(used)), 10.0 ** rng.choice([-9, -6, -3, 3, 6, 9])))
    shiftable = [] if "||" in study.formula or "0 +" in study.formula else [
        name for name in used if f":{name}" not in study.formula and f"{name}:" not in study.formula
    ]  # fmt: skip
    if shiftable:
        at, sds = str(rng.choice(shiftable)), float(rng.choice([30.0, 1000.0]))
        laws.append(_shifted(at, sds * study.data[at].std(), f"{at} + {sds:g} SDs"))
    if linear:
        c = 10.0 ** rng.choice([-9, -6, -3, 3, 6, 9])
        laws.append(Law(f"y * {c:g}", lambda d: d.assign(y=d.y * c, o=d.o * c), y=c))
        if "0 +" not in study.formula:
            laws.append(_shifted("y", 10.0 ** rng.uniform(0, 3) * study.data.y.std(), "y + SDs"))
    return laws


def _scaled(name: str, c: float) -> Law:
    return Law(f"{name} * {c:g}", lambda d: d.assign(**{name: d[name] * c}))


def _shifted(name: str, by: float, text: str) -> Law:
    return Law(text, lambda d: d.assign(**{name: d[name] + by}), shifts=True)


def facts(study: Study) -> Iterator[str]:
    """Yield what does not hold."""
    try:
        (m, w) = warned(study.fit)
        base = answers(m, study)
    except mlpool.MlpoolError as error:
        base, m, w = {"refused": ("1", _plain(str(error)))}, None, []
    base["warned"] = ("1", sorted(set(w)))
    yield from _strictly(study, m)
    if m is not None and any("infinity" in text for text in m.messages):
        return  # numbers shown are where the search stopped
    # Where the levels' means are fixed, too, the variance is judged at the predictors' mean.
    confounded = m is not None and takes_up_its_effects(m, study)
    for law in laws_of(study):
        if confounded and law.shifts:
            continue
        try:
            (other, w) = warned(lambda law=law: study.fit(law.change(study.data)))
            got = answers(other, study)
        except mlpool.MlpoolError as error:
            got, w = {"refused": ("1", _plain(str(error)))}, []
        got["warned"] = ("1", sorted(set(w)))
        yield from (f"[{law.name}] {text}" for text in _differences(base, got, law))


def _strictly(study: Study, m: Any) -> Iterator[str]:
    """Hold the fit to itself where floating-point warnings are errors."""
    if m is None:
        return
    with np.errstate(all="raise", under="ignore"):
        try:
            again, _ = warned(study.fit)
            answers(again, study)
        except FloatingPointError as error:
            import traceback

            place = traceback.extract_tb(error.__traceback__)[-1]
            yield f"[strict] {error} in {place.filename.split('mlpool/')[-1]}:{place.lineno}"
            return
    if far(again.fixef().to_numpy(), m.fixef().to_numpy(), 1e-12):
        yield "[strict] other coefficients"


Answers = dict[str, tuple[str, Any]]
"""Name -> (unit, value). Units: "1", "y", "row y" (a value per row of the data), "slope" (one per
coefficient, with the mask of those that a shift leaves alone)."""


def answers(m: Any, study: Study) -> Answers:
    """Return numbers of a model that laws can be told of."""
    out: Answers = {}
    slopes = np.array(["Intercept" not in n for n in m.names], dtype=bool)

    def table(name: str, **options: Any) -> None:
        t = mlpool.model_parameters(m, effects="fixed", **options).to_pandas()
        for column in ("t", "z", "df_error", "p"):
            if column in t:
                out[f"{name} {column}"] = ("slope", (t[column].to_numpy(float), slopes))

    out["messages"] = ("1", [_plain(text) for text in m.messages])
    out["singular"] = ("1", m.is_singular)
    out["converged"] = ("1", m.optimum is None or m.optimum.converged)
    out["aliased"] = ("1", sorted(m.aliased))
    out["fitted"] = ("row y", m.fitted.to_numpy())
    out["sigma"] = ("y", m.sigma if m.kind in ("lm", "lmer") else 1.0)
    table("wald")
    out["r2"] = ("1", _numbers(mlpool.r2(m)))
    if m.kind == "lm":
        table("HC3", vcov="HC3")
    if m.kind == "lmer":
        table("satterthwaite", ci_method="satterthwaite")
        if m.reml:
            table("kenward", ci_method="kenward")
    if m.is_mixed:
        out["icc"] = ("1", _numbers(mlpool.icc(m)))
    if m.kind == "lm" and len(m.names) > 1:
        out["anova"] = ("1", _numbers(mlpool.anova(m, type=2))[:, -2:])
    return out


def _numbers(table: Any) -> np.ndarray:
    frame = table.to_pandas() if hasattr(table, "to_pandas") else table
    if isinstance(frame, pd.DataFrame):
        return frame.select_dtypes("number").to_numpy(float)
    if hasattr(frame, "to_frame"):
        return frame.to_frame().select_dtypes("number").to_numpy(float)
    return np.asarray([frame], dtype=float)


def _plain(text: str) -> str:
    """Return a sentence without its numbers."""
    return re.sub(r"-?\d+(\.\d+)?(e[-+]?\d+)?", "#", text)


def _differences(base: Answers, got: Answers, law: Law) -> Iterator[str]:
    for name, (unit, want) in base.items():
        if name not in got:
            yield f"{name} is missing: {got.get('refused')}"
            continue
        have = got[name][1]
        if unit == "slope":
            (want, rows), (have, _) = want, have
            if law.shifts and want.shape == have.shape:
                want, have = want[rows], have[rows]
            excess = far(have, want, 20 * REL if name.endswith(" p") else REL, 1e-5)
        elif unit in ("y", "row y"):
            size = float(np.abs(have).max(initial=0.0))
            want, have = _as_told(np.asarray(want, dtype=float), have, law, rows=unit != "y")
            floor = REL * np.abs(want).max(initial=0.0) + ROUNDED * size
            excess = far(have, want, REL, floor)
        elif isinstance(want, np.ndarray):
            excess = far(have, want, 20 * REL, 1e-5)
        else:
            excess = float(want != have)
        if excess:
            yield f"{name}: {_short(want)} became {_short(have)}"


def _as_told(want: np.ndarray, have: Any, law: Law, *, rows: bool) -> tuple[Any, Any]:
    """Return numbers in units of y as the law tells them, about their mean where it shifts."""
    want = want * law.y
    if rows and law.order is not None:
        want = want[law.order]
    if rows and law.shifts:
        return want - want.mean(), have - np.mean(have)
    return want, have


def _short(value: Any) -> str:
    return np.array2string(value, threshold=8) if isinstance(value, np.ndarray) else str(value)
