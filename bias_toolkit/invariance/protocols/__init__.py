"""The protocols: how views are made. A new protocol is one module and one object in this list."""

from bias_toolkit.invariance.protocols.crop import CROP
from bias_toolkit.invariance.protocols.embed import EMBED
from bias_toolkit.invariance.protocols.frames import FRAMES
from bias_toolkit.invariance.protocols.offsets import OFFSETS
from bias_toolkit.invariance.protocols.protocol import Protocol
from bias_toolkit.invariance.transforms import check_name

PROTOCOLS: tuple[Protocol, ...] = (CROP, EMBED, OFFSETS, FRAMES)

STEP_PROTOCOLS = tuple(protocol.name for protocol in PROTOCOLS if protocol.moves_by_steps)
"""The names of the protocols whose views are each one step from the last."""


def protocol_of(name: str) -> Protocol:
    """The protocol with this name; raises InputError if there is none."""
    by_name = {protocol.name: protocol for protocol in PROTOCOLS}
    check_name("--protocol", name, by_name)
    return by_name[name]


__all__ = ["PROTOCOLS", "STEP_PROTOCOLS", "Protocol", "protocol_of"]
