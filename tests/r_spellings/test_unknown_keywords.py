"""Every public verb and method answers a keyword that it does not have with one sentence."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.r_spellings import answering

VERBS = [
    name for name in mlpool.__all__
    if callable(getattr(mlpool, name)) and not isinstance(getattr(mlpool, name), type)
]  # fmt: skip
MODELS = ("m", "model", "x")
ANSWERED_BY_OTHER_WORDS = {
    "compare_parameters": "takes fitted models by name",  # any keyword is a model's name
    "compare_performance": "needs two models or more",
    "test_likelihoodratio": "needs two models or more",
}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"x": rng.normal(size=40), "g": np.repeat(np.arange(8), 5)})
    return frame.assign(y=frame["x"] + frame["g"] % 3 + rng.normal(size=40))


@pytest.fixture(scope="module")
def m(data: pd.DataFrame) -> Any:
    return mlpool.lmer("y ~ x + (1 | g)", data)


def _given(verb: Callable[..., Any], m: Any, data: pd.DataFrame) -> dict[str, Any]:
    """Return something for every argument that a verb cannot do without."""
    known = {"data": data, "formula": "y ~ x + (1 | g)", "fixed": "y ~ x", "random": "~ 1 | g"}
    known |= {"family": "poisson", "specs": "~ x", "var": "x"} | dict.fromkeys(MODELS, m)
    parameters = inspect.signature(verb).parameters.values()
    names = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return {name: known[name] for name in names if name in known}


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_says_which_keyword_it_does_not_have(
    name: str, m: Any, data: pd.DataFrame
) -> None:
    verb = getattr(mlpool, name)
    given = _given(verb.__call__ if isinstance(verb, ModuleType) else verb, m, data)
    if name in ("lm", "glm", "gls", "mmrm"):
        given["formula"] = "y ~ x"
    if name == "pairs":
        given["specs"] = "~ x"
    with pytest.raises(mlpool.MlpoolError) as caught:
        verb(**given, no_such_keyword=1)
    assert "\n" not in str(caught.value)
    assert ANSWERED_BY_OTHER_WORDS.get(name, "no_such_keyword") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "keyword", "near"),
    [
        ("lmer", "weigths", "weights"), ("icc", "iteration", "iterations"),
        ("load_data", "backends", "backend"), ("augment", "new_data", "newdata"),
        ("estimate_means", "estimates", "estimate"), ("simulate", "n_sim", "nsim"),
    ],
)  # fmt: skip
def test_near_spellings_are_named(
    name: str, keyword: str, near: str, m: Any, data: pd.DataFrame
) -> None:
    verb = getattr(mlpool, name)
    with pytest.raises(mlpool.OptionError, match=f"Did you mean '{near}'"):
        verb(**_given(verb, m, data), **{keyword: 1})


def test_methods_of_models_answer_too(m: Any) -> None:
    methods = [n for n in dir(type(m)) if isinstance(getattr(type(m), n), FunctionType)]
    public = [n for n in methods if not n.startswith("_")]
    assert len(public) > 15
    for name in public:
        method = getattr(m, name)
        needed = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]
        if any(p.kind is p.POSITIONAL_OR_KEYWORD for p in needed):
            continue
        with pytest.raises(mlpool.MlpoolError, match="no_such_keyword"):
            method(no_such_keyword=1)


@pytest.mark.parametrize("name", VERBS)
def test_verbs_keep_signature_docstring_and_pickle(name: str) -> None:
    verb = getattr(mlpool, name)
    if isinstance(verb, ModuleType):
        return
    assert verb.__doc__ == inspect.unwrap(verb).__doc__
    assert inspect.signature(verb) == inspect.signature(verb.__wrapped__)
    assert pickle.loads(pickle.dumps(verb)) is verb


def test_a_type_error_of_another_kind_stays_what_it_is() -> None:
    def inner(a: int) -> int:
        return a

    def outer(a: int, b: int = 0) -> int:
        return inner(a, wrong=b)  # type: ignore[call-arg]  # a mistake of ours

    with pytest.raises(TypeError, match="unexpected keyword argument 'wrong'") as caught:
        answering(outer, "outer")(1, b=2)
    assert not isinstance(caught.value, mlpool.MlpoolError)


def test_an_inner_call_that_lacks_an_argument_stays_what_it_is() -> None:
    def inner(a: int, b: int) -> int:
        return a + b

    def outer(a: int) -> int:
        return inner(a)  # type: ignore[call-arg]  # a mistake of ours

    with pytest.raises(TypeError, match="missing 1 required") as caught:
        answering(outer, "outer")(1)
    assert not isinstance(caught.value, mlpool.MlpoolError)


def needed(verb: Callable[..., object]) -> list[str]:
    """Return the arguments without which a verb cannot be called."""
    found = inspect.signature(verb).parameters.values()
    return [
        p.name
        for p in found
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]


@pytest.mark.parametrize("name", VERBS)
def test_what_a_verb_needs_is_said(name: str) -> None:
    verb = getattr(mlpool, name)
    if isinstance(verb, ModuleType) or not needed(verb):
        return
    with pytest.raises(mlpool.OptionError) as caught:
        verb()
    assert str(caught.value).startswith(f"{name}() needs {needed(verb)[0]}")
    assert "\n" not in str(caught.value)


def test_a_family_is_asked_for() -> None:
    with pytest.raises(mlpool.OptionError) as caught:
        mlpool.glmer("y ~ (1 | g)", {"y": [0, 1], "g": ["a", "b"]})  # type: ignore[call-arg] # none
    assert str(caught.value) == "glmer() needs family: write glmer(formula, data, family)."
