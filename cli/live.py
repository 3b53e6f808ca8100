"""`live`: the views of a photograph, with the model running."""

import sys
from typing import Annotated

import typer

from bias_toolkit.foundation.errors import InputError
from bias_toolkit_cli.output import console_progress, say

NEEDED = ("starlette", "uvicorn")
MISSING = "Starlette or uvicorn is not installed here; install bias-toolkit with the extra live."


def live(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The study's folder.")],
    image: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGE",
            help="A test image's id or path, or any other image file; by default the least stable test image.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on this machine; 0 is any free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, and open no browser.")] = False,
    trust_study: Annotated[
        bool,
        typer.Option(
            "--trust-study",
            help="Run the code of the model that only the study's record names; for studies whose author you trust.",
        ),
    ] = False,
) -> None:
    """Move the view over a photograph in the browser, and see what the model says of it at every pixel.

    The model runs on this machine, so that any shift, scale, canvas, blur and low-pass filter can be tried, also on
    photographs of your own. It needs the extra live. The page is served to this machine alone. Ctrl-C ends it.

    Example: bias-toolkit live study

    Example: bias-toolkit live study my-photograph.jpg
    """
    with console_progress()("Opening the study and its model", None):
        try:
            from bias_toolkit.study.live.server import serve
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in NEEDED:
                raise
            raise InputError(MISSING) from error
        from bias_toolkit.study import Study
        from bias_toolkit.study.live.page import live_page
        from bias_toolkit.study.live.views import LiveViews

        opened = Study(study, trust_study=trust_study)
        opened.inputs.open("model")
        views = LiveViews(opened.inputs, opened.results)
        page = live_page(views, opened.results, image and views.find(image))
    serve(views, page, port=port, opens=not no_browser, told=_tell)


def _tell(address: str) -> None:
    say(f"The page is at {address}\nOnly this address opens it, so keep it to yourself. Ctrl-C ends the page.")
    sys.stdout.flush()
