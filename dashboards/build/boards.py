"""A board: its variables, its links, its rows, and the JSON file made of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    AnnotationContainer,
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.build.panels import Panel
from dashboards.build.queries import DATA_SOURCE, promql

TAG = "mailcanary"

SCHEMA = 39
"""The dashboard schema of Grafana 10.4, the oldest we serve; newer ones read it."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice of label values. `source` is a metric with a selector in the short form."""

    name: str
    label: str
    source: str
    description: str


JOB = Variable("job", "Job", "mailcanary_build_info", "Scrape jobs of Prometheus.")
INSTANCE = Variable(
    "instance", "Instance", 'mailcanary_build_info{job=~"$job"}', "Processes of mailcanary."
)
PATH = Variable("path", "Path", "mailcanary_path_info{@}", "Mail paths.")
PROBE = Variable("probe", "Probe", "mailcanary_probe_info{@}", "Jobs that probe a target.")
MAILBOX = Variable("mailbox", "Mailbox", "mailcanary_mailbox_info{@}", "Watched mailboxes.")
MX_PROBE = Variable(
    "probe", "Probe", "mailcanary_mx_hosts{@}", "Jobs of kind mx, each for one domain."
)
HOST = Variable(
    "host", "MX host", 'mailcanary_mx_addresses{@, probe=~"$probe"}', "MX hosts of the domains."
)


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels under it."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; `name` is that of its file and decides its UID."""

    name: str
    title: str
    description: str
    variables: Sequence[Variable]
    rows: Sequence[Row]
    has_objective: bool = False

    @property
    def file_name(self) -> str:
        """The file beside the folder `build`."""
        return f"{self.name}.json"


def uid_of(name: str) -> str:
    """Make the UID of a board from the name of its file: it never changes by itself."""
    return hashlib.md5(f"{name}.json".encode(), usedforsecurity=False).hexdigest()


def json_of(board: Board) -> str:
    """Write a board as the text of its file."""
    return JSONEncoder(sort_keys=True, indent=2).encode(_built(board)) + "\n"


def _built(board: Board) -> Dashboard:
    builder = _head(board)
    for variable in (JOB, INSTANCE, *board.variables):
        builder.with_variable(_variable(variable))
    if board.has_objective:
        builder.with_variable(_objective())
    for row in board.rows:
        builder.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            builder.with_panel(panel)
    return _finished(builder.build())


def _head(board: Board) -> dashboard.Dashboard:
    builder = dashboard.Dashboard(board.title).uid(uid_of(board.name))
    builder.description(board.description).tags([TAG]).timezone("browser").refresh("1m")
    builder.time("now-6h", "now").tooltip(DashboardCursorSync.CROSSHAIR).readonly()
    others = dashboard.DashboardLink("mailcanary").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    builder.link(others.as_dropdown(True).include_vars(True).keep_time(True))
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    return builder.with_variable(source.description("Prometheus that scrapes mailcanary."))


def _variable(variable: Variable) -> dashboard.QueryVariable:
    query = f"label_values({promql(variable.source)}, {variable.name})"
    builder = dashboard.QueryVariable(variable.name).label(variable.label).query(query)
    builder.description(variable.description).datasource(DATA_SOURCE).multi(True)
    builder.include_all(True).all_value(".+").refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    builder.current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    return builder.sort(VariableSort.ALPHABETICAL_ASC)


def _objective() -> dashboard.CustomVariable:
    builder = dashboard.CustomVariable("objective").label("Objective in %")
    builder.description("Share of the canaries that has to arrive in the inbox.")
    return builder.values("95, 99, 99.5, 99.9").current(
        VariableOption(selected=True, text="99", value="99")
    )


def _finished(built: Dashboard) -> Dashboard:
    """Number the panels from 1 on, and say which schema the board is written in."""
    built.schema_version = SCHEMA
    built.annotations = AnnotationContainer(list_val=[])
    for number, panel in enumerate(built.panels or (), 1):
        panel.id_val = number
    return built
