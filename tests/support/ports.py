"""Ports that are kept for a server, or for nobody, while other tests take theirs."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

LOOPBACK = "127.0.0.1"


@contextmanager
def reserved_port() -> Iterator[int]:
    """A TCP port of 127.0.0.1 that only a server with SO_REUSEADDR can take.

    The kernel gives a bound port to nobody who asks for any port. A server that names it and sets
    SO_REUSEADDR, as servers do, may listen there as often as it likes; before and after that,
    connections are refused.
    """
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((LOOPBACK, 0))
        yield int(sock.getsockname()[1])


@contextmanager
def reserving() -> Iterator[Callable[[], int]]:
    """A function that reserves another port at every call; all are given back at the end."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(reserved_port())


@contextmanager
def closed_udp_port() -> Iterator[int]:
    """A UDP port where nothing can be heard: its only socket listens to somebody else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        sock.connect((LOOPBACK, 9))
        yield int(sock.getsockname()[1])
