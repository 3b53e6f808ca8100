"""The command `bias-toolkit`."""

from __future__ import annotations

import sys

import typer

from bias_toolkit.errors import InputError
from bias_toolkit_cli import demo, look, study_steps

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
demo.register(app)
study_steps.register(app)
look.register(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: exit code 0, 2 for bad input, 130 when stopped by Ctrl-C."""
    try:
        app(args=arguments)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code == STOPPED:
            print("Stopped. Run the same command again and it goes on from here.", file=sys.stderr)
        raise
