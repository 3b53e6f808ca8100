"""The protocols: how views are made. A new one is one more module, and one more object in this list."""

from bias_toolkit.foundation.errors import InputError
from bias_toolkit.invariance.protocols.crop import CROP
from bias_toolkit.invariance.protocols.embed import EMBED
from bias_toolkit.invariance.protocols.offsets import OFFSETS
from bias_toolkit.invariance.protocols.protocol import Protocol

PROTOCOLS: tuple[Protocol, ...] = (CROP, EMBED, OFFSETS)

STEP_PROTOCOLS = tuple(protocol.name for protocol in PROTOCOLS if protocol.moves_by_steps)
"""The names of those whose views are each one step from the last."""


def protocol_of(name: str) -> Protocol:
    """The protocol of a name.

    Raises InputError if there is none.
    """
    found = {protocol.name: protocol for protocol in PROTOCOLS}
    if name not in found:
        raise InputError(f"--protocol {name} is not known; it has to be one of {', '.join(found)}.")
    return found[name]


__all__ = ["PROTOCOLS", "STEP_PROTOCOLS", "Protocol", "protocol_of"]
