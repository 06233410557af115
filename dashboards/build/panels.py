"""Panels: one function for each way to show something."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TableAutoCellOptions,
    TableCellHeight,
    TableColoredBackgroundCellOptions,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

from dashboards.build.queries import DATA_SOURCE, Query, targets

Panel = timeseries.Panel | stat.Panel | table.Panel | statetimeline.Panel | bargauge.Panel
_P = TypeVar("_P", timeseries.Panel, stat.Panel, table.Panel, statetimeline.Panel, bargauge.Panel)

Step = tuple[float | None, str]
"""A value, and the colour from it on; the first step has no value."""

PLAIN: tuple[Step, ...] = ((None, "green"),)
NONE_IS_GOOD: tuple[Step, ...] = ((None, "green"), (1, "red"))
CLEAR: tuple[Step, ...] = ((None, "transparent"),)

STATES = ("ok", "degraded", "unknown", "untestable", "failing")
"""The states from the best to the worst; `worst_state` gives the number of one."""

STATE_COLOURS = ("green", "yellow", "#808080", "purple", "red")

Words = Mapping[str, ValueMappingResult]


def words(*pairs: tuple[str, str]) -> Words:
    """Name the values 0, 1, … and give each a colour."""
    return {
        str(number): ValueMappingResult(text=text, color=colour, index=number)
        for number, (text, colour) in enumerate(pairs)
    }


STATE_WORDS = words(*zip(STATES, STATE_COLOURS, strict=True))
RESULT_COLOURS = {
    "pass": "green",
    "none": "#808080",
    "neutral": "#808080",
    "policy": "yellow",
    "temperror": "yellow",
    "softfail": "orange",
    "permerror": "red",
    "fail": "red",
}
STATUS_COLOURS = {"notice": "blue", "warning": "yellow", "untestable": "purple", "failure": "red"}
UP_WORDS = words(("down", "red"), ("up", "green"))


@dataclass(frozen=True, slots=True)
class Card:
    """What every panel has. `link` is a title and an address."""

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 12
    height: int = 8
    steps: tuple[Step, ...] = PLAIN
    words: Words = field(default_factory=dict)
    link: tuple[str, str] | None = None
    decimals: int | None = None


def lines(card: Card, *, is_stacked: bool = False, least: float | None = 0) -> timeseries.Panel:
    """Values over time as lines."""
    panel = _dressed(timeseries.Panel(), card)
    panel.targets([*targets(card.queries)]).line_width(1).fill_opacity(10)
    panel.span_nulls(span_nulls=True).show_points(VisibilityMode.AUTO)
    _with_legend(panel)
    if least is not None:
        panel.min(least)
    return _stacked(panel, 40) if is_stacked else panel


def bars(card: Card) -> timeseries.Panel:
    """How many in each step of time, one bar on the other."""
    panel = _dressed(timeseries.Panel(), card)
    panel.targets([*targets(card.queries)]).draw_style(GraphDrawStyle.BARS).line_width(0)
    _with_legend(panel).min(0)
    return _stacked(panel, 80)


def numbers(card: Card, *, colours: Mapping[str, str] = {}) -> stat.Panel:
    """Values of now as big numbers; `colours` are those of single series."""
    panel = _dressed(stat.Panel(), card)
    panel.targets([*_instant(card)]).graph_mode(BigValueGraphMode.NONE)
    panel.color_mode(BigValueColorMode.BACKGROUND if colours else BigValueColorMode.VALUE)
    for name, colour in colours.items():
        panel.override_by_name(name, [_from_one_on(colour)])
    return panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))


def levels(card: Card) -> bargauge.Panel:
    """Values of now, one bar for each series."""
    panel = _dressed(bargauge.Panel(), card)
    panel.targets([*_instant(card)])
    return panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))


def states(card: Card) -> statetimeline.Panel:
    """One band for each series, in the colour of its value."""
    panel = _dressed(statetimeline.Panel(), card)
    return panel.targets([*targets(card.queries)]).merge_values(True).row_height(0.85)


def rows(card: Card, value: str) -> table.Panel:
    """A table of values of now, the greatest first; `value` is the heading of the numbers."""
    panel = _table(card)
    organise = {"excludeByName": {"Time": True}, "renameByName": {"Value": value}}
    panel.with_transformation(DataTransformerConfig(id_val="organize", options=organise))
    panel.override_by_name(value, [_cell(TableColoredBackgroundCellOptions())])
    return panel.sort_by([common.TableSortByFieldState().display_name(value).desc(True)])


def labels(card: Card, column: str = "", colours: Mapping[str, str] = {}) -> table.Panel:
    """A table of the labels of the series of now; `column` has a colour for each of its words."""
    panel = _table(card)
    organise = {"excludeByName": {"Time": True, "Value": True}}
    panel.with_transformation(DataTransformerConfig(id_val="organize", options=organise))
    if column:
        named = {word: ValueMappingResult(color=colour) for word, colour in colours.items()}
        mappings = DynamicConfigValue(id_val="mappings", value=[ValueMap(options=named)])
        panel.override_by_name(column, [_cell(TableColoredBackgroundCellOptions()), mappings])
    return panel


def matrix(card: Card, row: str, column: str) -> table.Panel:
    """A table of the values of now with a row and a column for each value of two labels."""
    panel = _table(card)
    axes = {"rowField": row, "columnField": column, "valueField": "Value"}
    panel.with_transformation(DataTransformerConfig(id_val="groupingToMatrix", options=axes))
    return panel.cell_options(TableColoredBackgroundCellOptions())


def metric_names(expression: str) -> list[str]:
    """Our metrics in an expression, as the documentation calls them."""
    found = set(re.findall(r"mailcanary_\w+", expression))
    return sorted({re.sub(r"_(bucket|sum|count)$", "", name) for name in found})


def _table(card: Card) -> table.Panel:
    panel = _dressed(table.Panel(), card)
    panel.targets([*targets(card.queries, is_now=True)]).cell_height(TableCellHeight.SM)
    return panel.cell_options(TableAutoCellOptions())


def _dressed(panel: _P, card: Card) -> _P:
    panel.title(card.title).description(_description(card)).datasource(DATA_SOURCE)
    panel.unit(card.unit).span(card.width).height(card.height)
    steps = [Threshold(value, colour) for value, colour in card.steps]
    panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    if len(steps) > 1:
        panel.color_scheme(dashboard.FieldColor().mode(_mode(panel)))
    if card.words:
        panel.mappings([ValueMap(options=dict(card.words))])
    if card.link is not None:
        panel.data_links([dashboard.DashboardLink(card.link[0]).url(card.link[1])])
    if card.decimals is not None:
        panel.decimals(card.decimals)
    return panel


def _mode(panel: Panel) -> FieldColorModeId:
    """Lines keep a colour of their own, by which they are told apart."""
    if isinstance(panel, timeseries.Panel):
        return FieldColorModeId.PALETTE_CLASSIC
    return FieldColorModeId.THRESHOLDS


def _description(card: Card) -> str:
    names = metric_names(" ".join(query.expression for query in card.queries))
    if not names:
        return card.description
    listed = ", ".join(f"`{name}`" for name in names)
    return f"{card.description}\n\nMade of {listed}: see docs/metrics.md."


def _instant(card: Card) -> list[prometheus.Dataquery]:
    return [target.instant() for target in targets(card.queries)]


def _with_legend(panel: timeseries.Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    panel.legend(legend.placement(LegendPlacement.BOTTOM).show_legend(True).calcs([]))
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
    return panel.tooltip(tooltip.sort(SortOrder.DESCENDING))


def _stacked(panel: timeseries.Panel, opacity: int) -> timeseries.Panel:
    stacking = common.StackingConfig().mode(StackingMode.NORMAL).group("A")
    return panel.stacking(stacking).fill_opacity(opacity)


def _from_one_on(colour: str) -> DynamicConfigValue:
    """Grey where there is none: a red nought would frighten for nothing."""
    steps = [Threshold(None, "#80808040"), Threshold(1, colour)]
    return DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": steps})


def _cell(options: object) -> DynamicConfigValue:
    return DynamicConfigValue(id_val="custom.cellOptions", value=options)


def runs_by_verdict() -> Panel:
    """Make the panel of all runs of the chosen jobs."""
    return bars(
        Card(
            "Runs",
            "Finished runs by verdict. `ok` holds runs with warnings too.",
            (
                Query(
                    "sum by (verdict) (increase(mailcanary_probe_runs_total{@probe}"
                    "[$__rate_interval])) > 0",
                    "{{verdict}}",
                    is_rare=True,
                ),
            ),
        )
    )
