"""The sections of the page: which words, figures and tables belong together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predann_bids.report.evidence import evaluated, has_logits
from predann_bids.report.group.sentences import comparison_sentences, permutation_sentences, use_sentences
from predann_bids.report.table import Table


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Parameters
    ----------
    key : str
        Where links lead.
    title : str
        Heading.
    paragraphs : tuple of str
        What is said first.
    figures : tuple of str
        Names of figures.
    tables : tuple of Table
        Tables, below the figures.
    """

    key: str
    title: str
    paragraphs: tuple[str, ...]
    figures: tuple[str, ...]
    tables: tuple[Table, ...]


# key, heading, figures, tables
LAYOUT = (
    ("models", "Models", ("accuracy",), ("models",)),
    ("comparisons", "Comparisons", ("comparisons",), ("comparisons",)),
    ("permutation", "Permuted labels", ("permutation",), ("permutation",)),
    ("control", "The recordings' fingerprint", ("control",), ("control",)),
    ("retrieval", "Which song, which moment", ("retrieval_curves", "retrieval_lengths"), ("retrieval",)),
    ("uses", "What the network uses", ("delay", "channels", "bands"), ("regions", "channels", "bands")),
    ("splits", "Other splits", ("splits",), ("splits",)),
    (
        "details",
        "Participants, songs and lengths",
        ("by_participant", "by_song", "confusion", "by_length"),
        ("by_participant", "by_song", "by_fold"),
    ),
    ("training", "Training", ("training",), ()),
)
IN_THE_TABLE = (
    "By retrieval, a window counts as right when its own audio ranks first among all moments of all songs. In the"
    " table, p is of the two-sided test over participants; p, Holm is corrected by Holm's method over the comparisons"
    " with the same kind of rival, baseline or linear; p, overlap is of a t test over participants that allows"
    " for the training data that folds share. McNemar's test takes windows that do not overlap as"
    " independent, which those of one person are not:"
    " it says something about these recordings, not about other people."
)
CONTROLLED = (
    "Everything was done again on data in which music and EEG do not belong together: with the music and its labels"
    " dealt out anew, at random, among the presentations of each recording (reassigned), and with the EEG of each"
    " recording rotated in time against its events (shifted). What accuracy remains there is leakage; only what real"
    " data have beyond it can be music. Differences are means of participants, on windows that both have."
)
RETRIEVED = (
    "Candidates are ranked by how similar their audio is to what the EEG predicts. Which song: among the songs, at the"
    " same moment. Which moment of the song: among all moments of the song that was heard. Which moment of which song:"
    " among all moments of all of these songs."
)
USED = (
    "The trained network was tested on EEG that was changed in one way at a time. A loss shows that the network relies"
    " on what was taken away; no loss does not show that the brain's response is not there, as others may say the same."
)


def sections(metrics: Mapping[str, Any], drawn: Collection[str], tables: Mapping[str, Table]) -> list[Section]:
    """Lay out every section that has something to show.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    drawn : collection of str
        Names of the figures that there are.
    tables : mapping
        Tables by name.
    """
    said = _paragraphs(metrics, tables)
    laid_out = [
        Section(
            key,
            title,
            tuple(said.get(key, ())),
            tuple(name for name in figures if name in drawn),
            tuple(tables[name] for name in shown if name in tables),
        )
        for key, title, figures, shown in LAYOUT
    ]
    return [section for section in laid_out if section.figures or section.tables]


def _paragraphs(metrics: Mapping[str, Any], tables: Mapping[str, Table]) -> Mapping[str, Sequence[str]]:
    compared = tables.get("comparisons")
    corrected = compared is not None and len(compared.columns) > 5
    return {
        "models": [_models_paragraph(metrics)],
        "comparisons": [*comparison_sentences(metrics), *([IN_THE_TABLE] if corrected else [])],
        "permutation": permutation_sentences(metrics),
        "control": [CONTROLLED],
        "retrieval": [RETRIEVED],
        "uses": [USED, *use_sentences(metrics)] if metrics.get("uses") else [],
    }


def _models_paragraph(metrics: Mapping[str, Any]) -> str:
    logits = (
        "By song logits, the EEG alone says which song was heard, without the moment being known; by match,"
        if any(has_logits(scores) for scores in evaluated(metrics).values())
        else "By match,"
    )
    return (
        f"All numbers are percentages of test windows. {logits} the song is named whose audio at the same moment is"
        " most similar to what the EEG predicts. Intervals tell what other participants would give."
    )
