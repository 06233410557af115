"""SASL mechanisms, RFC 4422: the client's messages that prove its identity."""

from dataclasses import dataclass
from typing import Protocol

from probes.options import Secret
from probes.result import Owner, ProbeFailure, Reason


class Mechanism(Protocol):
    """One exchange of one mechanism; octets as they are before base64."""

    @property
    def name(self) -> str:
        """As registered, in capitals."""

    @property
    def secret(self) -> Secret:
        """The text to hide when the server repeats it."""

    @property
    def takes_initial(self) -> bool:
        """True if the first response may come with the command."""

    def initial(self) -> bytes:
        """The first response; for a mechanism that begins with the server's challenge, raises."""

    def respond(self, challenge: bytes) -> bytes:
        """The answer to a further challenge."""


@dataclass(frozen=True, slots=True)
class Plain:
    """PLAIN, RFC 4616: user name and password in one message."""

    username: str
    password: Secret

    @property
    def name(self) -> str:
        """The mechanism's registered name."""
        return "PLAIN"

    @property
    def secret(self) -> Secret:
        """The password."""
        return self.password

    @property
    def takes_initial(self) -> bool:
        """True: RFC 4616 §2."""
        return True

    def initial(self) -> bytes:
        """The only message. Raises ProbeFailure for a NUL in either part."""
        require_sendable(self.username, self.password)
        return f"\0{self.username}\0{self.password.reveal()}".encode()

    def respond(self, challenge: bytes) -> bytes:  # noqa: ARG002 - PLAIN has nothing more to say
        """Nothing: a server that still asks will say why it refuses."""
        return b""


@dataclass(frozen=True, slots=True)
class Login:
    """LOGIN, never standardised: the server asks for the user name, then for the password."""

    username: str
    password: Secret

    @property
    def name(self) -> str:
        """The name by which it is offered."""
        return "LOGIN"

    @property
    def secret(self) -> Secret:
        """The password."""
        return self.password

    @property
    def takes_initial(self) -> bool:
        """False: servers differ in whether a first response may come with the command."""
        return False

    def initial(self) -> bytes:
        """The answer to the first question. Raises ProbeFailure for a NUL in either part."""
        require_sendable(self.username, self.password)
        return self.username.encode()

    def respond(self, challenge: bytes) -> bytes:  # noqa: ARG002 - questions differ in words only
        """The answer to the second question."""
        return self.password.reveal().encode()


def require_sendable(username: str, password: Secret) -> None:
    """Raise ProbeFailure for a NUL in either part, RFC 4616 §2."""
    if "\0" in username or "\0" in password.reveal():
        raise ProbeFailure(
            Reason.UNTESTABLE, "a user name or password with a NUL", owner=Owner.CONFIGURATION
        )
