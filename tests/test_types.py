"""Types that help: users' scripts under two checkers, options spelt out, how often Any is left."""

from __future__ import annotations

import inspect
import io
import json
import re
import runpy
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import mlpool
from mlpool import keywords
from mlpool.estimates.relation import estimate_relation
from mlpool.plots import dispatch
from mlpool.plots.model_checks.check_model import ModelChecks, check_model
from mlpool.tables import TableOptions

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlpool"
SCRIPTS = ROOT / "tests" / "typing"

MOST_ANY = 540
"""How often `Any` may stand in annotations: falls when types are found. Rows of six engines, which
share no types, take twenty."""


# --- user scripts -------------------------------------------------------------------------------


def run(*command: str) -> str:
    """Return what a checker prints, run by this Python from the top of the repository."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(script: Path) -> set[int]:
    """Return the lines of a script in which mypy finds an error."""
    out = run("mypy", "--strict", "--no-error-summary", str(script))
    found = re.findall(rf"{script.name}:(\d+): error", out)
    assert len(found) == len(re.findall(": error", out)), out
    return {int(line) for line in found}


def pyright(script: Path) -> set[int]:
    """Return the lines of a script in which pyright finds an error."""
    command = ("pyright", "--outputjson", "--pythonpath", sys.executable, str(script))
    found = json.loads(run(*command))["generalDiagnostics"]
    return {d["range"]["start"]["line"] + 1 for d in found if d["severity"] == "error"}


CHECKERS: dict[str, Callable[[Path], set[int]]] = {"mypy": mypy, "pyright": pyright}


@pytest.fixture(params=CHECKERS)
def errors_of(request: pytest.FixtureRequest) -> Callable[[Path], set[int]]:
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed; it comes with pip install '.[dev]'")
    return CHECKERS[request.param]


@pytest.mark.slow
def test_a_users_script_has_the_types_it_says(errors_of: Callable[[Path], set[int]]) -> None:
    assert errors_of(SCRIPTS / "user_script.py") == set()


@pytest.mark.slow
def test_a_users_script_runs() -> None:
    runpy.run_path(str(SCRIPTS / "user_script.py"))


@pytest.mark.slow
def test_slips_are_found(errors_of: Callable[[Path], set[int]]) -> None:
    script = SCRIPTS / "misspelt_script.py"
    lines = script.read_text(encoding="utf-8").splitlines()
    slips = {i for i, line in enumerate(lines, 1) if line.endswith("# slip")}
    assert len(slips) == 10
    assert errors_of(script) == slips


# --- options spelt out --------------------------------------------------------------------------


def names(function: Callable[..., Any], *left_out: str) -> set[str]:
    """Return the names of a function's keyword arguments."""
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = inspect.signature(function).parameters.values()
    return {p.name for p in found if p.kind in kinds} - set(left_out)


def keys(options: type) -> set[str]:
    return set(options.__annotations__)


_OWN_OF_FIT = ("formula", "data", "family", "nAGQ", "correlation", "dispersion")
_ROBUST = ("cluster", "vcov", "clusters", "cov_type", "vcov_args", "cov_kwds")
_OWN_OF_EMMEANS = ("type", "model", "by", "at", "trend", "contrast", "comparison")


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        (keywords.FitOptions, names(mlpool.fit, *_OWN_OF_FIT, "reml")),
        (keywords.MixedOptions, names(mlpool.fit, *_OWN_OF_FIT)),
        (
            keywords.StructureOptions,
            names(
                mlpool.fit,
                *_OWN_OF_FIT,
                *_ROBUST,
                "weights",
                "engine",
            ),
        ),
        (keywords.UpdateOptions, names(mlpool.fit, "formula", "data") | {"REML"}),
        (
            keywords.PoolingOptions,
            names(mlpool.fit, *_OWN_OF_FIT, *_ROBUST),
        ),
        (keywords.PrintOptions, names(TableOptions)),
        (keywords.ParametersOptions, names(mlpool.model_parameters, "m")),
        (keywords.IntervalOptions, names(mlpool.confint, "m", "parm", "level", "method")),
        (keywords.MeansOptions, names(mlpool.estimate_means, *_OWN_OF_EMMEANS) | {"adjust"}),
        (keywords.SlopesOptions, names(mlpool.estimate_slopes, *_OWN_OF_EMMEANS) | {"adjust"}),
        (keywords.ContrastsOptions, names(mlpool.estimate_contrasts, *_OWN_OF_EMMEANS)),
        (keywords.ExpectationOptions, names(estimate_relation, "model", "by", "data")),
        (keywords.SampleOptions, names(mlpool.simulate_clusters, "seed")),
    ],
)
def test_options_are_those_of_the_verb_that_takes_them(options: type, taken: set[str]) -> None:
    assert keys(options) == taken


def test_options_of_plots_are_those_of_every_plot() -> None:
    drawn = [*dispatch._BY_KIND.values(), dispatch.plot_pooling, dispatch.plot_grid]
    drawn += [dispatch.plot_comparison, dispatch.plot_contrasts, dispatch.plot_grouplevel]
    drawn += [dispatch.plot_parameters, check_model, ModelChecks.plot]
    drawn += [mlpool.Profile._ggplot, mlpool.Bootstrap._ggplot]
    taken = set().union(*(names(one, "result", "model", "self") for one in drawn))
    assert keys(keywords.PlotOptions) == taken


@pytest.mark.parametrize("verb", ["lm", "glm", "lmer", "glmer", "fit"])
def test_help_shows_the_arguments(verb: str) -> None:
    shown = io.StringIO()
    with redirect_stdout(shown):
        help(getattr(mlpool, verb))
    first = shown.getvalue().split("\n    Fit ")[0]
    for name in ("cluster", "vcov", "weights", "offset", "contrasts", "subset", "na_action"):
        assert re.search(rf"\b{name}: ", first), name
    assert "**" not in first


def test_no_public_verb_takes_options_without_names() -> None:
    for name in mlpool.registry.homes():
        verb = getattr(mlpool, name)
        if not inspect.isfunction(verb):
            continue
        for p in inspect.signature(verb).parameters.values():
            if p.kind is inspect.Parameter.VAR_KEYWORD:
                assert p.annotation == "FittedModel", f"{name}(**{p.name}: {p.annotation})"


# --- Any ----------------------------------------------------------------------------------------


def uses_of_any(path: Path) -> Iterator[str]:
    """Yield the lines in which `Any` stands, once for every time, imports left out."""
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.NAME and token.string == "Any":
                line = token.line.strip()
                if not line.startswith(("from typing import", "Any,")):
                    yield line


def test_any_stands_where_data_are_anything() -> None:
    counts: Counter[str] = Counter()
    models = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for line in uses_of_any(path):
            counts[path.relative_to(PACKAGE).parts[0]] += 1
            if re.search(r"\b(m|model): Any\b", line):
                models.append(f"{path.name}: {line}")
    assert models == [], "a model is a FittedModel, MixedModel ... (mlpool/models)"
    rooms = ", ".join(f"{room} {n}" for room, n in counts.most_common())
    assert counts.total() <= MOST_ANY, f"{counts.total()} Any: {rooms}"
