"""The command line of a benchmark: one command, with the messages and exit codes of `attunet`."""

from __future__ import annotations

import argparse

import typer


def command_of(package: str) -> typer.Typer:
    """An application for `python -m PACKAGE`; its single command is added by the caller."""
    return typer.Typer(
        name=f"python -m {package}",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def add_label_argument(parser: argparse.ArgumentParser) -> None:
    """`--label VALUE` as the commands of `attunet` have it; None goes by `io.label_values`."""
    parser.add_argument(
        "--label",
        type=int,
        metavar="VALUE",
        help="value of the pancreas in label files; else the one value beside 0",
    )
