"""Reading ``control=``: its names, and the settings that are choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from mlpool.argument_values import whole_number
from mlpool.engine.types import Control
from mlpool.errors import NotSupportedError, OptionError, brief, check_option, nearest_names

SOLVERS = ("cholesky", "iterative")


def as_control(control: Control | Mapping[str, Any] | None) -> Control:
    """Return the settings of a fit.

    Raises
    ------
    OptionError
        For names that are no setting, solvers that are none, and errors that are not positive.
    """
    if control is None:
        return Control()
    if isinstance(control, Control):
        return _checked(control)
    if not isinstance(control, Mapping):
        raise OptionError(
            "control must be a dict such as {'max_evaluations': 1000} or mlpool.Control(...)."
        )
    known = [f.name for f in fields(Control)]
    for name in control:
        if name not in known:
            raise OptionError(f"control has no setting {brief(name)}.{nearest_names(name, known)}")
    return _checked(Control(**control))


def check_not_iterative(control: Control, what: str) -> None:
    """Refuse the iterative solver where there is none.

    Raises
    ------
    NotSupportedError
    """
    if control.solver == "iterative":
        raise NotSupportedError(
            f"The iterative solver serves lmer; {what}: leave control={{'solver': ...}} out."
        )


def _checked(control: Control) -> Control:
    """Return the settings with those of the iterative solver as they must be."""
    if control.solver is not None:
        check_option(control.solver, SOLVERS, argument="control['solver']")
    for name in ("theta_error", "deviance_error"):
        value = getattr(control, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise OptionError(f"control[{name!r}] must be a positive number; got {brief(value)}.")
    return replace(control, seed=whole_number(control.seed, "control['seed']", least=0))
