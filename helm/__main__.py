"""Make what is made: `python -m helm` writes the README of the chart and copies its files."""

from helm.copies import copy_all
from helm.readme import write

if __name__ == "__main__":
    write()
    copy_all()
