"""The command line as a shell user meets it: output, exit codes, one sentence per mistake."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlpool
from mlpool.cli import commands, main

ROOT = Path(__file__).parents[2]
FORMULA = "math ~ ses + gender + (1 | school)"


def run(*arguments: str, stdin: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "mlpool", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | options.pop("env", {})
    return subprocess.run(
        command, input=stdin, capture_output=True, check=False, env=environment, **options
    )


def python_table(formula: str, data: str, **options: Any) -> Any:
    table_options = {k: options.pop(k) for k in ("ci", "digits", "effects") if k in options}
    model = mlpool.fit(formula, mlpool.load_data(data), **options)
    return mlpool.model_parameters(model, **table_options)


# --- fit ------------------------------------------------------------------------------------


def test_fit_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", FORMULA, "hsb82"]) == 0
    out = capsys.readouterr()
    assert out.out.rstrip("\n") == str(python_table(FORMULA, "hsb82")).rstrip("\n")
    assert out.err == ""


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--cluster", "school"], {"cluster": "school"}),
        (["--cluster", "school", "--vcov", "HC1"], {"cluster": "school", "vcov": "HC1"}),
        (["--vcov", "HC3"], {"vcov": "HC3"}),
        (["--weights", "w"], {"weights": "w"}),
        (["--offset", "w"], {"offset": "w"}),
        (["--subset", "ses > 0"], {"subset": "ses > 0"}),
        (["--ci", "0.9", "--digits", "3"], {"ci": 0.9, "digits": 3}),
    ],
)
def test_fit_options_reach_the_verbs(
    arguments: list[str],
    options: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = mlpool.load_data("hsb82").assign(w=lambda d: 1 + d["student"] % 3)
    path = tmp_path / "schools.csv"
    data.to_csv(path, index=False)
    assert main(["fit", "math ~ ses", str(path), *arguments]) == 0
    table_options = {k: options[k] for k in ("ci", "digits") if k in options}
    fit_options = {k: v for k, v in options.items() if k not in table_options}
    model = mlpool.fit("math ~ ses", data, **fit_options)
    expected = str(mlpool.model_parameters(model, **table_options))
    assert capsys.readouterr().out.rstrip("\n") == expected.rstrip("\n")


def test_ml_and_effects(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["fit", "Yield ~ 1 + (1 | Batch)", "Dyestuff", "--format", "json"]
    assert main([*arguments, "--ml", "--effects", "random"]) == 0
    ml = json.loads(capsys.readouterr().out)
    assert main([*arguments, "--effects", "random"]) == 0
    reml = json.loads(capsys.readouterr().out)
    assert {row["Effects"] for row in ml} == {"random"}
    # Dyestuff by hand: balanced one-way layout, 6 batches of 5; mean squares 11271.5 and 2451.25.
    assert ml[0]["Coefficient"] == pytest.approx(((5 / 6 * 11271.5 - 2451.25) / 5) ** 0.5, rel=1e-5)
    assert reml[0]["Coefficient"] == pytest.approx(((11271.5 - 2451.25) / 5) ** 0.5, rel=1e-5)


def test_family_and_exponentiate(capsys: pytest.CaptureFixture[str]) -> None:
    formula = "cbind(incidence, size - incidence) ~ 1"
    arguments = ["fit", formula, "cbpp", "--family", "binomial", "--format", "csv"]
    assert main([*arguments, "--exponentiate"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    data = mlpool.load_data("cbpp")
    odds = data["incidence"].sum() / (data["size"] - data["incidence"]).sum()
    assert table["Coefficient"].iloc[0] == pytest.approx(odds, rel=1e-8)


@pytest.mark.parametrize("kind", ["text", "markdown", "html", "latex", "csv", "json"])
def test_formats_and_output_file(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suffix = {"text": "txt", "markdown": "md", "latex": "tex"}.get(kind, kind)
    path = tmp_path / f"table.{suffix}"
    assert main(["fit", "Yield ~ Batch", "Dyestuff", "--format", kind]) == 0
    printed = capsys.readouterr().out
    assert main(["fit", "Yield ~ Batch", "Dyestuff", "--output", str(path)]) == 0
    assert capsys.readouterr().out == ""
    assert path.read_text(encoding="utf-8") == printed, "the file's name decides the format"
    mark = {"html": "<table", "latex": r"\begin{tabular", "markdown": "|:--", "json": "{"}
    assert mark.get(kind, "Parameter") in printed


def test_csv_and_json_keep_full_precision(capsys: pytest.CaptureFixture[str]) -> None:
    exact = python_table("Yield ~ Batch", "Dyestuff").to_pandas()
    main(["fit", "Yield ~ Batch", "Dyestuff", "--format", "csv"])
    from_csv = pd.read_csv(io.StringIO(capsys.readouterr().out))
    main(["fit", "Yield ~ Batch", "Dyestuff", "--format", "json"])
    from_json = pd.DataFrame(json.loads(capsys.readouterr().out))
    for read in (from_csv, from_json):
        assert list(read["Parameter"]) == list(exact["Parameter"])
        np.testing.assert_allclose(read["SE"], exact["SE"], rtol=1e-12)


def test_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "Yield ~ 1 + (1 | Batch)", "Dyestuff", "--summary"]) == 0
    assert "REML criterion at convergence: 319.7" in capsys.readouterr().out


# --- data -----------------------------------------------------------------------------------


def test_data_lists_every_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(mlpool.datasets()["name"])
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("kind", ["markdown", "csv", "json"])
def test_data_listing_formats(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--format", kind]) == 0
    out = capsys.readouterr().out
    assert {"markdown": "|:--", "csv": "name,rows", "json": '"name": "hsb82"'}[kind] in out


def test_data_writes_a_set_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sleep.csv"
    assert main(["data", "sleepstudy", "--output", str(path)]) == 0
    assert main(["data", "sleepstudy"]) == 0
    assert path.read_text() == capsys.readouterr().out
    assert pd.read_csv(path)["Reaction"].sum() == mlpool.load_data("sleepstudy")["Reaction"].sum()


def test_data_info_names_source_and_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "hsb82", "--info"]) == 0
    out = capsys.readouterr().out
    assert "mlmRev" in out
    assert "GPL" in out
    assert "Public, Catholic" in out
    assert "1224, 1288, 1296, 1308, ... (160)" in out


# --- where data come from -------------------------------------------------------------------


def test_stdin_and_file_give_the_same_table(tmp_path: Path) -> None:
    text = mlpool.load_data("cake").to_csv(index=False).encode()
    path = tmp_path / "cake.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text)  # with a byte-order mark, as Excel writes
    from_stdin = run("fit", "angle ~ recipe", "-", stdin=text)
    from_file = run("fit", "angle ~ recipe", str(path))
    assert from_stdin.returncode == from_file.returncode == 0, from_file.stderr
    assert from_stdin.stdout == from_file.stdout
    assert b"recipe [B]" in from_file.stdout


def test_parquet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "dyes.parquet"
    mlpool.load_data("Dyestuff").to_parquet(path)
    assert main(["fit", "Yield ~ Batch", str(path), "--format", "csv"]) == 0
    assert "BatchF" in capsys.readouterr().out


def test_a_file_comes_before_a_bundled_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cake").write_text("y,x\n1,1\n2,2\n4,3\n")
    assert list(commands.read_data("cake").columns) == ["y", "x"]
    assert list(commands.read_data("Dyestuff").columns) == ["Batch", "Yield"]


# --- mistakes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["y ~ x", "hsb28"], "neither a file nor a bundled data set called 'hsb28'. Did you mean"),
        (["math ~ sess", "hsb82"], "Did you mean 'ses'"),
        (["math ~ ses +", "hsb82"], "math ~ ses +"),
        (["math ~ (ses", "hsb82"], "^"),
        (["math ~ ses", "hsb82", "--vcov", "HC9"], "HC9"),
        (["math ~ ses", "hsb82", "--cluster", "schol"], "Did you mean 'school'"),
        (["math ~ ses", "hsb82", "--family", "binomal"], "Did you mean 'binomial'"),
        (["math ~ ses", "hsb82", "--ci-method", "wlad"], "wlad"),
        (["math ~ ses", "hsb82", "--output", "no/such/folder/x.txt"], "no/such/folder/x.txt"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_1(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", *arguments]) == 1
    out = capsys.readouterr()
    assert out.err.startswith("mlpool: error: ")
    assert sentence in out.err
    assert "Traceback" not in out.err
    assert out.out == ""


def test_nearest_file_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("children.csv").write_text("a\n1\n")
    assert main(["fit", "y ~ x", "childen.csv"]) == 1
    assert "Did you mean 'children.csv'" in capsys.readouterr().err


def test_empty_stdin() -> None:
    done = run("fit", "y ~ x", "-")
    assert done.returncode == 1
    assert done.stderr == b"mlpool: error: There is nothing on standard input.\n"


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os').system('touch {}')",
        "math ~ __import__('os').system('touch {}')",
        "math ~ ().__class__.__bases__[0].__subclasses__()",
        'math ~ eval(\'open("{}", "w")\')',
        "math ~ (lambda: open('{}', 'w'))()",
        "math ~ [open('{}', 'w') for x in (1,)]",
        "math ~ open('{}', 'w')",
        "math ~ np.save('{}', ses)",
        "math ~ ses.to_csv('{}')",
        "math ~ `ses` + getattr(ses, 'to_csv')('{}')",
        "math ~ (1 | __import__('os').system('touch {}'))",
    ],
)
def test_a_formula_is_data_not_code(formula: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    done = run("fit", formula.replace("{}", str(mark)), "hsb82", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(b"mlpool: error: ")
    assert b"Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_subset_is_data_not_code(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    expression = f"__import__('os').system('touch {mark}') == 0"
    done = run("fit", "math ~ ses", "hsb82", "--subset", expression)
    assert done.returncode == 1
    assert not mark.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "COMMAND"),
        (["fti", "y ~ x", "hsb82"], "invalid choice: 'fti'"),
        (["fit", "y ~ x"], "DATA"),
        (["fit", "y ~ x", "hsb82", "--ci", "95"], "must lie between 0 and 1; got '95'"),
        (["fit", "y ~ x", "hsb82", "--ci", "wide"], "must lie between 0 and 1; got 'wide'"),
        (["fit", "y ~ x", "hsb82", "--digits", "-1"], "whole number from 0 to 15"),
        (["fit", "y ~ x", "hsb82", "--format", "pdf"], "invalid choice: 'pdf'"),
        (["fit", "y ~ x", "hsb82", "--clus", "school"], "unrecognized arguments"),
        (["fit", "y ~ x", "hsb82", "--summary", "--format", "csv"], "--summary is plain text"),
        (["data", "--info"], "--info needs the NAME"),
    ],
)
def test_a_mistyped_command_exits_with_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err


# --- manners --------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["fit", "y ~ x", "hsb82"], []])
def test_a_long_mistake_is_shown_by_its_beginning(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for mistake in ("--" + "a" * 5000, "b" * 5000):
        with pytest.raises(SystemExit, match="2"):
            main([*words, mistake])
        assert len(capsys.readouterr().err) < 1500  # the usage and one line


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"mlpool {mlpool.__version__}\n"


def test_warnings_are_one_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text("y,x,g\n1,1,a\n2,NA,a\n3,2,b\n5,3,b\n4,4,c\n7,5,c\n")
    assert main(["fit", "y ~ x", str(path), "--cluster", "g"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith("mlpool: warning: ") for line in lines)
    assert any("3 clusters" in line for line in lines)


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m mlpool data hsb82 | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert done.stdout.startswith(b"school,")
    assert done.stderr == b""
    assert done.returncode in (0, 141)  # 0: the whole text fitted into the pipe


def test_closed_stdout_gives_141(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-m", "mlpool", "data", "hsb82"]
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, check=False)
    os.close(write_end)
    assert done.returncode == 141
    assert done.stderr == b""


def test_interrupt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ctrl_c: None
) -> None:
    def interrupted(_: object) -> str:
        signal.raise_signal(signal.SIGINT)
        return ""

    monkeypatch.setattr("mlpool.cli.run._COMMANDS", {"data": interrupted})
    assert main(["data"]) == 130
    assert capsys.readouterr().err == "mlpool: interrupted\n"


def test_terminal_without_unicode() -> None:
    environment = {"PYTHONIOENCODING": "ascii"}
    done = run("fit", "Yield ~ 1 + (1 | Batch)", "Dyestuff", env=environment)
    assert done.returncode == 0, done.stderr


def test_installed_script_is_main() -> None:
    from importlib.metadata import entry_points

    scripts = entry_points(group="console_scripts", name="mlpool")
    if not scripts:
        pytest.skip("mlpool runs from the source tree, not installed")
    assert next(iter(scripts)).load() is main


# --- numbers and files as they are -----------------------------------------------------------


def test_json_reads_back_to_the_same_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=50) * 1e12
    path = tmp_path / "d.csv"
    pd.DataFrame({"x": x, "y": 3.7e-14 * x + rng.normal(size=50) * 1e-9}).to_csv(path, index=False)
    assert main(["fit", "y ~ x", str(path), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    table = mlpool.model_parameters(mlpool.lm("y ~ x", str(path))).to_pandas()
    for row, record in zip(table.to_dict("records"), told, strict=True):
        assert record["Coefficient"] == row["Coefficient"] != 0
        assert record["SE"] == row["SE"] and record["p"] == row["p"]


def test_json_of_a_data_set_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "sleepstudy", "--format", "json"]) == 0
    told = pd.DataFrame(json.loads(capsys.readouterr().out))
    data = mlpool.load_data("sleepstudy")
    assert told["Reaction"].tolist() == data["Reaction"].tolist()
    assert told["Subject"].tolist() == data["Subject"].astype(str).tolist()


def test_what_libraries_print_from_c_stays_out() -> None:
    code = (
        "import ctypes, os, sys, warnings, mlpool.cli.run as run\n"
        "def loud(arguments):\n"
        "    ctypes.CDLL(None).puts(b'** On entry to DLASCL')\n"
        "    os.write(1, b'from C\\n'); os.write(2, b'from C\\n')\n"
        "    warnings.warn('few clusters', run.MlpoolWarning)\n"
        "    return 'a table'\n"
        "run._COMMANDS['data'] = loud\n"
        "sys.exit(run.main(['data']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "a table\n")
    assert done.stderr == "mlpool: warning: few clusters\n"


def test_output_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, link = tmp_path / "table.txt", tmp_path / "link.txt"
    path.write_text("yesterday's")
    path.chmod(0o640)
    link.symlink_to(path)

    def full(self: Path, target: Any) -> None:
        raise OSError(28, "No space left on device", str(target))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        assert main(["fit", FORMULA, "hsb82", "--output", str(link)]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert path.read_text() == "yesterday's" and sorted(tmp_path.iterdir()) == [link, path]
    assert main(["fit", FORMULA, "hsb82", "--output", str(link)]) == 0
    assert link.is_symlink() and "(Intercept)" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="no /dev/stdout here")
def test_output_to_a_device() -> None:
    done = run("data", "--output", "/dev/stdout")
    assert done.returncode == 0 and b"sleepstudy" in done.stdout
