"""No number depends on units, shifts, orders, labels, storage types or names.

Every verb of `verbs` is asked about every kind of model before and after every transformation.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

import mlpool
from tests.invariance.laws import differences
from tests.invariance.studies import GENERALIZED, KINDS, Study, make_study
from tests.invariance.transformations import TRANSFORMATIONS
from tests.invariance.verbs import EXEMPT, VERBS, Row

REORDERS = ("rows", "levels", "odd labels")
"""Rows of answers may come in another order then; drawn numbers are others."""


@cache
def _study(transformation: str | None) -> Study:
    made = make_study()
    return made if transformation is None else TRANSFORMATIONS[transformation].change(made)


@cache
def _model(kind: str, transformation: str | None) -> Any:
    return KINDS[kind](_study(transformation))


@cache
def _answer(verb: str, number: int, kind: str | None, transformation: str | None) -> Any:
    row = VERBS[verb][number]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlpool.MlpoolWarning)
        model = None if kind is None else _model(kind, transformation)
        return row.ask(model, _study(transformation))


def _applies(row: Row, transformation: str) -> bool:
    law = TRANSFORMATIONS[transformation]
    if transformation in row.shows or (row.text and not law.keeps_texts):
        return False
    return not (row.draws and transformation in REORDERS)


def _questions() -> list[Any]:
    return [
        pytest.param(
            verb, i, kind, id=f"{verb}-{i}-{kind}", marks=[pytest.mark.slow] if row.slow else []
        )
        for verb, rows in VERBS.items()
        for i, row in enumerate(rows)
        for kind in (row.kinds or (None,))
    ]


@pytest.mark.parametrize(("verb", "number", "kind"), _questions())
def test_a_number_is_the_same_however_the_data_are_told(
    verb: str, number: int, kind: str | None
) -> None:
    row = VERBS[verb][number]
    base = _answer(verb, number, kind, None)
    wrong = []
    for name in TRANSFORMATIONS:
        if not _applies(row, name):
            continue
        try:
            changed = _answer(verb, number, kind, name)
        except Exception as error:  # the other laws are held to, all the same
            found = [f"{type(error).__name__}: {error}"]
        else:
            found = _found(base, changed, name, row, kind)
        wrong += [f"{name}: {text}" for text in found[:3]]
    assert not wrong, "\n".join(wrong)


def _found(base: Any, changed: Any, name: str, row: Row, kind: str | None) -> list[str]:
    if row.text:
        return [] if str(changed) == str(base) else [f"the text changed:\n{changed}"]
    law = TRANSFORMATIONS[name]
    if kind in GENERALIZED:  # probabilities and counts have no unit
        law = replace(law, y=1.0, shifts_y=False)
    return differences(base, changed, law, row.units, reorders=name in REORDERS)


def test_every_public_verb_has_a_row_or_a_reason() -> None:
    verbs = {
        name for name in mlpool.__all__
        if callable(getattr(mlpool, name)) and not isinstance(getattr(mlpool, name), type)
    }  # fmt: skip
    held = {name for name, rows in VERBS.items() if rows} | set(EXEMPT)
    assert not verbs - held, f"give these a row in verbs.py: {sorted(verbs - held)}"
    assert not held - verbs, f"not public any more: {sorted(held - verbs)}"


def test_rows_name_kinds_that_exist() -> None:
    assert {k for rows in VERBS.values() for row in rows for k in row.kinds} <= set(KINDS)


def test_the_laws_see_a_wrong_number() -> None:
    base = _answer("model_parameters", 0, "lmer", None).to_pandas()
    law = TRANSFORMATIONS["rows"]
    assert not differences(base, base.copy(), law, {}, reorders=False)
    bad = base.copy()
    bad.loc[1, "SE"] *= 1.0001
    assert differences(base, bad, law, {}, reorders=False)
    assert differences(base, base, TRANSFORMATIONS["x x 1e9"], {}, reorders=False)
