"""The arguments of ``mlpool`` and its subcommands."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

import mlpool
from mlpool.errors import brief

FORMATS = ("text", "markdown", "html", "latex", "csv", "json")
FORMAT_OF_SUFFIX = {
    ".txt": "text",
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
    ".tex": "latex",
    ".csv": "csv",
    ".json": "json",
}

_LONGEST = 80
"""Characters of a word that a message shows: a line of a terminal."""

_EPILOG = """\
examples:
  mlpool fit "math ~ ses + gender + (1 | school)" hsb82
  mlpool fit "math ~ ses" hsb82 --cluster school --format markdown
  mlpool fit "score ~ age + (age | child)" children.csv --ml --output table.html
  mlpool data sleepstudy --output sleepstudy.csv

exit codes: 0 done, 1 the model or the data have a problem, 2 the command is mistyped
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose messages show the beginning of long words, not all of them."""

    def error(self, message: str) -> NoReturn:
        """Say what is mistyped and exit with code 2."""
        short = " ".join(w if len(w) <= _LONGEST else f"{w[:_LONGEST]}..." for w in message.split())
        super().error(short)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = _Parser(
        prog="mlpool",
        description="Multilevel models from the shell: a formula goes in, a table comes out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"mlpool {mlpool.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_fit(commands)
    _add_data(commands)
    return parser


def output_format(arguments: argparse.Namespace, default: str = "text") -> str:
    """Return the format asked for, else the one the output file's name says, else `default`."""
    if arguments.format:
        return str(arguments.format)
    suffix = arguments.output.suffix.lower() if arguments.output else ""
    return FORMAT_OF_SUFFIX.get(suffix, default)


def _add_fit(commands: argparse._SubParsersAction[_Parser]) -> None:
    fit = commands.add_parser(
        "fit",
        help="fit a model and print its table",
        description="Fit a model: ordinary regression, or a mixed model if the formula has a bar.",
        allow_abbrev=False,
    )
    fit.add_argument("formula", metavar="FORMULA", help="e.g. 'math ~ ses + (1 | school)'")
    fit.add_argument(
        "data",
        metavar="DATA",
        help="a CSV or Parquet file, folder or pattern, a bundled data set, or - for stdin",
    )
    fit.add_argument(
        "--scan",
        action="store_true",
        help="fit by queries where the rows lie (large files are scanned without it)",
    )
    _add_model_options(fit.add_argument_group("model"))
    _add_table_options(fit.add_argument_group("table"))
    _add_output_options(fit, FORMATS)


def _add_model_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--cluster",
        metavar="NAME",
        action="append",
        help="column for cluster-robust standard errors; repeat it for several",
    )
    group.add_argument("--vcov", metavar="TYPE", help="covariance: vcovCL, HC3, CR2 ...")
    group.add_argument("--ml", action="store_true", help="maximum likelihood instead of REML")
    group.add_argument(
        "--family", metavar="F", help="gaussian, binomial, poisson, binomial(probit)"
    )
    group.add_argument("--weights", metavar="NAME", help="column of prior weights")
    group.add_argument("--offset", metavar="NAME", help="column added to the linear predictor")
    group.add_argument("--subset", metavar="EXPR", help="rows to use, e.g. 'ses > 0'")
    group.add_argument(
        "--engine", choices=("auto", "mlpool", "statsmodels"), default="auto", help="default: auto"
    )


def _add_table_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--ci", type=_level, default=0.95, help="confidence level (default: 0.95)")
    group.add_argument("--ci-method", metavar="M", help="wald, satterthwaite, kenward ...")
    group.add_argument("--effects", choices=("all", "fixed", "random"), help="default: all")
    group.add_argument("--digits", type=_digits, help="decimals of the estimates (default: 2)")
    group.add_argument("--exponentiate", action="store_true", help="odds or rate ratios")
    group.add_argument(
        "--summary", action="store_true", help="print R's summary() text instead of the table"
    )


def _add_data(commands: argparse._SubParsersAction[_Parser]) -> None:
    data = commands.add_parser(
        "data",
        help="list the bundled data sets, or write one out",
        description="List the bundled data sets; with NAME, write that data set (default: CSV).",
        allow_abbrev=False,
    )
    data.add_argument("name", metavar="NAME", nargs="?", help="a bundled data set")
    data.add_argument("--info", action="store_true", help="its columns, source and licence instead")
    _add_output_options(data, ("text", "markdown", "csv", "json"))


def _add_output_options(parser: argparse.ArgumentParser, formats: tuple[str, ...]) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--format", choices=formats, help="default: by the output file's name")
    group.add_argument(
        "--output", type=Path, metavar="FILE", help="write to FILE instead of the terminal"
    )


def _level(text: str) -> float:
    """Return a confidence level strictly between 0 and 1."""
    try:
        level = float(text)
    except ValueError:
        level = -1.0
    if not 0 < level < 1:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 1; got {brief(text)}")
    return level


def _digits(text: str) -> int:
    if not text.isdecimal() or len(text) > 2 or int(text) > 15:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 15; got {brief(text)}")
    return int(text)
