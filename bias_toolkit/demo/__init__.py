"""The built-in demo: its studies, its page, and the training of its networks."""

from bias_toolkit.demo.argument import binned, change_difference, law_table
from bias_toolkit.demo.run import run_demo

__all__ = ["binned", "change_difference", "law_table", "run_demo"]
