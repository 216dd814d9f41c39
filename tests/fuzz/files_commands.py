"""The command line with odd files and arguments: exit code 0, 1 or 2, and one sentence."""

from __future__ import annotations

import contextlib
import io
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlpool.cli import main
from tests.fuzz.arguments import data
from tests.fuzz.runner import SECONDS, Failure, Hang, faults_of, limited

TABLE = "y,x,f,g\n1,2,u,a\n2,3,v,a\n4,1,u,b\n3,5,v,b\n6,6,u,c\n5,8,v,c\n9,9,u,d\n7,4,v,d\n"
FILES = {
    "good.csv": data().to_csv(index=False).encode(),
    "small.csv": TABLE.encode(),
    "empty.csv": b"",
    "header.csv": b"y,x,f,g\n",
    "one.csv": b"y,x,f,g\n1,2,u,a\n",
    "bom.csv": b"\xef\xbb\xbf" + TABLE.encode(),
    "latin.csv": TABLE.replace("u", "\xe9").encode("latin-1"),
    "utf16.csv": TABLE.encode("utf-16"),
    "nul.csv": TABLE.replace("u", "\0").encode(),
    "ragged.csv": (TABLE + "1,2,u,a,5,6\n1\n").encode(),
    "quotes.csv": TABLE.replace("u", '"u').encode(),
    "binary.csv": bytes(range(256)) * 4,
    "semicolon.csv": TABLE.replace(",", ";").encode(),
    "twice.csv": TABLE.replace("f,g", "x,x").encode(),
    "missing.csv": TABLE.replace("1", "").encode(),
    "infinite.csv": TABLE.replace("9", "inf").encode(),
    "text.csv": TABLE.replace("1", "one").encode(),
    "crlf.csv": TABLE.replace("\n", "\r\n").encode(),
    "bad.parquet": b"PAR1" + bytes(40) + b"PAR1",
    "bad.xlsx": b"PK\x03\x04" + bytes(40),
    "bad.feather": b"ARROW1" + bytes(20),
    "bad.sav": b"$FL2" + bytes(30),
    "bad.dta": b"<stata_dta>" + bytes(30),
    "bad.json": b'{"y": [1, 2], "x": ',
    "é ü.csv": TABLE.encode(),
    "model.mlpool": b"PK\x05\x06" + bytes(18),
}
FORMULAS = [
    "y ~ x", "y ~ x + f", "y ~ x + (1 | g)", "y ~ x + (x | g)", "k ~ x", "y ~ q", "y ~", "", "~ x",
    "y ~ x +", "y ~ __import__('os')", "f ~ x", "y ~ (1 | x)", "y ~ log(-x)", "\0", "y ~ \udce9",
    "y ~ poly(x, 1e9)", "y ~ factor(x) * factor(g)", "x" * 3000,
]  # fmt: skip
OPTIONS = {
    "--family": ["poisson", "binomial", "gaussian", "Gamma", "", "probit", "x" * 500],
    "--cluster": ["g", "q", "", "g + f", "~ g", "x"],
    "--vcov": ["CR2", "HC3", "vcovCL", "model", "q", ""],
    "--weights": ["x", "q", "f", ""],
    "--offset": ["x", "q", "f"],
    "--subset": ["x > 2", "x >", "f == 'u'", "q", "x > 99", "1e999", ""],
    "--ci": ["0.9", "0", "1", "95", "nan", "a", "-1", ""],
    "--ci-method": ["wald", "satterthwaite", "kenward", "profile", "q"],
    "--effects": ["all", "fixed", "random", "q"],
    "--digits": ["0", "15", "16", "-1", "a", "2.5", "9" * 300],
    "--format": ["text", "md", "html", "latex", "csv", "json", "q"],
    "--output": [
        "out.txt", "no/such/out.txt", ".", "", "out.html", "out.json", "a" * 300, "good.csv/x",
    ],
    "--nonsense": ["1"],
}  # fmt: skip
FLAGS = ["--ml", "--exponentiate", "--help", "--version", "-q", "--", "-"]


@contextlib.contextmanager
def folder_of_files() -> Iterator[Path]:
    """A folder of odd files, which the commands run in."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, content in FILES.items():
            Path(name).write_bytes(content)
        Path("folder.csv").mkdir()
        Path("loop.csv").symlink_to("loop.csv")
        yield Path(folder)


def arguments(rng: random.Random) -> list[str]:
    """Return a command that nobody would type, or nearly right."""
    if rng.random() < 0.15:
        name = rng.choice(["sleepstudy", "hsb", "", "../x", "sleepstudy.csv", "é"])
        given = ["data", *([name] if rng.random() < 0.8 else [])]
        given += rng.choice([[], ["--info"]])
    else:
        places = [
            *FILES,
            "folder.csv",
            "loop.csv",
            "no_such.csv",
            "",
            "sleepstudy",
            "http://x/y.csv",
            "a" * 5000,
        ]
        file = "good.csv" if rng.random() < 0.4 else rng.choice(places)
        given = ["fit", rng.choice(FORMULAS), file]
    for _ in range(rng.choice([0, 1, 1, 2])):
        name = rng.choice([*OPTIONS])
        given += [name, rng.choice(OPTIONS[name])]
    if rng.random() < 0.15:
        given.insert(rng.randrange(len(given) + 1), rng.choice(FLAGS))
    if rng.random() < 0.05:
        given = given[: rng.randrange(len(given) + 1)]
    return given


def attempt(seed: int) -> None:
    """Run a command in this process."""
    given = arguments(random.Random(seed))
    what = f"mlpool {[g[:60] for g in given]}"
    out, err = io.StringIO(), io.StringIO()
    with folder_of_files() as folder:
        before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), limited(SECONDS):
                code = main(given)
        except SystemExit as stop:
            code = stop.code
        except (Hang, Exception) as error:
            raise Failure(f"{what}: {type(error).__name__}: {str(error)[:200]}") from error
        after = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    target = given[given.index("--output") + 1] if "--output" in given[:-1] else ""
    changed = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
    if changed - {target} or (changed and code != 0):
        raise Failure(f"{what}: code {code}, but these files changed: {changed}")
    check(what, code, out.getvalue(), err.getvalue())


def check(what: str, code: object, out: str, err: str) -> None:
    """Hold the exit code and what was printed to the contract."""
    if code not in (0, 1, 2):
        raise Failure(f"{what}: code {code}")
    if code == 1 and (out or len(err.strip().splitlines()) > 4 or not err.startswith("mlpool: ")):
        raise Failure(f"{what}: code 1 with stdout {out[:100]!r} and stderr {err[:300]!r}")
    if code == 0 and not out and "output" not in what:
        raise Failure(f"{what}: code 0 and nothing printed")
    fault = faults_of(err) if err.strip() else None
    if fault:
        raise Failure(f"{what}: {fault}: {err[:300]}")
