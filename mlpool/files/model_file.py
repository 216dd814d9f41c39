"""`save_model` and `load_model`: a fitted model to a file and back."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpool.designs.row_summaries import facts_of, make_facts, maker_of
from mlpool.errors import MlpoolError, ModelFileError, OptionError, brief
from mlpool.files.archive import read_archive, write_archive
from mlpool.files.atomic_writes import as_path, shown
from mlpool.files.bounds import damaged
from mlpool.files.consistency import check_model
from mlpool.files.decode import Decoder
from mlpool.files.encode import Encoder
from mlpool.files.registry import MODELS, fits, hints_of
from mlpool.formula import parse_formula
from mlpool.formula.types import ParsedFormula
from mlpool.performance.criteria import model_performance
from mlpool.summaries import summarise

if TYPE_CHECKING:
    from mlpool.models import AnyModel, FittedModel

FORMAT = 1
"""Rises when a file can no longer be read by the mlpool before."""
# bytes that a model file may have without being asked for
MAX_BYTES = 2e9
_SIGNS = re.compile(r"[-+*/:^|~%\s]{200}")
"""What no formula's own text has: signs that parsing would take one by one."""

_READERS = (model_performance, summarise)
"""Verbs that print from facts: importing them names every fact that a model can have."""


def save_model(m: FittedModel, path: str | os.PathLike[str], *, data: bool = False) -> Path:
    """Write a fitted model to a file that :func:`load_model` reads.

    Parameters
    ----------
    m : FittedModel
    path : str or Path
        An existing file is replaced once the new one is whole, and keeps its permissions; links
        are followed.
    data : bool
        Keep the rows of the used columns. Without them a loaded model prints, summarises,
        predicts and compares as before; what needs rows (residuals, refits, simulation, other
        sandwich covariances) is refused.

    Returns
    -------
    Path

    Raises
    ------
    ModelFileError
        If the file cannot be written.
    NotSupportedError
        For `data` of a model that was itself loaded without rows.
    OptionError
        For something that is no model, or `data` that is not True or False.
    """
    if not isinstance(m, MODELS):
        raise OptionError(f"save needs a fitted model; got {brief(m)}.")
    if not isinstance(data, bool):
        raise OptionError(f"data must be True or False; got {brief(data)}.")
    target = as_path(path, "m.save()")
    encoder = Encoder(m, data=data)
    record = {
        "format": FORMAT,
        "mlpool": _own_version(),
        "kind": m.kind,
        "formula": _formula_tree(m),
        "model": encoder.node(m),
        "facts": encoder.node(make_facts(m)),
    }
    write_archive(target, record, encoder.arrays)
    return target


def load_model(
    path: str | os.PathLike[str],
    *,
    context: Mapping[str, Any] | None = None,
    max_bytes: float = MAX_BYTES,
) -> AnyModel:
    """Read a model that ``m.save(path)`` wrote.

    A file is data, never code: it cannot run anything or import anything by name, so that a file
    from a stranger may be wrong, but not dangerous.

    Parameters
    ----------
    path : str or Path
    context : mapping, optional
        The functions that the formula took from ``context=``; files hold none.
    max_bytes : float
        Refuse files that would unpack to more.

    Returns
    -------
    LinearModel, GeneralizedLinearModel, LinearMixedModel, GeneralizedLinearMixedModel or
    ResidualModel

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, too large, or of a later format.

    Examples
    --------
    >>> import mlpool, tempfile
    >>> m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_model(m.save(folder + "/sleep.mlpool"))
    >>> again.predict({"Days": [2], "Subject": ["308"]}).round(2).tolist()
    [293.0]
    """
    source = as_path(path, "load_model()")
    try:
        record, arrays = read_archive(source, max_bytes)
        _check_format(record)
        return _read_model(record, arrays, dict(context or {}))
    except RecursionError:
        raise ModelFileError(f"{shown(source)}: {damaged('it is nested too deeply')}") from None
    except ModelFileError as error:
        raise ModelFileError(f"{shown(source)}: {error}") from None
    except MlpoolError as error:
        # a formula, family or option that mlpool itself refuses
        raise ModelFileError(
            f"{shown(source)}: {damaged(str(error).splitlines()[0].rstrip('.'))}"
        ) from None


def _own_version() -> str:
    # not imported above: the package imports this module
    return str(import_module("mlpool").__version__)


def _formula_tree(m: FittedModel) -> dict[str, Any]:
    formula: ParsedFormula = m.formula
    context = sorted(m.design.encoding.context or ())
    again = parse_formula(str(formula), context=context)
    if _spelling(again) != _spelling(formula):
        raise ModelFileError(
            f"The formula {formula.text!r} does not read back from its own text {str(formula)!r}."
        )
    return {"text": formula.text, "canonical": str(formula), "context": context}


def _spelling(formula: ParsedFormula) -> Any:
    """Return what the order of a design's columns hangs on."""
    terms = [formula.fixed, *(bar.terms for bar in formula.bars)]
    spelled = [[[e.text for e in term] for term in one.terms] for one in terms]
    return formula, spelled, [bar.group_name for bar in formula.bars]


def _check_format(record: dict[str, Any]) -> None:
    number, writer = record.get("format"), record.get("mlpool")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise damaged("it does not say its format")
    if number > FORMAT:
        raise ModelFileError(
            f"the file was written by mlpool {writer} in format {number}, and this mlpool "
            f"({_own_version()}) reads formats up to {FORMAT}; update mlpool."
        )


def _read_model(record: dict[str, Any], arrays: list[Any], context: dict[str, Any]) -> AnyModel:
    formula = _read_formula(record.get("formula"))
    decoder = Decoder(arrays, formula, context)
    model = decoder.value(record.get("model"))
    if not isinstance(model, MODELS):
        raise damaged("it holds no model")
    facts = decoder.value(record.get("facts"))
    if not isinstance(facts, dict):
        raise damaged("its facts are missing")
    for name, value in facts.items():
        maker = maker_of(name)
        # facts of a later mlpool are left alone
        if maker is None:
            continue
        if not fits(value, hints_of(maker)["return"]):
            raise damaged(f"its fact {name!r} is not what it should be")
        facts_of(model)[name] = value
    check_model(model)
    read: AnyModel = model
    return read


def _read_formula(tree: object) -> ParsedFormula:
    if not isinstance(tree, dict) or not all(
        isinstance(tree.get(key), str) for key in ("text", "canonical")
    ):
        raise damaged("its formula is missing")
    names = tree.get("context")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise damaged("its formula is incomplete")
    if _SIGNS.search(tree["canonical"]):
        raise damaged("its formula is a run of signs")
    return replace(parse_formula(tree["canonical"], context=names), text=tree["text"])
