"""What reports and messages say of songs that hold the same audio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from predann_bids.data.copies import AT_ONCE_S
from predann_bids.report.text import share


def copy_sentence(row: Mapping[str, Any]) -> str:
    """Say what two songs have in common.

    Parameters
    ----------
    row : mapping
        An entry of `copies` in metrics.json.
    """
    first, second, shift_s = f"'{row['first']}'", f"'{row['second']}'", row["shift_s"]
    if row["equal"]:
        return f"{first} and {second} are the same audio."
    later = f"{abs(shift_s):.2f} s {'later' if shift_s > 0 else 'earlier'} in {second}"
    return (
        f"{first} and {second} have {row['shared_s']:.0f} s of audio in common ({share(row['share'])} of the shorter"
        f" one), {'at the same moment' if abs(shift_s) <= AT_ONCE_S else later}."
    )


def copy_notes(rows: Sequence[Mapping[str, Any]], *, merging: bool) -> tuple[str, ...]:
    """Say what became of songs that hold the same audio, before any result.

    Parameters
    ----------
    rows : sequence of mapping
        The value `copies` of metrics.json.
    merging : bool
        Whether equal songs were to become one class.
    """
    notes = [
        f"{copy_sentence(row)} They were merged: '{row['first']}' stands for both." for row in rows if row["merged"]
    ]
    left = [copy_sentence(row) for row in rows if not row["merged"]]
    if not left:
        return tuple(notes)
    if merging:
        remedy = "They were not merged, because only songs that are equal from beginning to end can be: leave one out."
    elif any(row["equal"] for row in rows):
        remedy = "--copies merge makes one class of equal songs."
    else:
        remedy = "Leave one of them out if they are not meant to be told apart."
    return (*notes, f"{' '.join(left)} No decoder can tell the same audio apart. {remedy}")
