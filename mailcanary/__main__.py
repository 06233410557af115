"""`mailcanary` and `python -m mailcanary`."""

from exporter.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
