"""The error of a ledger that cannot be used."""


class LedgerError(Exception):
    """The ledger cannot be used; the message names it and the remedy."""

    def __init__(self, name: str, remedy: str) -> None:
        super().__init__(f"ledger {name}: {remedy}")


class LedgerGoneError(LedgerError):
    """The file is no longer at its place: nothing is stored until the service starts again."""
