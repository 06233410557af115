"""Write the dashboards anew: `python -m dashboards.build`."""

from pathlib import Path

from dashboards.build.all_boards import BOARDS
from dashboards.build.boards import json_of

FOLDER = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write one JSON file for each board into the folder above."""
    for board in BOARDS:
        (FOLDER / board.file_name).write_text(json_of(board), encoding="utf-8")


if __name__ == "__main__":
    main()
