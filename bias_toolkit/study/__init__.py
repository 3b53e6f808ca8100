"""The front door: a study, its inputs, settings, record and results, and the steps that compute it."""

from bias_toolkit.study.study import Study

__all__ = ["Study"]
