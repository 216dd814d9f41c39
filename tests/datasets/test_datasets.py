"""Bundled data: complete, unchanged, with R's levels, and findable."""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mlpool
from mlpool.datasets import DatasetInfo, dataset_info, dataset_names
from mlpool.datasets.catalog import data_folder
from mlpool.errors import NotSupportedError, OptionError

NAMES = dataset_names()

LEVELS_IN_R = {
    # levels() in R, first three, and how many
    ("hsb82", "gender"): (["M", "F"], 2),
    ("hsb82", "minority"): (["No", "Yes"], 2),
    ("hsb82", "sector"): (["Public", "Catholic"], 2),
    ("sleepstudy", "Subject"): (["308", "309", "310"], 18),
    ("Penicillin", "plate"): (["a", "b", "c"], 24),
    ("Penicillin", "sample"): (["A", "B", "C"], 6),
    ("Pastes", "sample"): (["A:a", "A:b", "A:c"], 30),
    ("cbpp", "herd"): (["1", "2", "3"], 15),
    ("cake", "replicate"): (["1", "2", "3"], 15),
    ("cake", "temperature"): (["175", "185", "195"], 6),
    ("Orthodont", "Subject"): (["M16", "M05", "M02"], 27),
    ("Orthodont", "Sex"): (["Male", "Female"], 2),
}


@pytest.mark.parametrize("name", NAMES)
def test_packaged_file_is_the_one_described(name: str) -> None:
    info = dataset_info(name)
    assert hashlib.sha256(info.path.read_bytes()).hexdigest() == info.sha256
    frame = mlpool.load_data(name)
    assert len(frame) == info.rows
    assert list(frame.columns) == [c.name for c in info.columns]
    assert not frame.isna().any().any(), "a level missing from the manifest became NaN"


@pytest.mark.parametrize("name", NAMES)
def test_every_set_says_where_it_comes_from(name: str) -> None:
    info = dataset_info(name)
    assert "R package" in info.source
    assert "GPL" in info.licence
    assert all(c.description for c in info.columns)


def test_no_packaged_file_is_unlisted() -> None:
    listed = {dataset_info(n).file for n in NAMES} | {"manifest.json"}
    assert {p.name for p in data_folder().iterdir()} == listed


@pytest.mark.parametrize(("name", "column"), LEVELS_IN_R)
def test_levels_stand_in_r_order(name: str, column: str) -> None:
    first, count = LEVELS_IN_R[name, column]
    levels = mlpool.load_data(name)[column].cat.categories
    assert list(levels[:3]) == first
    assert len(levels) == count


def test_only_the_cake_temperature_is_ordered() -> None:
    ordered = [
        (name, c)
        for name in NAMES
        for c, column in mlpool.load_data(name).items()
        if getattr(column.dtype, "ordered", False)
    ]
    assert ordered == [("cake", "temperature")]


def test_schools_are_the_source_renamed(shared: Path) -> None:
    source = pd.read_csv(shared / "data" / "Hsb82.csv")
    ours = mlpool.load_data("hsb82")
    assert list(ours["student"]) == list(range(1, 7186))
    assert (ours["math"].to_numpy() == source["mAch"].to_numpy()).all()
    assert (ours["ses"].to_numpy() == source["ses"].to_numpy()).all()
    assert (ours["meanses"].to_numpy() == source["meanses"].to_numpy()).all()
    assert (ours["school"].astype(int).to_numpy() == source["school"].to_numpy()).all()
    assert (ours["gender"].astype(str) == source["sx"].str[0]).all()
    assert (ours["minority"].astype(str) == source["minrty"]).all()
    assert (ours["sector"].astype(str) == source["sector"]).all()


@pytest.mark.parametrize("name", [n for n in NAMES if n != "hsb82"])
def test_other_sets_equal_r_copy(shared: Path, name: str) -> None:
    raw = dataset_info(name).path.read_bytes()
    assert raw == (shared / "data" / f"{name}.csv").read_bytes()


def test_compressed_file_is_reproducible() -> None:
    # mtime 0 in the header: writing the same table again gives the same bytes.
    raw = dataset_info("hsb82").path.read_bytes()
    assert raw[4:8] == bytes(4)
    assert gzip.decompress(raw).startswith(b"school,student,math,ses,gender,minority")


@pytest.mark.parametrize("backend", ["polars", "pyarrow"])
@pytest.mark.parametrize("name", NAMES)
def test_backends_hold_the_same_data(name: str, backend: Any) -> None:
    pytest.importorskip(backend)
    frame = mlpool.load_data(name)
    other = mlpool.load_data(name, backend=backend)
    assert type(other).__module__.split(".")[0] == backend
    for column in frame:
        values = (
            other[column].to_list() if backend == "polars" else other.column(column).to_pylist()
        )
        assert values == frame[column].tolist(), column


def test_polars_enum_keeps_level_order() -> None:
    pytest.importorskip("polars")
    sector = mlpool.load_data("hsb82", backend="polars")["sector"]
    assert sector.dtype.categories.to_list() == ["Public", "Catholic"]


def test_names_do_not_depend_on_case() -> None:
    assert mlpool.load_data("PENICILLIN").equals(mlpool.load_data("Penicillin"))


def test_callers_cannot_spoil_each_others_copy() -> None:
    mine = mlpool.load_data("Dyestuff")
    mine["Yield"] = 0
    assert mlpool.load_data("Dyestuff")["Yield"].min() > 1000


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(OptionError, match=r"no bundled data set 'sleepstdy'. Did you mean 'sleeps"):
        mlpool.load_data("sleepstdy")
    with pytest.raises(OptionError, match=r"mlpool\.datasets\(\) lists them: hsb82"):
        mlpool.load_data("xyz")


def test_unknown_backend() -> None:
    with pytest.raises(OptionError, match=r"backend must be one of .*got 'polar'. Did you mean 'p"):
        mlpool.load_data("cake", backend="polar")  # type: ignore[call-overload]


def test_backend_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(NotSupportedError, match=r"needs polars, which is not installed: pip inst"):
        mlpool.load_data("cake", backend="polars")


def test_listing_names_every_set() -> None:
    table = mlpool.datasets()
    assert list(table["name"]) == list(NAMES)
    assert list(table.columns) == ["name", "rows", "columns", "description", "source", "licence"]
    assert "school, student, math, ses, gender, minority, sector, meanses" in set(table["columns"])


def test_info_is_a_record() -> None:
    info = dataset_info("cake")
    assert isinstance(info, DatasetInfo)
    with pytest.raises(AttributeError):
        info.rows = 3  # type: ignore[misc]
