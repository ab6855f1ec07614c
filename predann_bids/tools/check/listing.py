"""Print the result of a check as a table for people, or as JSON for programs."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from predann_bids.errors import some
from predann_bids.tools.check.checking import Check, failure_of
from predann_bids.tools.check.findings import Finding

SHOWN, PLACES = 30, 3


def show(check: Check, console: Console, *, whole: bool = False) -> None:
    """Print what is wrong, where, how to mend it and what becomes of it; then what would be used.

    Parameters
    ----------
    check : Check
        The result.
    console : Console
        Where to print; markup must be off, because names of files may look like it.
    whole : bool
        Print all findings and all places.
    """
    table = Table(
        Column("what", overflow="fold", ratio=4),
        Column("where", overflow="fold", ratio=3),
        Column("how to mend it", overflow="fold", ratio=3),
        Column("what becomes of it", overflow="fold", ratio=2),
        show_lines=True,
    )
    shown = check.findings if whole else check.findings[:SHOWN]
    for finding in shown:
        table.add_row(finding.what, _places(finding, whole=whole), finding.remedy or "–", finding.effect.value)
    if shown:
        console.print(table)
    if len(shown) < len(check.findings):
        console.print(f"... and {len(check.findings) - len(shown)} more findings (-v shows all)")
    console.print(summary(check), soft_wrap=True)


def _places(finding: Finding, *, whole: bool) -> str:
    if not finding.where:
        return "the dataset"
    named = some(finding.where, len(finding.where) if whole else PLACES)
    return f"{finding.count} times: {named}" if finding.count > 1 else named


def summary(check: Check) -> str:
    """Say in a sentence what would be used."""
    used = used_by(check)
    return (
        f"Would be used: {used['presentations']} presentations of {used['stimuli']} stimuli, {used['minutes']:.1f} min"
        f" of music, in {used['recordings']} of {len(check.dataset.recordings)} recordings of {used['participants']}"
        " participants."
    )


def used_by(check: Check) -> dict[str, Any]:
    """Count what the participant level would use."""
    used = [one for one in check.dataset.recordings if one.presentations and not failure_of(one)]
    presentations = [p for one in used for p in one.presentations]
    return {
        "participants": len({one.recording.participant for one in used}),
        "recordings": len(used),
        "presentations": len(presentations),
        "stimuli": len({p.label for p in presentations}),
        "minutes": round(sum(p.duration for p in presentations) / 60, 3),
    }


def as_json(check: Check, exit_code: int) -> str:
    """Write the result for programs."""
    recordings = [
        {
            "recording": one.recording.path.relative_to(one.recording.root).as_posix(),
            "presentations": 0 if failure_of(one) else len(one.presentations),
            "left_out": len(one.unusable),
        }
        for one in check.dataset.recordings
    ]
    content = {
        "exit_code": exit_code,
        "would_be_used": used_by(check),
        "findings": [finding.plain() for finding in check.findings],
        "recordings": recordings,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)
