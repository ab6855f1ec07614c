"""The sections of the page: which words, figures and tables belong together, and in which order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predann_bids.report.group.predicted import predicted_sentences
from predann_bids.report.group.sentences import comparison_sentences, ladder, permutation_sentences
from predann_bids.report.group.uses import use_sentences
from predann_bids.report.scores import evaluated, has_logits
from predann_bids.report.table import Table


@dataclass(frozen=True)
class Place:
    """Where figures and tables stand on the page.

    Parameters
    ----------
    key : str
        Anchor of the section, where links lead.
    title : str
        Heading.
    figures : tuple of str
        Names in `FIGURES`.
    tables : tuple of str
        Names in `TABLES`; they stand below the figures.
    """

    key: str
    title: str
    figures: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class PageSection:
    """A section of the page.

    Parameters
    ----------
    key : str
        Anchor, where links lead.
    title : str
        Heading.
    paragraphs : tuple of str
        Text above the figures.
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


LAYOUT = (
    Place("models", "Models", ("accuracy",), ("models",)),
    Place("comparisons", "Comparisons", ("comparisons",), ("comparisons",)),
    Place("permutation", "Permuted labels", ("permutation",), ("permutation",)),
    Place("control", "The recordings' fingerprint", ("control",), ("control",)),
    Place("retrieval", "Which song, which moment", ("retrieval_curves", "retrieval_lengths"), ("retrieval",)),
    Place("uses", "What the network uses", ("delay", "channels", "bands"), ("regions", "channels", "bands")),
    Place("predicted", "What the EEG predicts", ("predicted",), ("predicted",)),
    Place("splits", "Other splits", ("splits",), ("splits",)),
    Place(
        "details",
        "Participants, songs and lengths",
        ("by_participant", "by_song", "confusion", "by_length"),
        ("by_participant", "by_song", "by_fold"),
    ),
    Place("training", "Training", ("training",)),
)
FURTHER = ("further", "Further results")  # key and title of the section of what has no place above
MODELS = (
    "All numbers are percentages of test windows. {logits} the song is named whose audio at the same moment is most"
    " similar to what the EEG predicts. Intervals show how far results would vary with other participants."
)
BY_LOGITS_AND_MATCH = (
    "By song logits, the EEG alone says which song was playing, without the moment being known; by match,"
)
IN_THE_TABLE = (
    "By retrieval, a window counts as right when its own audio ranks first among all moments of all songs. In the"
    " table, ‘p’ is from the two-sided t test over participants that belongs to the interval, and allows, like it, for"
    " the training data that folds share; ‘p, Holm’ is corrected by Holm's method over the comparisons with the same"
    " kind of rival, baseline or linear; ‘p, sign flips’ is from sign flips over participants, and does not allow for"
    " shared training data. McNemar's test treats windows that do not overlap as independent,"
    " which those of one person are not: it says something about these recordings, not about other people."
)
CONTROLLED = (
    "Everything was repeated on data in which music and EEG do not belong together: with the music and its labels"
    " reassigned at random among the presentations of each recording (reassigned), and with the EEG of each recording"
    " rotated in time against its events (shifted). The accuracy that remains is leakage; only what real data show"
    " beyond it can be music. Differences are means over participants, on windows that both have."
)
RETRIEVED = (
    "Candidates are ranked by how similar their audio is to what the EEG predicts. Which song: among the songs, at the"
    " same moment. Which moment of the song: among all moments of the song that was playing. Which moment of which"
    " song: among all moments of all of these songs."
)
USED = (
    "The trained network was tested on EEG that was changed in one way at a time. A loss shows that the network relies"
    " on what was taken away; no loss does not show that there is no response there, since other places or bands may"
    " carry the same information."
)


def sections(metrics: Mapping[str, Any], figures: Collection[str], tables: Mapping[str, Table]) -> list[PageSection]:
    """Lay out every section that has something to show.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    figures : collection of str
        Names of the figures that were drawn.
    tables : mapping
        Tables that were made, by name.

    Returns
    -------
    list of PageSection
        In the order of `LAYOUT`; what it does not place comes last.
    """
    paragraphs = _paragraphs(metrics, tables)
    laid_out = [
        PageSection(
            place.key,
            place.title,
            tuple(paragraphs.get(place.key, ())),
            tuple(name for name in place.figures if name in figures),
            tuple(tables[name] for name in place.tables if name in tables),
        )
        for place in (*LAYOUT, _further(figures, tables))
    ]
    return [section for section in laid_out if section.figures or section.tables]


def _further(figures: Collection[str], tables: Collection[str]) -> Place:
    """Give a place to what LAYOUT does not know, such as a figure of another package."""
    placed_figures = {name for place in LAYOUT for name in place.figures}
    placed_tables = {name for place in LAYOUT for name in place.tables}
    return Place(
        *FURTHER,
        tuple(name for name in figures if name not in placed_figures),
        tuple(name for name in tables if name not in placed_tables),
    )


def _paragraphs(metrics: Mapping[str, Any], tables: Mapping[str, Table]) -> Mapping[str, Sequence[str]]:
    """Return the text of each section, by its key."""
    compared = tables.get("comparisons")
    corrected = compared is not None and len(compared.columns) > 5
    logits = any(map(has_logits, evaluated(metrics).values()))
    return {
        "models": [MODELS.format(logits=BY_LOGITS_AND_MATCH if logits else "By match,")],
        "comparisons": [*ladder(metrics), *([IN_THE_TABLE] if corrected else comparison_sentences(metrics))],
        "permutation": permutation_sentences(metrics),
        "control": [CONTROLLED],
        "retrieval": [RETRIEVED],
        "uses": [USED, *use_sentences(metrics)] if metrics.get("uses") else [],
        "predicted": predicted_sentences(metrics),
    }
