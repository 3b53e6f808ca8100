"""The protocols: how views are made. A new one is one more module, and one more object in this list."""

from bias_toolkit.invariance.protocols.crop import CROP
from bias_toolkit.invariance.protocols.embed import EMBED
from bias_toolkit.invariance.protocols.offsets import OFFSETS
from bias_toolkit.invariance.protocols.protocol import Protocol
from bias_toolkit.invariance.transforms import check_name

PROTOCOLS: tuple[Protocol, ...] = (CROP, EMBED, OFFSETS)

STEP_PROTOCOLS = tuple(protocol.name for protocol in PROTOCOLS if protocol.moves_by_steps)
"""The names of those whose views are each one step from the last."""


def protocol_of(name: str) -> Protocol:
    """The protocol of a name; raises InputError if there is none."""
    found = {protocol.name: protocol for protocol in PROTOCOLS}
    check_name("--protocol", name, found)
    return found[name]


__all__ = ["PROTOCOLS", "STEP_PROTOCOLS", "Protocol", "protocol_of"]
