"""The console on which commands print views."""

from rich.console import Console

__all__ = ["Console"]
