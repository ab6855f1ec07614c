"""Files about all participants, where derivatives were made apart and collected in one directory afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from predann_bids.bids.derivatives import Derivative, provide_stimulus_table
from predann_bids.bids.music.stimulus_table import read_stimulus_table, with_prefix
from predann_bids.console import say
from predann_bids.errors import PredannError
from predann_bids.report.quality.participants import collect, judge, participants_table, write_participants
from predann_bids.report.quality.writing import write_quality


def complete_tables(
    output_dir: Path, derivatives: Sequence[Derivative], stimuli_dirs: Sequence[Path], *, report: bool
) -> None:
    """Write the tables of participants and stimuli again if they do not tell of all derivatives.

    Each run of the participant level writes them for what it finds. Of runs in directories of their own, whose outputs
    were collected, only those of the last are left.

    Parameters
    ----------
    output_dir : Path
        The derivative dataset.
    derivatives : sequence of Derivative
        All that it holds.
    stimuli_dirs : sequence of Path
        Where the dataset's table of stimuli may be.
    report : bool
        Whether the page of quality is drawn, too.
    """
    participants = output_dir / "participants.tsv"
    table = participants_table(judge(collect(output_dir))).tsv()
    if not participants.is_file() or participants.read_text(encoding="utf-8") != table:
        (write_quality if report else write_participants)(output_dir)
    try:
        if _lacks_stimuli(output_dir, derivatives):
            provide_stimulus_table(stimuli_dirs, output_dir)
    except PredannError as error:  # it describes the stimuli to readers; nothing is computed from it
        say(f"Warning: {output_dir / 'stimuli' / 'stimuli.tsv'} does not describe all stimuli: {error}", stderr=True)


def _lacks_stimuli(output_dir: Path, derivatives: Sequence[Derivative]) -> bool:
    used = {with_prefix(p.stim_id) for one in derivatives for p in one.presentations if p.stim_id}
    table = read_stimulus_table([output_dir / "stimuli"])
    return bool(used - set(table.entries if table else ()))
