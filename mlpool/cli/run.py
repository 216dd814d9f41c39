"""``mlpool``: run a command, turn mistakes into one sentence and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from mlpool.cli.commands import data_text, fit_text
from mlpool.cli.parser import build_parser
from mlpool.cli.quiet import quiet_libraries
from mlpool.errors import MlpoolError, MlpoolWarning
from mlpool.files.atomic_writes import is_special, write_whole

EXIT_OK, EXIT_ERROR, EXIT_INTERRUPT, EXIT_PIPE = 0, 1, 130, 141
"""As shells use them; argparse itself exits with 2 on a mistyped command."""

_COMMANDS: dict[str, Callable[[argparse.Namespace], str]] = {"fit": fit_text, "data": data_text}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process if not given.

    Returns
    -------
    int
        0 done; 1 an error in model or data (one sentence on stderr); 130 interrupted; 141 the
        reader of the output went away. A mistyped command raises ``SystemExit(2)``.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    _check(parser, arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            warnings.simplefilter("always", MlpoolWarning)
            with quiet_libraries():
                text = _COMMANDS[arguments.command](arguments)
            _write(text, arguments.output)
    except (MlpoolError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            return _close_pipe()
        print(f"mlpool: error: {_sentence(error)}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt as interrupt:
        print(f"mlpool: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        return EXIT_INTERRUPT
    return EXIT_OK


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuse combinations of options that argparse cannot see."""
    if arguments.command == "fit" and arguments.summary and arguments.format not in (None, "text"):
        parser.error("--summary is plain text: leave --format out")
    if arguments.command == "data" and arguments.info and arguments.name is None:
        parser.error("--info needs the NAME of a data set")


def _write(text: str, output: Path | None) -> None:
    """Write the result, with one newline at its end."""
    text = text.rstrip("\n") + "\n"
    if output is not None:
        content = text.encode("utf-8")
        if is_special(output):  # /dev/stdout, a pipe: nothing stands there that could be lost
            with output.open("wb") as file:
                file.write(content)
        else:
            write_whole(output, lambda file: file.write(content))
        return
    # Tables hold characters that a terminal's old code page may lack; never die of that.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    sys.stdout.write(text)
    sys.stdout.flush()


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, MlpoolError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _show_warning(  # noqa: PLR0913  # the arguments are Python's own
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show our warnings as one line each; other libraries' concern developers, not users."""
    if issubclass(category, MlpoolWarning):
        print(f"mlpool: warning: {' '.join(str(message).split())}", file=sys.stderr)


def _close_pipe() -> int:
    """Point stdout at nothing, so that the interpreter's last flush does not complain."""
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())
    return EXIT_PIPE
