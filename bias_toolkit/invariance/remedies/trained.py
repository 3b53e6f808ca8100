"""The model trained further: an arm of `bias_toolkit.models.training`, which gives the network."""

from bias_toolkit.invariance.remedies.remedy import Remedy
from bias_toolkit.models.training.arms import Arm


class Trained(Remedy):
    """The prediction of the network of one arm, after its training."""

    def __init__(self, arm: Arm) -> None:
        self.name = arm.name
        self.label = arm.label
        self.subject = arm.subject
        self.definition = arm.definition
