"""Fixtures for all tests: reference material, frame kinds, and models fitted once per session."""

from __future__ import annotations

import os

# One thread before NumPy is imported: numbers and times must not depend on the machine's cores.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import importlib.util
import signal
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]


# --- reference material ---------------------------------------------------------------------


def find_shared() -> Path | None:
    """Return the folder of reference data and values, or None where it is not at hand.

    It stands beside the checkout as ``../shared``; ``MLPOOL_SHARED`` names another place.
    """
    folder = Path(os.environ.get("MLPOOL_SHARED") or ROOT.parent / "shared")
    return folder if (folder / "reference").is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference data and R's values; without it a test skips, or fails in CI."""
    folder = find_shared()
    if folder is None:
        reason = "reference material not found: put it at ../shared or set MLPOOL_SHARED"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


# --- scripts --------------------------------------------------------------------------------


def load_script(*parts: str) -> ModuleType:
    """Return a script beside the package (docs, benchmarks) as a module."""
    path = ROOT.joinpath(*parts)
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt: shells start background jobs with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# --- frames ---------------------------------------------------------------------------------


def as_pandas(frame: pd.DataFrame) -> Any:
    return frame.copy()


def as_polars(frame: pd.DataFrame) -> Any:
    """Return a polars frame; categoricals become Enums, which keep the order of levels."""
    pl = pytest.importorskip("polars")
    columns = []
    for name, column in frame.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            levels = [str(v) for v in column.cat.categories]
            values = [None if v is None or pd.isna(v) else str(v) for v in column]
            columns.append(pl.Series(str(name), values, dtype=pl.Enum(levels)))
        elif pd.api.types.is_numeric_dtype(column.dtype):
            columns.append(pl.Series(str(name), column.to_numpy(), nan_to_null=True))
        else:
            values = [None if v is None or pd.isna(v) else v for v in column]
            columns.append(pl.Series(str(name), values))
    return pl.DataFrame(columns)


def as_pyarrow(frame: pd.DataFrame) -> Any:
    pa = pytest.importorskip("pyarrow")
    return pa.Table.from_pandas(frame, preserve_index=False)


def as_dict(frame: pd.DataFrame) -> Any:
    """Return a dict of arrays; categoricals stay pandas Categoricals, for their levels."""
    return {
        str(name): column.array
        if isinstance(column.dtype, pd.CategoricalDtype)
        else column.to_numpy()
        for name, column in frame.items()
    }


FRAME_KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": as_pandas,
    "polars": as_polars,
    "pyarrow": as_pyarrow,
    "dict": as_dict,
}


@pytest.fixture(params=FRAME_KINDS)
def make_frame(request: pytest.FixtureRequest) -> Callable[[pd.DataFrame], Any]:
    """A function pandas frame -> the same data as pandas, polars, pyarrow and dict, in turn."""
    return FRAME_KINDS[request.param]


# --- data and models ------------------------------------------------------------------------


def read_shared_csv(folder: Path, name: str) -> pd.DataFrame:
    """Read a reference CSV as the reference scripts do: ``NA`` alone means missing."""
    path = folder / "data" / name
    return pd.read_csv(path, encoding="utf-8-sig", keep_default_na=False, na_values=["NA"])


def _data(shared: Path, name: str) -> pd.DataFrame:
    """Data sets as the golden texts and reference cases prepare them."""
    import mlpool

    if name in ("sleepstudy", "cbpp", "hsb82", "Penicillin", "Pastes", "Dyestuff", "Dyestuff2"):
        return mlpool.load_data(name)
    if name == "cake":
        # The golden texts read the CSV, where the ordered temperature is a plain factor.
        cake = mlpool.load_data("cake")
        return cake.assign(temperature=cake["temperature"].cat.as_unordered())
    if name == "heck":
        heck = read_shared_csv(shared, "heck2011.csv")
        gender = pd.Categorical(heck["female"].map({0: "M", 1: "F"}), categories=["M", "F"])
        return heck.assign(school=heck["school"].astype("category"), gender=gender)
    if name == "popular":
        popular = read_shared_csv(shared, "popular.csv").rename(columns=str.strip)
        return popular.assign(**{"class": popular["class"].astype("category")})
    if name == "stackexchange":
        return read_shared_csv(shared, "stackexchange_pooling.csv").astype({"groups": "category"})
    raise KeyError(name)


MODELS: dict[str, tuple[str, str, str]] = {
    # name: (verb, formula, data); the names of the golden texts' set-up, then the lecture's.
    "lm1": ("lm", "math ~ 1 + ses", "heck"),
    "lm2": ("lm", "math ~ ses * female + puniv", "heck"),
    "m0": ("lmer", "math ~ 1 + (1 | school)", "heck"),
    "m1": ("lmer", "math ~ 1 + ses + (1 | school)", "heck"),
    "s1": ("lmer", "Reaction ~ Days + (1 | Subject)", "sleepstudy"),
    "s2": ("lmer", "Reaction ~ Days + (1 + Days | Subject)", "sleepstudy"),
    "p1": (
        "lmer",
        "popular_s ~ female + extraversion * teacher_exp + (1 + extraversion | class)",
        "popular",
    ),
    "c1": ("lmer", "angle ~ recipe * temperature + (1 | recipe:replicate)", "cake"),
    "lecture_lm": ("lm", "math ~ 1 + ses + gender", "heck"),
    "lecture_additive": ("lm", "math ~ 1 + ses + school", "heck"),
    "lecture_interaction": ("lm", "math ~ ses * school", "heck"),
    "lecture_null": ("lmer", "math ~ 1 + (1 | school)", "heck"),
    "lecture_intercept": ("lmer", "math ~ ses + gender + (1 | school)", "heck"),
    "lecture_slope": ("lmer", "math ~ ses + gender + (ses | school)", "heck"),
    "se_complete": ("lm", "y ~ 1", "stackexchange"),
    "se_partial": ("lmer", "y ~ 1 + (1 | groups)", "stackexchange"),
}


@pytest.fixture(scope="session")
def dataset(shared: Path) -> Callable[[str], pd.DataFrame]:
    """``dataset(name)``: a prepared data set (heck, popular, stackexchange or a bundled one)."""
    return cache(lambda name: _data(shared, name))


@pytest.fixture(scope="session")
def fitted(dataset: Callable[[str], pd.DataFrame]) -> Callable[[str], Any]:
    """``fitted(name)``: a model of ``MODELS``, fitted at most once per session."""
    import mlpool

    @cache
    def fit_once(name: str) -> Any:
        verb, formula, data = MODELS[name]
        return getattr(mlpool, verb)(formula, dataset(data))

    return fit_once
