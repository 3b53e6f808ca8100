"""The built-in demo: its studies, its page, and the training of its networks."""

from bias_toolkit.demo.run import run_demo

__all__ = ["run_demo"]


def __dir__() -> list[str]:
    return sorted(__all__)
