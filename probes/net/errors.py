"""What the network did to us, as a reason."""

from probes.result import ProbeFailure


class NetError(ProbeFailure):
    """A failure of the network, of a peer's protocol or of a name look-up."""
