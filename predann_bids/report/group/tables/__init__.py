"""Tables of the group report.

A table is a function of the evidence of a run, in a module of this folder: `TABLES.add` gives it its name, and `LAYOUT`
in `predann_bids.report.group.sections` its place on the page.
"""

from __future__ import annotations

from collections.abc import Callable

from predann_bids.registry import Registry
from predann_bids.report.group.evidence import GroupEvidence, make_all
from predann_bids.report.table import Table

TABLES: Registry[Callable[[GroupEvidence], Table | None]] = Registry("table", __name__)


def make_tables(evidence: GroupEvidence) -> dict[str, Table]:
    """Make every table that the evidence allows and that has a row, by name."""
    return {name: table for name, table in make_all(TABLES, evidence).items() if table.values}
