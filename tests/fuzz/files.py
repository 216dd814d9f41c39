"""Model files with bits, headers, sizes and records changed: a sentence, or the same model."""

from __future__ import annotations

import json
import random
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import mlpool
from tests.fuzz.arguments import models
from tests.fuzz.runner import Failure, run

KINDS = ["lm", "lm weights", "absorbed", "glm", "lmer", "crossed", "glmer"]
NODES: list[Any] = [
    None, True, 0, -1, 10**30, 1.5, 1e400, "", "x", "y ~ x", [], {}, [[]], {"array": 0},
    {"array": 10**9}, {"tuple": []}, {"float": "nan"}, {"rows": [2**40]}, {"dict": {"a": 1}},
    {"formula": True}, {"bar": 7}, {"index": None}, {"frame": {}}, {"function": "f"},
    {"record": "LmmFit", "fields": {}}, {"record": "os.system", "fields": {}},
]  # fmt: skip
HEADERS = [
    "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }",
    "{'descr': '<f8', 'fortran_order': True, 'shape': (1, 1), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }",
    "{'descr': '<f8', 'shape': (), }", "[]", "{}", "__import__('os')", "(" * 500,
]  # fmt: skip


@cache
def members(kind: str, with_data: bool) -> dict[str, bytes]:
    """The members of a saved model."""
    with tempfile.TemporaryDirectory() as folder:
        path = models()[kind].save(Path(folder) / "m.mlpool", data=with_data)
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def places_of(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of every value of a record."""
    if not isinstance(node, (dict, list)):
        return []
    children = node.items() if isinstance(node, dict) else enumerate(node)
    return [p for k, v in children for p in [(*path, k), *places_of(v, (*path, k))]]


def at(node: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at a path."""
    return at(node[path[0]], path[1:]) if path else node


def with_values(content: bytes, rng: random.Random) -> bytes:
    """Change, drop or move values of the record."""
    record = json.loads(content)
    for _ in range(rng.choice([1, 1, 2, 5])):
        places = places_of(record)
        *head, last = rng.choice(places)
        inside = record
        for key in head:
            inside = inside[key]
        how = rng.random()
        if how < 0.2:
            del inside[last]
        elif how < 0.4:
            inside[last] = json.loads(json.dumps(at(record, rng.choice(places))))
        else:
            inside[last] = rng.choice(NODES)
    return json.dumps(record).encode()


def changed(found: dict[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """Change one member, or the list of them."""
    made = dict(found)
    name = "model.json" if rng.random() < 0.5 else rng.choice([*made])
    content, how = bytearray(made[name]), rng.random()
    if name == "model.json" and how < 0.8:
        made[name] = with_values(bytes(content), rng)
    elif how < 0.4:
        for _ in range(rng.choice([1, 3])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        made[name] = bytes(content)
    elif how < 0.6:
        made[name] = bytes(content[: rng.randrange(len(content))])
    elif how < 0.7:
        del made[name]
    elif how < 0.8:
        made[name] = made[rng.choice([*made])]
    elif how < 0.9:
        head = rng.choice(HEADERS).encode()
        made[name] = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(16)
    else:
        made[rng.choice(["../x", "arrays/99.npy", "a\0b", "/etc/x", "model.json ", "é"])] = b"x"
    return made


def attempt(seed: int) -> None:
    """Load a changed file; what loads must answer or refuse in one sentence."""
    rng = random.Random(seed)
    kind, with_data = rng.choice(KINDS), rng.random() < 0.3
    what = f"{kind}{' with data' * with_data}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.mlpool"
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w", rng.choice([0, 8])) as archive:
            warnings.simplefilter("ignore")
            for name, content in changed(members(kind, with_data), rng).items():
                archive.writestr(name, content)
        if rng.random() < 0.15:
            whole = bytearray(path.read_bytes())
            for _ in range(rng.choice([1, 2, 8])):
                whole[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
            path.write_bytes(bytes(whole))
        m = run(lambda: mlpool.load_model(path, max_bytes=2e8), what)
        if isinstance(m, Exception):
            return
        if m.kind != models()[kind].kind:
            raise Failure(f"{what}: loads as {m.kind}")
        for verb in (str, mlpool.model_parameters, lambda m: m.predict(rows()), mlpool.summary):
            told = run(lambda verb=verb: str(verb(m)), f"{what}, loaded")
            assert isinstance(told, (str, Exception))


@cache
def rows() -> Any:
    from tests.fuzz.arguments import data

    return data().iloc[:3].assign(z=np.ones(3))
