"""Pure readers and writers of the standards' texts: no I/O, no clock."""


class RecordError(ValueError):
    """A text that does not follow the standard it claims; the message is one line for people."""
