"""`python -m tests.integration.nothing_lost [--kills N] [--seed S] [--keep FOLDER]`."""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.integration.nothing_lost.story import run


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill the service again and again; lose nothing.")
    parser.add_argument("--kills", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="an empty folder for ledger and logs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailcanary-soak-") as scratch:
        folder = options.keep or Path(scratch)
        figures = asyncio.run(run(folder, kills=options.kills, seed=options.seed))
    json.dump(asdict(figures), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
