"""What accuracy is lost without a region, a channel or a frequency band."""

from __future__ import annotations

from predann_bids.report.group.evidence import GroupEvidence
from predann_bids.report.group.tables import TABLES
from predann_bids.report.table import Column, Table
from predann_bids.report.words.decisions import WAYS

COLUMNS = {
    f"{way.prefix}{key}": column
    for way in WAYS
    for key, column in (
        ("drop", Column("Lost", "points", way.title)),
        ("ci95", Column("95 % interval", "points_interval", way.title)),
        ("p_holm", Column("p, Holm", "p", way.title)),
    )
}


@TABLES.add("regions")
def tabulate_regions(evidence: GroupEvidence) -> Table:
    """Make a row for each region of the head."""
    regions = evidence.uses.get("regions") or []
    columns = (Column("Region", "name"), *COLUMNS.values(), Column("Channels", "name"))
    values = [(r["name"], *map(r.get, COLUMNS), ", ".join(r.get("channels") or ())) for r in regions]
    return Table("regions", "Accuracy lost without a region", columns, tuple(values))


@TABLES.add("channels")
def tabulate_channels(evidence: GroupEvidence) -> Table:
    """Make a row for each channel."""
    channels = evidence.uses.get("channels") or []
    columns = (Column("Channel", "name"), *(Column("Lost", "points", way.title) for way in WAYS))
    values = [(channel["name"], *(channel.get(f"{way.prefix}drop") for way in WAYS)) for channel in channels]
    return Table("channels", "Accuracy lost without a channel and its neighbours", columns, tuple(values))


@TABLES.add("bands")
def tabulate_bands(evidence: GroupEvidence) -> Table:
    """Make a row for each frequency band."""
    bands = evidence.uses.get("bands") or []
    columns = (Column("Band", "name"), *COLUMNS.values())
    values = [(f"{b['name']}, {b['low_hz']:g}–{b['high_hz']:g} Hz", *map(b.get, COLUMNS)) for b in bands]
    return Table("bands", "Accuracy lost without a frequency band", columns, tuple(values))
