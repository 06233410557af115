"""The dashboards and rules in the chart: Helm reads no file outside of it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ROOT / "helm" / "mailcanary" / "files"
ORIGINALS = {"dashboards": "dashboards/*.json", "rules": "dashboards/alerts/*.yaml"}
"""Folder of the copies -> the originals."""


def wanted(folder: str) -> dict[str, bytes]:
    """Return the files that belong into a folder of copies, by their names."""
    return {file.name: file.read_bytes() for file in sorted(ROOT.glob(ORIGINALS[folder]))}


def found(folder: str) -> dict[str, bytes]:
    """Return the files that are in a folder of copies, by their names."""
    return {file.name: file.read_bytes() for file in sorted((FILES / folder).glob("*"))}


def copy_all() -> None:
    """Make the copies equal to the originals; remove those that have none any more."""
    for folder in ORIGINALS:
        originals = wanted(folder)
        for name in found(folder).keys() - originals.keys():
            (FILES / folder / name).unlink()
        for name, content in originals.items():
            (FILES / folder).mkdir(parents=True, exist_ok=True)
            (FILES / folder / name).write_bytes(content)
