"""The one name of ours in site-packages.

Importing it puts the folder that holds `probes` and `exporter` first on the module search path of
this process. A wheel holds them in `_lib`; in a checkout they stand beside this package.
"""

import sys
from pathlib import Path

_INSTALLED = Path(__file__).resolve().parent / "_lib"

LIBRARY = _INSTALLED if _INSTALLED.is_dir() else _INSTALLED.parents[1]
"""The folder of `probes` and `exporter`; type checkers of plug-ins need it in MYPYPATH."""

if str(LIBRARY) not in sys.path[:1]:
    sys.path.insert(0, str(LIBRARY))
