"""The commands of `bias-toolkit`, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from bias_toolkit import __version__
from bias_toolkit_cli import demo, explain, look, objects, reframe, study_steps

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
