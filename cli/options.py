"""The options of commands on a study, made from the declarations of the settings and of the command's steps."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bias_toolkit.pipeline.step import Step
from bias_toolkit.study.settings import INPUTS, MACHINE, SETTINGS_OF, Settings, flag_of, option_of
from bias_toolkit_cli.output import console_progress, tell_news

if TYPE_CHECKING:
    from bias_toolkit import Study

OF_THE_MODEL = ("model", "trust_study", "executor", "ray_address")
StudyFolder = Annotated[
    str, typer.Argument(metavar="STUDY", help="The study's folder. It is created if it does not exist.")
]
ExecutorName = Annotated[
    str | None,
    typer.Option(
        metavar="local|ray",
        rich_help_panel=MACHINE,
        help="Who does the work on images: this process (local, the default), or the workers of a Ray cluster.",
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        rich_help_panel=MACHINE,
        help="The Ray cluster; by default the running one, or else a new one on this machine.",
    ),
]


def _named(
    train: Annotated[
        str | None,
        typer.Option(metavar="PATH", rich_help_panel=INPUTS, help="Training images: a folder or annotation file."),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(metavar="PATH", rich_help_panel=INPUTS, help="Test images: a folder or annotation file."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            rich_help_panel=INPUTS,
            help="efficientnet-lite0 (-lite1, -lite2), demo, torchvision:NAME, timm:NAME or package.module:factory.",
        ),
    ] = None,
    trust_study: Annotated[
        bool,
        typer.Option(
            "--trust-study",
            rich_help_panel=INPUTS,
            help="Run the code of the model that only the study's record names; for studies whose author you trust.",
        ),
    ] = False,
    reuse: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="STUDY",
            rich_help_panel=INPUTS,
            help="Another study: what it has computed of the same inputs, such as the framing of the same datasets, is "
            "copied; repeat the option for several studies.",
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=INPUTS,
            help="Layout of both datasets, if it is not recognised: {layouts}.",
        ),
    ] = None,
    executor: ExecutorName = None,
    ray_address: RayAddress = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Holds the signature of the options that are no settings."""


def settings_of(steps: Iterable[Step]) -> list[str]:
    """The settings of the work of steps, and those that define their inputs; in order."""
    names = set()
    for step in steps:
        names |= step.setting_names().union(*(SETTINGS_OF[name] for name in step.input_names()))
    return [field.name for field in dataclasses.fields(Settings) if field.name in names]


def _parameter(name: str) -> inspect.Parameter:
    """The option of a setting."""
    option, default = option_of(name), Settings.__dataclass_fields__[name].default
    shown = ", ".join(map(str, default)) if isinstance(default, tuple) else default
    text = option.help if shown in (None, "") else f"{option.help[:-1]} (default {shown})."
    if option.several:
        text = f"{text[:-1]}; repeat the option for several values."
    kind = list[option.kind] if option.several else option.kind
    metavar = option.metavar or ("|".join(option.choices) or None)
    declared = typer.Option(flag_of(name), metavar=metavar, rich_help_panel=option.panel, help=text)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, declared]
    )


def takes_study_options(*steps: Step, also: Iterable[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that its steps depend on, and those of other settings.

    They are collected in its parameter `options` (a dict by name).
    """
    named = inspect.signature(_named, eval_str=True).parameters.values()
    needs_model = any("model" in step.input_names() for step in steps)
    shared = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in named
        if needs_model or parameter.name not in OF_THE_MODEL
    ]
    # A flag that belongs to several steps would not say which of them is meant.
    names = [*settings_of(steps), *also]
    flags = Counter(map(flag_of, names))
    shared += [_parameter(name) for name in names if flags[flag_of(name)] == 1]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in inspect.signature(command, eval_str=True).parameters.values()
            if parameter.name != "options"
        ]

        @functools.wraps(command)
        def gathered(**values: Any) -> None:
            options = {parameter.name: values.pop(parameter.name) for parameter in shared}
            command(**values, options=options)

        gathered.__signature__ = inspect.Signature([*own, *shared])
        gathered.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *shared]}
        del gathered.__wrapped__
        return gathered

    return decorate


def open_study(folder: str, options: dict[str, Any]) -> Study:
    """The study in `folder` with the given options; all other settings keep the study's values.

    Before anything is computed, what its sets hold is printed on standard error.
    """
    layouts = {f"{split}_layout": options[f"{split}_layout"] or options["layout"] for split in ("train", "test")}
    known = Settings.__dataclass_fields__
    settings = {name: value for name, value in (options | layouts).items() if name in known and value not in (None, [])}
    model = {name: options[name] for name in OF_THE_MODEL if options.get(name) is not None}
    # Importing what a study needs takes a second or more.
    with console_progress()("Opening the study", None):
        from bias_toolkit.study import Study

        given = {**model, **settings, "reuse": options["reuse"] or (), "when_read": tell_news}
        return Study(folder, options["train"], options["test"], **given)
