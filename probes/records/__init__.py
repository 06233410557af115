"""Readers and writers of the texts that the standards define: pure, without I/O or a clock."""


class RecordError(ValueError):
    """A text that does not follow the standard it claims; the message is one line for people."""
