"""Which of our addresses packets leave from; loads nothing."""

import socket


def local_address(server: tuple[str, int]) -> str:
    """The address from which packets to `server` leave; sends none. 127.0.0.1 without a route."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(server)
        except OSError:
            return "127.0.0.1"
        return str(sock.getsockname()[0])
