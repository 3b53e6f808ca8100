"""The commands of `bias-toolkit`, put together."""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

COMMANDS = {
    "report": ("study_steps", "Run every step and write the bias report."),
    "demo": ("demo", "Make a full report from the built-in dataset, with nothing to download."),
    "embed": ("study_steps", "Extract the features of the training and test images."),
    "index": ("study_steps", "Find every test image's nearest training images."),
    "sweep": ("study_steps", "Move every test image pixel by pixel and measure how the model's answer changes."),
    "objects": ("objects", "Compare the objects' position and scale with chance, and two datasets with each other."),
    "analyse": ("study_steps", "Test whether images far from the training set are less stable."),
    "map": ("reframe", "Measure stability with the objects at other positions and scales."),
    "sizes": ("reframe", "Measure stability at other view sizes, from a tight crop to a small image."),
    "layers": ("layers", "Measure where in the network invariance is lost."),
    "remedies": ("reframe", "Try what makes the model more stable without training."),
    "compare": ("compare", "Put studies side by side: which model is more stable, and at what accuracy."),
    "flag": ("flag", "Say which new images the model will be unstable on."),
    "explain": ("explain", "Say why the model is unstable on an image."),
    "live": ("live", "Move the view over a photograph in the browser, with the model running."),
    "check": ("check", "Compare a finished report with limits, for use in CI."),
    "explore": ("take_away", "Open the test images in Renumics Spotlight."),
    "export": ("take_away", "Write the test images with all their measures, for other tools."),
    "plot": ("look", "Draw a figure of the study for a publication."),
    "neighbours": ("look", "Show a test image's nearest training images."),
    "verify": ("look", "Check every file of a study for damage."),
    "run-shards": ("shards", "Do one part of a step, as a job of a cluster."),
}
"""The module of each command, and what the list of commands says of it. Importing them all would take longer."""


class Command(TyperCommand):
    """A command whose help names the choices that the toolkit has."""

    def format_help(self, ctx: typer.Context, formatter: Any) -> None:
        """Write the help; only now the names are looked up, as the modules that have them import pandas."""
        from bias_toolkit_cli.output import console_progress

        with console_progress()("Looking up the choices", None):
            names = choices()
        for parameter in self.params:
            if isinstance(help := getattr(parameter, "help", None), str):
                for name, listed in names.items():
                    help = help.replace(f"{{{name}}}", listed)
                parameter.help = help
        super().format_help(ctx, formatter)


def choices() -> dict[str, str]:
    """The names of all layouts, protocols, transforms and so on, listed, by their word in help texts."""
    from bias_toolkit.datasets.load import LAYOUTS
    from bias_toolkit.invariance import PROTOCOLS, SURROUNDINGS
    from bias_toolkit.invariance.inpaint import FILLS
    from bias_toolkit.invariance.protocols.crop import SAMPLINGS
    from bias_toolkit.study.export import FORMATS

    by_steps = [protocol for protocol in PROTOCOLS if protocol.moves_by_steps]
    owners: dict[str, list[str]] = {}
    for protocol in by_steps:
        for transform in protocol.transforms:
            owners.setdefault(transform.name, []).append(protocol.name)
    transforms = [name if len(of) == len(by_steps) else f"{name} ({', '.join(of)} only)" for name, of in owners.items()]
    listed = {
        "layouts": LAYOUTS,
        "formats": FORMATS,
        "protocols": [protocol.name for protocol in PROTOCOLS],
        "transforms": transforms,
        "fills": FILLS,
        "samplings": SAMPLINGS,
        "surroundings": SURROUNDINGS,
    }
    return {word: ", ".join(names) for word, names in listed.items()}


def _print_version(asked: bool) -> None:
    if asked:
        from bias_toolkit import __version__

        print(f"bias-toolkit {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Holds the options of the command line itself."""


def command_line(arguments: list[str]) -> typer.Typer:
    """The command line. Commands among the arguments are complete; the others are only names in the help's list."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        # Importing rich's boxes takes longer than all else that the list of commands needs.
        rich_markup_mode="rich" if COMMANDS.keys() & set(arguments) else None,
        help="Is my dataset photographed in one way, and is that why my network is brittle?",
        epilog="Example: bias-toolkit report --train photos/train --test photos/val --model efficientnet-lite0 "
        "--out study",
    )
    app.callback()(_options)
    for name, (module, summary) in COMMANDS.items():
        if name in arguments:
            command = getattr(import_module(f"bias_toolkit_cli.{module}"), name.replace("-", "_"))
            app.command(name, short_help=summary, cls=Command)(command)
        else:
            app.command(name, short_help=summary)(_listed)
    return app


def _listed() -> None:
    """A placeholder for a command that is not among the arguments."""
