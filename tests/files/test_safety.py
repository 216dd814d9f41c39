"""Files that are damaged, foreign or hostile: one sentence each, and nothing is run or unpacked."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlpool

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Members:
    """The members of a saved mixed model."""
    m = mlpool.lmer("Reaction ~ Days + (Days | Subject)", mlpool.load_data("sleepstudy"))
    path = m.save(tmp_path_factory.mktemp("files") / "m.mlpool", data=True)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, members: Members) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def with_record(members: Members, change: Callable[[Any], None]) -> Members:
    record = json.loads(members["model.json"])
    change(record)
    return {**members, "model.json": json.dumps(record).encode()}


def with_array(members: Members, number: int, array: Any, **described: Any) -> Members:
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(array), version=(1, 0))
    changed = {**members, f"arrays/{number}.npy": out.getvalue()}

    def change(record: Any) -> None:
        array_ = np.asarray(array)
        record["arrays"][number] = {"dtype": array_.dtype.str, "shape": list(array_.shape)}
        record["arrays"][number] |= described

    return with_record(changed, change)


def fields(record: Any, *path: str) -> Any:
    """Return the fields of a record inside the model."""
    node = record["model"]
    for name in path:
        node = node["fields"][name]
    return node["fields"]


def place(members: Members, *path: str) -> int:
    """Return the number of the array of a field."""
    *head, last = path
    return int(fields(json.loads(members["model.json"]), *head)[last]["array"])


def refused(path: Path, sentence: str, **options: Any) -> None:
    with pytest.raises(mlpool.ModelFileError, match=sentence) as caught:
        mlpool.load_model(path, **options)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_untouched_file_loads(members: Members, tmp_path: Path) -> None:
    mlpool.load_model(write(tmp_path / "m.mlpool", members))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    refused(tmp_path / "none.mlpool", "there is no such file")
    refused(tmp_path, "it is a folder")


@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps([1]), b"PK\x03\x04" + b"0" * 40])
def test_other_files(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.mlpool"
    path.write_bytes(content)
    refused(path, "no model file of mlpool: not a zip archive")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_file(share: float, members: Members, tmp_path: Path) -> None:
    path = write(tmp_path / "m.mlpool", members)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path, "cut short")


def test_another_zip(tmp_path: Path) -> None:
    refused(write(tmp_path / "m.zip", {"a.txt": b"a"}), "the archive has no model.json")


def test_a_pickle_inside_is_never_read(members: Members, tmp_path: Path) -> None:
    hostile = {**members, "model.pkl": b"cos\nsystem\n(S'true'\ntR."}
    refused(write(tmp_path / "m.mlpool", hostile), "'model.pkl', which model files do not have")


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.npy",
        "/etc/x.npy",
        "arrays/../0.npy",
        "arrays/01.npy",
        "arrays/0.npy.py",
        "C:\\x",
    ],
)
def test_names_that_lead_elsewhere(name: str, members: Members, tmp_path: Path) -> None:
    refused(write(tmp_path / "m.mlpool", {**members, name: b""}), "model files do not have")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["m.mlpool"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(members: Members, tmp_path: Path) -> None:
    path = write(tmp_path / "m.mlpool", members)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model.json", b"{}")
    refused(path, "holds 'model.json' twice")


def test_huge_files_are_not_unpacked(members: Members, tmp_path: Path) -> None:
    path = tmp_path / "m.mlpool"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr("arrays/999.npy", bytes(30_000_000))
    assert path.stat().st_size < 200_000
    refused(path, r"would unpack to 30\.\d MB, and max_bytes allows 1\.0 MB", max_bytes=1e6)
    refused(path, "'arrays/999.npy' is not in its list")


def test_a_size_that_the_archive_does_not_have(members: Members, tmp_path: Path) -> None:
    path = write(tmp_path / "m.mlpool", members)
    content = bytearray(path.read_bytes())
    entry = content.rfind(b"PK\x01\x02")  # the last member's entry in the table of contents
    struct.pack_into("<I", content, entry + 24, 2**32 - 2)
    path.write_bytes(content)
    refused(path, r"would unpack to 4\.3 GB")
    struct.pack_into("<I", content, entry + 24, 100_000)
    path.write_bytes(content)
    refused(path, "damaged")


@pytest.mark.parametrize("flag", [1, 1 << 5])
def test_encrypted_and_patched_members(flag: int, members: Members, tmp_path: Path) -> None:
    path = write(tmp_path / "m.mlpool", members)
    content = bytearray(path.read_bytes())
    entry = content.rfind(b"PK\x01\x02")
    struct.pack_into("<H", content, entry + 8, flag)
    path.write_bytes(content)
    refused(path, "is encrypted" if flag == 1 else "cannot be unpacked")


def test_other_compressions(members: Members, tmp_path: Path) -> None:
    path = tmp_path / "m.mlpool"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    refused(path, "compressed in a way that model files are not")


def test_a_wrong_checksum(members: Members, tmp_path: Path) -> None:
    path = write(tmp_path / "m.mlpool", members)
    content = bytearray(path.read_bytes())
    content[content.find(b'"format"') + 3] ^= 1
    path.write_bytes(content)
    refused(path, "a checksum does not fit")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "model.json cannot be read"),
        (b"\xff\xfe", "model.json cannot be read"),
        (b"[" * 100_000, "model.json cannot be read"),
        (b'{"format": NaN}', "model.json cannot be read"),
        (b"[1]", "holds no record"),
        (b'{"arrays": 3}', "list of arrays is missing"),
    ],
)
def test_records_that_are_none(
    content: bytes, sentence: str, members: Members, tmp_path: Path
) -> None:
    refused(write(tmp_path / "m.mlpool", {**members, "model.json": content}), sentence)


CHANGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "newer": (
        lambda r: r.update(format=7, mlpool="9.9"),
        r"written by mlpool 9\.9 in format 7.*reads formats up to 1; update mlpool",
    ),
    "no format": (lambda r: r.pop("format"), "does not say its format"),
    "true is no format": (lambda r: r.update(format=True), "does not say its format"),
    "no model": (lambda r: r.update(model=None), "it holds no model"),
    "another record": (lambda r: r.update(model=fields(r)["control"]), "it holds no model"),
    "no facts": (lambda r: r.update(facts=[]), "its facts are missing"),
    "odd fact": (
        lambda r: r["facts"]["dict"].update(rmse="small"),
        "its fact 'rmse' is not what it should be",
    ),
    "odd variable": (
        lambda r: next(iter(r["facts"]["dict"]["variable_summaries"]["dict"].values()))[
            "fields"
        ].update(quantiles={"tuple": [1.0]}),
        "the variables",
    ),
    "no formula": (lambda r: r.pop("formula"), "its formula is missing"),
    "half a formula": (lambda r: r["formula"].pop("context"), "its formula is incomplete"),
    "code in the formula": (
        lambda r: r["formula"].update(canonical="Reaction ~ __import__('os').system('x')"),
        "damaged or was not made by mlpool",
    ),
    "a formula that grows": (
        lambda r: r["formula"].update(canonical=f"y ~ ({'+'.join('abcdefghijklmnopqrst')})^20"),
        "too many interactions",
    ),
    "unknown type": (
        lambda r: r["model"].update(record="os.system"),
        "names the type 'os.system', which model files do not have",
    ),
    "no name": (lambda r: r["model"].update(record=["LmmFit"]), "a record in it has no type"),
    "no fields": (lambda r: r["model"].update(fields=3), "has no fields"),
    "missing field": (lambda r: fields(r).pop("fit"), "its part 'fit' is missing"),
    "unknown field": (
        lambda r: fields(r, "fit").update(run="rm"), "it has 'run' where models have none"
    ),
    "unknown tag": (lambda r: fields(r).update(fit={"pickle": "x"}), "tagged 'pickle'"),
    "two tags": (
        lambda r: fields(r).update(fit={"array": 0, "tuple": []}), "tagged 'array', 'tuple'"
    ),
    "text for a number": (
        lambda r: fields(r, "fit").update(sigma="1"), "its part 'sigma' is not what it should be"
    ),
    "record for a record": (
        lambda r: fields(r).update(fit=fields(r)["control"]), "its part 'fit'"
    ),
    "odd float": (lambda r: fields(r, "fit").update(sigma={"float": "big"}), "'big' is no number"),
    "record for a float": (
        lambda r: fields(r, "fit").update(sigma={"float": {"record": "LmmFit"}}), "a number in it"
    ),
    "record for a place": (
        lambda r: fields(r, "fit").update(beta={"array": {"record": "LmmFit"}}),
        "the place of its array is no whole number",
    ),
    "odd tuple": (lambda r: fields(r, "fit").update(b={"tuple": 3}), "a list is none"),
    "odd dict": (lambda r: fields(r).update(arguments={"dict": 3}), "a mapping is none"),
    "no such array": (lambda r: fields(r, "fit").update(beta={"array": 9999}), "no array 9999"),
    "negative array": (lambda r: fields(r, "fit").update(beta={"array": -1}), "no array -1"),
    "odd rows": (lambda r: fields(r, "design").update(y={"rows": ["x"]}), "is no number of rows"),
    "no rows where numbers are": (
        lambda r: fields(r, "fit").update(beta={"rows": [2]}),
        "numbers that do not belong to rows are left out",
    ),
    "odd function": (
        lambda r: fields(r).update(call={"function": []}), "the name of a function is none"
    ),
    "odd range": (
        lambda r: fields(r, "design").update(index={"index": {"range": [0, 10**30, 1]}}),
        "row labels are none",
    ),
    "no such bar": (
        lambda r: fields(r, "design")["random"]["tuple"][0]["fields"].update(bar={"bar": 5}),
        "no random-effects term 5",
    ),
    "function": (lambda r: fields(r).update(call={"function": "eval"}), "function 'eval'"),
    "unknown family": (
        lambda r: fields(r).update(
            family={"record": "Family", "fields": {"name": "x", "link": "log", "theta": 1.0}}
        ),
        "family 'x' is not known",
    ),
    "odd labels": (
        lambda r: fields(r, "design").update(index={"index": {"values": 3}}), "row labels are none"
    ),
    "odd index": (lambda r: fields(r, "design").update(index={"index": 3}), "a mapping is none"),
    "few labels": (
        lambda r: fields(r, "design").update(index={"index": {"range": [0, 5, 1]}}),
        "its part 'index' does not fit",
    ),
    "odd columns": (
        lambda r: fields(r, "design")["frame"]["frame"].update(names=[1]), "a column's name is none"
    ),
    "odd frame": (
        lambda r: fields(r, "design")["frame"]["frame"].update(columns=[1]), "its columns are none"
    ),
    "few rows": (
        lambda r: fields(r, "design")["frame"]["frame"].update(n_rows=5),
        "its column 'Reaction' does not fit its rows",
    ),
    "another number of rows read": (
        lambda r: fields(r, "design").update(n_read=181), "its part 'n_read' does not fit"
    ),
    "family of a GLM": (
        lambda r: fields(r).update(
            family={"record": "Family", "fields": {"name": "poisson", "link": "log"}}
        ),
        "its family is not that of a model of kind lmer",
    ),
    "a mixed model's formula": (
        lambda r: r["model"].update(record="LinearModel"), "its part 'fit' is not what it should"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_records_that_do_not_fit(name: str, members: Members, tmp_path: Path) -> None:
    change, sentence = CHANGES[name]
    refused(write(tmp_path / "m.mlpool", with_record(members, change)), sentence)


def test_deep_records(members: Members, tmp_path: Path) -> None:
    def change(record: Any) -> None:
        node: Any = 1
        for _ in range(900):
            node = [node]
        record["facts"] = node

    record = with_record(members, change)
    refused(write(tmp_path / "m.mlpool", record), "nested too deeply|facts are missing")


def test_missing_array(members: Members, tmp_path: Path) -> None:
    less = {k: v for k, v in members.items() if k != "arrays/1.npy"}
    refused(write(tmp_path / "m.mlpool", less), "array 1 is missing")


def test_object_arrays_are_refused_unread(members: Members, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return pytest.fail, ("a pickle was run",)

    objects = np.array([Bomb(), Bomb()], dtype=object)
    refused(
        write(tmp_path / "m.mlpool", with_array(members, 0, objects)),
        "holds Python objects, which are never loaded",
    )


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.array(["a", "b"]), "does not hold plain numbers"),
        (np.zeros(3, dtype=complex), "does not hold plain numbers"),
        (np.zeros(3, dtype=[("x", float)]), "does not hold plain numbers"),
        (np.asfortranarray(np.zeros((2, 3))), "does not hold plain numbers"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "does not hold plain numbers"),
    ],
)
def test_arrays_of_other_kinds(array: Any, sentence: str, members: Members, tmp_path: Path) -> None:
    refused(write(tmp_path / "m.mlpool", with_array(members, 0, array)), sentence)


def test_arrays_that_are_not_as_described(members: Members, tmp_path: Path) -> None:
    wrong = with_array(members, 0, np.zeros(2), shape=[3])
    refused(write(tmp_path / "m.mlpool", wrong), "not of the type and shape that its record names")


def test_a_header_that_promises_more(members: Members, tmp_path: Path) -> None:
    out = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (2**40,)}
    np.lib.format.write_array_header_1_0(out, header)
    hostile = {**members, "arrays/0.npy": out.getvalue() + bytes(16)}
    refused(write(tmp_path / "m.mlpool", hostile), "does not have the 1099511627776 values")


def header_text(shape: str, descr: str = "<f8", size: int = 0) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(size)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (header_text("(True,)", size=8), "no plain header|does not hold plain numbers"),
        (header_text("(1.0,)", size=8), "does not hold plain numbers"),
        (header_text("(-1,)"), "does not hold plain numbers"),
        (header_text("1"), "does not hold plain numbers"),
        (header_text(f"({'1,' * 9})", size=8), "does not hold plain numbers"),
        (header_text(f"(0, {2**49}, {2**49})"), "does not have the 0 values"),
        (header_text("(" + "(" * 5000 + ")" * 5000 + ",)"), "does not hold plain numbers"),
        (header_text("(9" + "9" * 4000 + ",)"), "does not hold plain numbers"),
        (header_text("(1,)", descr="<f16", size=16), "does not hold plain numbers"),
        (header_text("(1,)", descr="|V8", size=8), "does not hold plain numbers"),
    ],
)
def test_headers_that_ask_for_what_no_array_is(
    content: bytes, sentence: str, members: Members, tmp_path: Path
) -> None:
    refused(write(tmp_path / "m.mlpool", {**members, "arrays/0.npy": content}), sentence)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (7,), (1, 1), (2, 3, 2)])
@pytest.mark.parametrize("dtype", ["<f8", "<i2", "|b1", "|u1", "<f4"])
def test_headers_of_numpy_are_read(shape: tuple[int, ...], dtype: str) -> None:
    from mlpool.files.bounds import read_header

    out = io.BytesIO()
    np.lib.format.write_array(out, np.ones(shape, dtype=dtype), version=(1, 0))
    content = bytearray(out.getvalue())
    assert read_header(content, 0)[:2] == (shape, np.dtype(dtype))


BOMBS: dict[str, Callable[[int], bytes]] = {
    "lists": lambda k: b'{"format":1,"a":[' + b"[]," * k + b"0]}",
    "mappings": lambda k: b'{"format":1,"a":[' + b"{}," * k + b"0]}",
    "numbers": lambda k: b'{"format":1,"a":[' + b"1.5," * (4 * k) + b"0]}",
    "texts": lambda k: b'{"format":1,"a":[' + b'"",' * (4 * k) + b"0]}",
    "lists between texts": lambda k: b'{"a":"' + b"x" * (1 << 20) + b'","b":[' + b"[]," * k,
    "an open text": lambda k: b'{"a":[' + b"[]," * k + b'"' + b'\\"' * 1000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_records_that_grow_when_they_are_parsed(
    bomb: str, members: Members, tmp_path: Path
) -> None:
    path = tmp_path / "m.mlpool"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.json", BOMBS[bomb](200_000))
    tracemalloc.start()
    refused(path, r"would take more than 5\.0 MB to read, and max_bytes allows 20", max_bytes=2e7)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2.5e7


@settings(max_examples=200, deadline=None)
@given(
    record=st.recursive(
        st.integers(0, 9) | st.text(alphabet='\\\\"[{,}]ab', max_size=12),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(alphabet='\\\\",a', max_size=3), inner, max_size=3)
        ),
        max_leaves=30,
    ),
    block=st.integers(1, 7),
)
def test_texts_are_not_counted_as_values(record: Any, block: int) -> None:
    """However the record is cut into blocks, what is counted is what the parsed record has."""
    from mlpool.files import bounds

    content, bare, start, in_text = json.dumps(record).encode(), b"", 0, False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounds, "_BLOCK", block)
        while start < len(content):
            stop = bounds._end_of_block(content, start)
            part, in_text = bounds._outside_texts(content[start:stop], in_text)
            bare, start = bare + part, stop
    containers, commas = counted(record)
    assert not in_text
    assert (bare.count(b"[") + bare.count(b"{"), bare.count(b",")) == (containers, commas)


def counted(node: Any) -> tuple[int, int]:
    """Return a tree's lists and mappings, and the commas between their values."""
    if not isinstance(node, (list, dict)):
        return 0, 0
    inside = [counted(one) for one in (node.values() if isinstance(node, dict) else node)]
    return 1 + sum(a for a, _ in inside), max(len(node) - 1, 0) + sum(b for _, b in inside)


def test_a_record_of_long_texts_is_no_bomb(members: Members, tmp_path: Path) -> None:
    def change(record: Any) -> None:
        fields(record)["call"] = "[{, " * 200_000

    path = write(tmp_path / "m.mlpool", with_record(members, change))
    assert mlpool.load_model(path, max_bytes=2e7).call.startswith("[{, ")


def test_sizes_that_no_compression_reaches(members: Members, tmp_path: Path) -> None:
    path = tmp_path / "m.mlpool"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    content = bytearray(path.read_bytes())
    entry = content.rfind(b"PK\x01\x02")
    struct.pack_into("<I", content, entry + 24, 1_900_000_000)
    path.write_bytes(content)
    refused(path, "cannot be as large as it says")


@pytest.mark.parametrize("signs", ["+", "-", "+ ", "*", ": "])
def test_a_formula_of_signs_is_refused_at_once(
    signs: str, members: Members, tmp_path: Path
) -> None:
    def change(record: Any) -> None:
        record["formula"]["canonical"] = f"y ~ x{signs * 25_000}x"

    refused(write(tmp_path / "m.mlpool", with_record(members, change)), "a run of signs")


@pytest.mark.parametrize("path", [None, 3, 2.5, ["m"], "", "a\0b"])
def test_what_is_no_path(path: Any) -> None:
    with pytest.raises(mlpool.OptionError, match=r"load_model\(\) needs the path of a file"):
        mlpool.load_model(path)
    m = mlpool.lm("dist ~ speed", {"dist": [1.0, 2.0, 4.0], "speed": [1.0, 2.0, 3.0]})
    with pytest.raises(mlpool.OptionError, match=r"m.save\(\) needs the path of a file"):
        m.save(path)


def test_long_paths() -> None:
    with pytest.raises(mlpool.ModelFileError, match="File name too long") as caught:
        mlpool.load_model("a" * 5000)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not in version 1.0"),
        (b"\x93NUMPY\x03\x00", "not in version 1.0"),
        (b"\x93NUMPY\x01\x00", "no readable header"),
        (b"\x93NUMPY\x01\x00\x08\x00__import", "no readable header"),
    ],
)
def test_arrays_without_header(
    content: bytes, sentence: str, members: Members, tmp_path: Path
) -> None:
    refused(write(tmp_path / "m.mlpool", {**members, "arrays/0.npy": content}), sentence)


@pytest.mark.parametrize(
    ("path", "array", "sentence"),
    [
        (("fit", "beta"), np.zeros(3), "does not fit the rest of the model"),
        (("fit", "beta"), np.zeros((2, 1)), "its part 'beta' does not fit"),
        (("fit", "kept"), np.array([0, 7]), "the list of columns does not fit"),
        (("fit", "kept"), np.array([0.0, 1.0]), "its part 'kept' is not what it should be"),
        (("fit", "vcov_unscaled"), np.eye(3), "covariance of the coefficients does not fit"),
        (("fit", "theta"), np.ones(4), "theta does not fit"),
        (("design", "y"), np.ones(7), "does not fit"),
        (("design", "y"), np.ones((180, 1)), "does not fit"),
    ],
)
def test_arrays_of_the_wrong_shape(
    path: tuple[str, ...], array: Any, sentence: str, members: Members, tmp_path: Path
) -> None:
    wrong = with_array(members, place(members, *path), array)
    refused(write(tmp_path / "m.mlpool", wrong), sentence)


def test_codes_beyond_the_levels(members: Members, tmp_path: Path) -> None:
    record = json.loads(members["model.json"])
    random = fields(record, "design")["random"]["tuple"][0]["fields"]
    wrong = with_array(members, random["codes"]["array"], np.full(180, 18, dtype=np.int8))
    refused(write(tmp_path / "m.mlpool", wrong), "does not fit")


def test_facts_of_a_later_version_are_left_alone(members: Members, tmp_path: Path) -> None:
    more = with_record(members, lambda r: r["facts"]["dict"].update(later=3))
    m = mlpool.load_model(write(tmp_path / "m.mlpool", more))
    assert "REML" in str(m)


FUZZ = settings(
    max_examples=120,
    deadline=None,
    # the folder is only written over
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def load_or_refuse(path: Path) -> None:
    try:
        m = mlpool.load_model(path)
    except mlpool.MlpoolError:
        return
    assert m.kind == "lmer"


@FUZZ
@given(
    flips=st.lists(st.tuples(st.integers(0, 2**31), st.integers(1, 255)), min_size=1, max_size=4)
)
def test_random_flips_of_a_file(
    flips: list[tuple[int, int]], members: Members, tmp_path: Path
) -> None:
    path = write(tmp_path / "m.mlpool", members)
    content = bytearray(path.read_bytes())
    for position, change in flips:
        content[position % len(content)] ^= change
    path.write_bytes(content)
    load_or_refuse(path)


@FUZZ
@given(
    which=st.integers(0, 2**31), position=st.integers(0, 2**31), byte=st.integers(0, 255),
    cut=st.booleans(),
)  # fmt: skip
def test_random_flips_behind_the_checksums(
    which: int, position: int, byte: int, cut: bool, members: Members, tmp_path: Path
) -> None:
    # every second change goes to the record, which says what everything else means
    names = ["model.json"] * len(members) + list(members)
    name = names[which % len(names)]
    content = bytearray(members[name])
    at = position % len(content)
    content[at] = byte
    changed = bytes(content[:at] if cut else content)
    load_or_refuse(write(tmp_path / "m.mlpool", {**members, name: changed}))


TAGS = ["float", "tuple", "dict", "array", "rows", "formula", "bar", "index", "frame", "function"]
NODES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.builds(
            lambda tag, node: {tag: node},
            st.sampled_from(
                [
                    "float",
                    "tuple",
                    "dict",
                    "array",
                    "rows",
                    "formula",
                    "bar",
                    "index",
                    "frame",
                    "function",
                ]
            ),
            inner,
        )
    ),
    max_leaves=5,
)


def paths_of(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node)
    found = []
    for key, child in children:
        found.append((*path, key))
        if isinstance(child, (dict, list)):
            found += paths_of(child, (*path, key))
    return found


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@FUZZ
@given(which=st.integers(0, 2**31), node=NODES)
def test_random_values_anywhere_in_the_record(
    which: int, node: Any, members: Members, tmp_path: Path
) -> None:
    record = json.loads(members["model.json"])
    paths = paths_of(record)
    *head, last = paths[which % len(paths)]
    inside = record
    for key in head:
        inside = inside[key]
    inside[last] = node
    load_or_refuse(
        write(tmp_path / "m.mlpool", {**members, "model.json": json.dumps(record).encode()})
    )


def test_wrong_values_anywhere_in_a_residual_structure(tmp_path: Path) -> None:
    """One sentence, or a model that prints: parameters, their names and what is known of them."""
    sleep = mlpool.load_data("sleepstudy")
    m = mlpool.gls("Reaction ~ Days", sleep, correlation="cs(1 | Subject)")
    with zipfile.ZipFile(m.save(tmp_path / "m.mlpool")) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    record = json.loads(members["model.json"])
    parts = [("model", "fields", "said"), ("model", "fields", "fit"), ("facts",)]
    paths = [p for p in paths_of(record) if any(p[: len(part)] == part for part in parts)]
    refusals = 0
    for path in paths:
        for node in (None, "ar7", {"array": 0}):
            changed = json.loads(members["model.json"])
            inside = changed
            for key in path[:-1]:
                inside = inside[key]
            inside[path[-1]] = node
            file = write(
                tmp_path / "w.mlpool", {**members, "model.json": json.dumps(changed).encode()}
            )
            try:
                again = mlpool.load_model(file)
                str(again), str(mlpool.model_parameters(again, ci_random=True))
            except mlpool.MlpoolError:
                refusals += 1
    assert refusals > len(paths)  # a third of the changes is seen, or more


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("wrong", [False, True, 1.5, "1", None, [1], 10**30])
def test_row_labels_that_are_no_numbers(
    place: int, wrong: Any, members: Members, tmp_path: Path
) -> None:
    record = json.loads(members["model.json"])
    (*head, last) = next(p for p in paths_of(record) if p[-1] == "range")
    inside = record
    for key in head:
        inside = inside[key]
    inside[last][place] = wrong
    changed = {**members, "model.json": json.dumps(record).encode()}
    refused(write(tmp_path / "m.mlpool", changed), "its row labels are none")


def test_scores_of_levels_that_do_not_fit(tmp_path: Path) -> None:
    cbpp = mlpool.load_data("cbpp")
    m = mlpool.glmer("incidence ~ period + (1 | herd)", cbpp, "poisson")
    path = m.save(tmp_path / "m.mlpool", data=True)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def other_term(record: Any) -> None:
        scores = fields(record, "fit")["scores"]["tuple"]
        scores[0]["fields"]["term"] = 4

    def no_tuple(record: Any) -> None:
        fields(record, "fit")["scores"] = 3

    refused(write(tmp_path / "a.mlpool", with_record(members, other_term)), "the scores of the le")
    refused(
        write(tmp_path / "b.mlpool", with_record(members, no_tuple)), "its part 'scores' is not"
    )
    again = mlpool.load_model(path)
    assert again.vcov("CR1").equals(m.vcov("CR1"))
