"""One YAML file to one finished Config, with every problem in it at once.

`load`, `load_to_look` and `parse` read, `schema` describes. Inside the room the way is text, tree
of nodes with line numbers (yaml_reader), dataclasses (entries, by the table in option_types),
Config (assembly).
"""

from exporter.config.loading import REGISTERED, check_plugins, load, load_to_look, parse, schema
from exporter.config.problems import ConfigError, Problem

__all__ = [
    "REGISTERED",
    "ConfigError",
    "Problem",
    "check_plugins",
    "load",
    "load_to_look",
    "parse",
    "schema",
]
