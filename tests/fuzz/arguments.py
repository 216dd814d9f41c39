"""Every argument of every public verb gets values that no one meant for it."""

from __future__ import annotations

import contextlib
import copy
import datetime
import decimal
import inspect
import random
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mlpool
from tests.fuzz.runner import Failure, run

N = 48


@cache
def data() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g = np.arange(N) % 8
    effect, x = rng.normal(size=8)[g], rng.normal(size=N)
    return pd.DataFrame(
        {
            "y": 1 + 0.5 * x + effect + rng.normal(size=N), "x": x, "z": rng.uniform(1, 3, N),
            "f": pd.Categorical(np.array([*"uvw"])[np.arange(N) // 2 % 3]),
            "g": np.array([*"abcdefgh"])[g], "h": np.array([*"pqrs"])[np.arange(N) // 3 % 4],
            "b": (rng.random(N) < 1 / (1 + np.exp(-x - effect))).astype(int),
            "k": rng.poisson(np.exp(0.3 * x + 0.5 + 0.4 * effect)),
        }
    )  # fmt: skip


@cache
def models() -> dict[str, Any]:
    d = data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "lm": mlpool.lm("y ~ x * f", d),
            "lm weights": mlpool.lm("y ~ x + f", d, weights="z", cluster="g"),
            "absorbed": mlpool.lm("y ~ x + g", d),
            "glm": mlpool.glm("b ~ x + f", d, "binomial"),
            "poisson": mlpool.glm("k ~ x + offset(log(z))", d, "poisson"),
            "lmer": mlpool.lmer("y ~ x + f + (1 | g)", d),
            "slope": mlpool.lmer("y ~ x + (x | g)", d, REML=False),
            "crossed": mlpool.lmer("y ~ x + (1 | g) + (1 | h)", d),
            "glmer": mlpool.glmer("b ~ x + (1 | g)", d, "binomial"),
            "counts": mlpool.glmer("k ~ x + f + (1 | g)", d, "poisson"),
        }


class Odd:
    """An object of the user's."""


def generator() -> Any:
    yield from (1.0, 2.0)


VALUES: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "-inf": lambda: float("-inf"),
    "-1": lambda: -1,
    "0": lambda: 0,
    "1": lambda: 1,
    "2": lambda: 2,
    "0.5": lambda: 0.5,
    "1.5": lambda: 1.5,
    "-0.5": lambda: -0.5,
    "10**30": lambda: 10**30,
    "10**400": lambda: 10**400,
    "True": lambda: True,
    "False": lambda: False,
    "''": lambda: "",
    "'a'": lambda: "a",
    "'x'": lambda: "x",
    "'g'": lambda: "g",
    "'f'": lambda: "f",
    "'no such'": lambda: "no such name",
    "'nul'": lambda: "a\0b",
    "'long'": lambda: "x" * 5000,
    "'~'": lambda: "y ~ x",
    "'é\\n'": lambda: "é\n\t{}%s",
    "'all'": lambda: "all",
    "b''": lambda: b"x",
    "[]": lambda: [],
    "()": lambda: (),
    "{}": lambda: {},
    "set()": lambda: {"x"},
    "[None]": lambda: [None],
    "[1, 'a']": lambda: [1, "a"],
    "['x']": lambda: ["x"],
    "['x', 'x']": lambda: ["x", "x"],
    "['x', 'f']": lambda: ["x", "f"],
    "[[1], [2, 3]]": lambda: [[1], [2, 3]],
    "[nan]": lambda: [float("nan")],
    "{'x': 1}": lambda: {"x": 1},
    "{'x': [1, 'a']}": lambda: {"x": [1, "a"]},
    "{'f': 'q'}": lambda: {"f": "q"},
    "{1: 2}": lambda: {1: 2},
    "{'a': None}": lambda: {"a": None},
    "object": Odd,
    "class": lambda: Odd,
    "function": lambda: lambda *a, **k: None,
    "generator": generator,
    "range": lambda: range(3),
    "complex": lambda: 1j,
    "Decimal": lambda: decimal.Decimal("0.5"),
    "date": lambda: datetime.date(2024, 1, 1),
    "array": lambda: np.arange(3.0),
    "array n": lambda: np.linspace(1, 2, N),
    "array n+1": lambda: np.ones(N + 1),
    "array (n, 2)": lambda: np.ones((N, 2)),
    "array 0-d": lambda: np.array(0.5),
    "array empty": lambda: np.array([]),
    "array nan": lambda: np.full(N, np.nan),
    "array text": lambda: np.array(["a"] * N),
    "array objects": lambda: np.array([Odd()] * N, dtype=object),
    "np.float32": lambda: np.float32(0.5),
    "np.int8": lambda: np.int8(3),
    "np.bool": lambda: np.bool_(True),
    "np.str": lambda: np.str_("x"),
    "np.nan": lambda: np.float64("nan"),
    "pd.NA": lambda: pd.NA,
    "NaT": lambda: pd.NaT,
    "Timestamp": lambda: pd.Timestamp("2024-01-01"),
    "Series": lambda: data()["x"].copy(),
    "Series other": lambda: pd.Series(np.ones(N), index=np.arange(N) + 1000),
    "Series short": lambda: pd.Series([1.0, 2.0]),
    "Series text": lambda: pd.Series(["a"] * N),
    "Series empty": lambda: pd.Series([], dtype=float),
    "Index": lambda: pd.Index(["x"]),
    "Series groups": lambda: data()["g"].copy(),
    "Series dup": lambda: pd.Series(np.ones(N), index=[0] * N),
    "frame": lambda: data().copy(),
    "frame empty": lambda: pd.DataFrame(),
    "frame 0 rows": lambda: data().iloc[:0].copy(),
    "frame 1 row": lambda: data().iloc[[3]].copy(),
    "frame other": lambda: pd.DataFrame({"q": [1, 2]}),
    "eye": lambda: np.eye(2),
    "frame nan": lambda: data()[["x", "f", "g", "z"]].assign(x=np.nan),
    "frame matrix": lambda: pd.DataFrame(np.eye(4), index=list("abcd"), columns=list("abcd")),
    "dict columns": lambda: {"x": [1.0], "f": ["u"], "g": ["zz"], "z": [1.0], "h": ["p"]},
    "model lm": lambda: models()["lm"],
    "model lmer": lambda: models()["lmer"],
    "model glmer": lambda: models()["glmer"],
    "table": lambda: mlpool.fixef(models()["lm"]),
    "result": lambda: mlpool.model_parameters(models()["lm"]),
    "module": lambda: mlpool,
    "seed": lambda: np.random.default_rng(1),
    "path": lambda: Path("no/such/file"),
    "slice": lambda: slice(None),
    "ellipsis": lambda: ...,
    "exception": lambda: ValueError("x"),
    "huge list": lambda: [0.5] * 20000,
    "deep": lambda: [[[[[["x"]]]]]],
    "'x = [1]'": lambda: "x = [1]",
    "'x=[sd'": lambda: "x=[sd",
    "'CR2'": lambda: "CR2",
    "'satterthwaite'": lambda: "satterthwaite",
    "'bonferroni'": lambda: "bonferroni",
    "'g:h'": lambda: "g:h",
    "'(Intercept)'": lambda: "(Intercept)",
}

MODEL = "model"
SMALL: dict[str, dict[str, Any]] = {
    "fit": {"formula": "y ~ x", "data": data},
    "lm": {"formula": "y ~ x + f", "data": data},
    "glm": {"formula": "b ~ x", "data": data, "family": "binomial"},
    "lmer": {"formula": "y ~ x + (1 | g)", "data": data},
    "glmer": {"formula": "b ~ x + (1 | g)", "data": data, "family": "binomial"},
    "getME": {"m": MODEL, "name": "theta"},
    "refit": {"m": MODEL, "y": lambda: data()["b"]},
    "update": {"m": MODEL, "formula": ". ~ . - x"},
    "bootstrap": {"m": MODEL, "n": 2, "seed": 1},
    "confint": {"m": MODEL, "method": "Wald"},
    "bootstrap_parameters": {"m": MODEL, "iterations": 2, "seed": 1},
    "compare_parameters": {"models": (MODEL,)},
    "anova": {"models": (MODEL,)},
    "test_likelihoodratio": {"models": (MODEL, MODEL)},
    "compare_performance": {"models": (MODEL,)},
    "AIC": {"m": MODEL},
    "BIC": {"m": MODEL},
    "compare_pooling": {"formula": "y ~ x + (1 | g)", "data": data},
    "coef_test": {"model": MODEL, "cluster": "g"},
    "wald_test": {"model": MODEL, "constraints": "x = 0", "cluster": "g", "iterations": 5},
    "wild_bootstrap": {"model": MODEL, "cluster": "g", "iterations": 5},
    "linear_hypothesis": {"model": MODEL, "hypotheses": "x = 0"},
    "p_adjust": {"p": [0.01, 0.2]},
    "check_autocorrelation": {"m": MODEL, "nsim": 3},
    "check_heterogeneity_bias": {"x": data, "select": "x", "by": "g"},
    "emmeans": {"model": MODEL, "specs": "f"},
    "pairs": {"model": MODEL, "specs": "f"},
    "emtrends": {"model": MODEL, "specs": "f", "var": "x"},
    "estimate_means": {"model": MODEL, "by": "f"},
    "estimate_slopes": {"model": MODEL, "trend": "x"},
    "estimate_contrasts": {"model": MODEL, "contrast": "f"},
    "load_data": {"name": "sleepstudy"},
    "factor": {"x": ["a", "b"]},
    "model_matrix": {"formula": "y ~ x", "data": data},
    "load_model": {"path": "no_such_file"},
    "simulate_clusters": {"n_clusters": 4, "n_per_cluster": 3, "seed": 1},
    "simulate_reversal": {"seed": 1},
    "simple_random_sample": {"population": data, "n": 5, "seed": 1},
    "two_stage_sample": {
        "population": data,
        "cluster": "g",
        "n_clusters": 2,
        "n_per_cluster": 2,
        "seed": 1,
    },
    "sampling_study": {
        "population": data,
        "value": "y",
        "cluster": "g",
        "n_clusters": 2,
        "n_per_cluster": 2,
        "draws": 5,
        "seed": 1,
    },
    "coverage_study": {"n_sims": 2, "methods": ["lm"], "progress": False, "seed": 1},
    "type_one_error_study": {"n_sims": 2, "methods": ["lm"], "progress": False, "seed": 1},
    "design_effect_study": {"draws": 5, "n_clusters": 4, "seed": 1},
    "simulate_power": {
        "n_sims": 2,
        "methods": ["lm"],
        "n_clusters": 4,
        "n_per_cluster": 3,
        "progress": False,
        "seed": 1,
    },
    "demean": {"data": data, "select": "x", "by": "g"},
    "degroup": {"data": data, "select": "x", "by": "g"},
    "center": {"data": data, "select": "x"},
    "standardize": {"data": data, "select": "x"},
    "describe_distribution": {"data": data},
    "data_codebook": {"data": data},
    "table_one": {"data": data, "variables": ["x", "f"], "by": "h"},
    "shrinkage": {"n": 5, "tau2": 1.0, "sigma2": 2.0},
    "pooling_estimate": {"means": [1.0, 2.0], "n": [3, 4], "tau2": 1.0, "sigma2": 2.0},
    "precision_weighted_mean": {"means": [1.0, 2.0], "Delta": [1.0, 2.0]},
    "design_effect": {"icc": 0.1, "n": 5},
    "deft": {"icc": 0.1, "n": 5},
    "effective_n": {"N": 100.0, "icc": 0.1, "n": 5},
    "equivalent_n": {"tau2": 1.0, "sigma2": 2.0},
    "variance_ratio": {"tau2": 1.0, "sigma2": 2.0},
    "se_pooling": {"psi": 1.0, "theta": 2.0, "J": 10.0, "n": 5.0},
    "plot_icc": {"n_groups": 3, "group_size": 3},
    "check_model": {"model": MODEL, "n_sim": 2},
    "theme_mlpool": {},
    "datasets": {},
    "Control": {},
    "icc": {"m": MODEL, "iterations": 2},
    "r2": {"m": MODEL, "iterations": 2},
}
"""Arguments with which every verb answers quickly; verbs that are not here take a model alone."""

OPTIONS: dict[str, list[str]] = {
    "fit": [],
    "lm": [
        "cluster",
        "vcov",
        "weights",
        "offset",
        "contrasts",
        "subset",
        "na_action",
        "engine",
        "control",
        "context",
    ],
    "predict": ["re_form", "type", "interval", "level", "se", "allow_new_levels"],
    "resid": ["scaled", "seed"],
    "summary": ["ddf", "correlation", "digits", "vcov", "cluster", "ci"],
    "plot": ["type", "points", "ci"],
}
OPTIONS["glm"] = OPTIONS["lmer"] = OPTIONS["glmer"] = OPTIONS["compare_pooling"] = OPTIONS["lm"]
for _verb in ("estimate_expectation", "estimate_link", "estimate_prediction"):
    OPTIONS[_verb] = ["ci", "vcov", "cluster", "include_random", "length", "preserve_range"]
for _verb in ("emmeans", "pairs", "emtrends"):
    OPTIONS[_verb] = ["ci", "vcov", "cluster", "estimate", "predict", "length"]
for _verb in ("coverage_study", "type_one_error_study", "simulate_power"):
    OPTIONS[_verb] = ["slope", "icc", "sigma", "sd_intercept", "binary_w", "family", "n_clusters"]

METHODS = [
    "confint", "predict", "refit", "residuals", "simulate", "standardized", "save", "update",
    "vcov", "conf_int", "summary", "tidy", "parameters",
]  # fmt: skip
"""Methods of models that take arguments."""

TABLE_METHODS = ["print", "select", "table", "to_html", "to_latex", "to_markdown", "plot"]


def verbs() -> list[str]:
    """Return the public functions, and methods as ``m.`` and ``table.``."""
    public = [
        n for n in mlpool.__all__
        if callable(getattr(mlpool, n)) and n not in ("Profile", "Bootstrap", "PoolingComparison")
        and not (isinstance(getattr(mlpool, n), type) and issubclass(getattr(mlpool, n), Exception))
    ]  # fmt: skip
    return [*public, *(f"m.{n}" for n in METHODS), *(f"table.{n}" for n in TABLE_METHODS)]


def call_of(verb: str, kind: str) -> tuple[Callable[..., Any], dict[str, Any], list[str]]:
    """Return the function, small arguments, and the names of everything it takes."""
    if verb.startswith(("m.", "table.")):
        owner = models()[kind] if verb[0] == "m" else mlpool.model_parameters(models()[kind])
        function, given = getattr(owner, verb.split(".")[1]), {}
        if verb == "m.refit":
            given = {"y": lambda: data()["b"]}
        if verb == "table.select":
            given = {"select": "minimal"}
        if verb == "m.save":
            given = {"path": Path(tempfile.gettempdir()) / "fuzz.mlpool"}
    else:
        function = getattr(mlpool, verb)
        first = next(iter(inspect.signature(function).parameters), "")
        given = dict(SMALL.get(verb, {first: MODEL}))
    signature = inspect.signature(function).parameters
    if verb == "formula":
        signature = {"m": None}
    names = [n for n, p in signature.items() if p is None or p.kind is not p.VAR_KEYWORD]
    return function, given, [*names, *OPTIONS.get(verb, [])]


def filled(value: Any, kind: str) -> Any:
    if isinstance(value, tuple):
        return tuple(filled(v, kind) for v in value)
    if value is MODEL:
        return models()[kind]
    return value() if callable(value) else value


def attempt(seed: int) -> None:
    """Call one verb with one or two of its arguments replaced."""
    rng = random.Random(seed)
    verb = rng.choice(verbs())
    kind = rng.choice([*models()])
    function, given, names = call_of(verb, kind)
    arguments = {k: filled(v, kind) for k, v in given.items()}
    changed = rng.sample(names, min(len(names), rng.choice([1, 1, 1, 2])))
    said = {}
    for name in changed:
        key = rng.choice([*VALUES])
        arguments[name], said[name] = VALUES[key](), key
    what = f"{verb}({kind}; {said})"
    args = arguments.pop("models", ())
    args = args if isinstance(args, tuple) else (args,)
    before, kept = copy.deepcopy(data()), kept_of(arguments)

    def call() -> Any:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            result = function(*args, **arguments)
            return result, len(str(result))

    run(call, what, verb=verb.split(".")[-1])
    if not data().equals(before):
        raise Failure(f"{what}: the data were changed")
    for name, value in kept.items():
        if not same(value, arguments[name]):
            raise Failure(f"{what}: {name} was changed")


def kept_of(arguments: dict[str, Any]) -> dict[str, Any]:
    plain = (list, dict, set, pd.DataFrame, pd.Series, np.ndarray)
    return {k: copy.deepcopy(v) for k, v in arguments.items() if isinstance(v, plain)}


def same(a: Any, b: Any) -> bool:
    if isinstance(a, (pd.DataFrame, pd.Series)):
        return bool(a.equals(b))
    if isinstance(a, np.ndarray):
        return a.dtype == object or bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    return repr(a) == repr(b)
