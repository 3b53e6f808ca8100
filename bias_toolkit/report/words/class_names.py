"""Which name is shown for a label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ClassNames:
    """The names of labels.

    `names`: label to its name: synonyms, with commas between them.
    """

    names: Mapping[str, str] = field(default_factory=dict)

    def shown(self, label: str | None) -> str:
        """The first synonym of a label's name, or the label itself where it has no name; empty for no label."""
        if not isinstance(label, str):
            return ""
        return self.names.get(label, "").split(",")[0].strip() or label

    def given(self, label: str | None) -> str:
        """The label itself where `shown` gives another name for it, empty otherwise."""
        return label if isinstance(label, str) and self.shown(label) != label else ""
