"""The answer to one HTTPS request, RFC 9110."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpsResponse:
    """One response as received: header names in lower case, in order; the body not decoded.

    `is_whole` is False if the body was cut at the limit.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    is_whole: bool

    def header(self, name: str) -> str | None:
        """The first field of that name (in lower case), None if there is none."""
        return next((value for known, value in self.headers if known == name), None)
