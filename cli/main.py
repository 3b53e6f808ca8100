"""The command `bias-toolkit`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bias_toolkit import __version__
from bias_toolkit.errors import InputError
from bias_toolkit_cli import demo, explain, look, objects, reframe, study_steps

# Typer's exit code for Ctrl-C.
STOPPED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Is my dataset photographed in one way, and is that why my network is brittle?",
    epilog="Example: bias-toolkit report --train photos/train --test photos/val --model efficientnet-lite0 --out study",
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"bias-toolkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Holds the options of the command line itself."""


demo.register(app)
study_steps.register(app)
objects.register(app)
reframe.register(app)
explain.register(app)
look.register(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: exit code 0, 2 for bad input, 130 when stopped by Ctrl-C."""
    try:
        app(args=arguments)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        # A disk that is full, or a folder that may not be written to; what was computed so far is kept.
        print(f"Error: {error.filename or 'A file'}: {error.strerror or error}.", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code == STOPPED:
            print("Stopped. Run the same command again and it goes on from here.", file=sys.stderr)
        raise
