"""What the report says about each split: how it is named, what it tests, and what it cannot show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from predann_bids.report import words

if TYPE_CHECKING:
    from predann_bids.config import Splitting

TRANSFER = "transfer"  # stands in metrics.json for decoders that were trained elsewhere


@dataclass(frozen=True)
class Division:
    """How the data of a run were divided, for the methods text.

    Parameters
    ----------
    n_folds : int
        Number of folds.
    splitting : Splitting
        The configuration.
    """

    n_folds: int
    splitting: Splitting

    @property
    def validation(self) -> str:
        """Share of the training data that was set apart for validation."""
        return f"{100 * self.splitting.validation:g} %"

    def set_apart(self, what: str, more: str = "") -> str:
        """Say what was set apart for early stopping, in a sentence that follows another."""
        if not self.splitting.validation:
            return " No data were set apart for validation."
        return f" {what} (at least one) were set apart for early stopping{more}."


@dataclass(frozen=True, kw_only=True)
class SplitWords:
    """What the report says about a split.

    Parameters
    ----------
    held_out : str
        What was held out, as the name of a row: 'Unseen people'.
    tested_on : str
        Whose EEG was tested, after 'From 3 s of EEG': 'of people it was never trained on'.
    methods : callable
        Makes the paragraph of the methods text from a `Division`.
    question : str
        What a reader asks when the split was evaluated beside another one.
    fact : str
        The split among the facts at the top of the page; by default 'split by' and its name.
    leak : str
        Why songs can be named without any music, should the fingerprint control show that they can.
    pieces : str
        What training and test data are of the same recordings, for a split within recordings.
    """

    held_out: str
    tested_on: str
    methods: Callable[[Division], str]
    question: str = ""
    fact: str = ""
    leak: str = ""
    pieces: str = "parts"


def split_words(split: str) -> SplitWords:
    """Return what the report says about a split, or raise `WrongUsage`."""
    return words.look_up("split", SPLIT_WORDS, split)


def add_split_words(split: str, row: SplitWords) -> None:
    """Add what the report says about a split that another package brings."""
    words.add("split", SPLIT_WORDS, split, row)


def question_about(split: str) -> str:
    """Return what a reader asks when a split was evaluated beside another one."""
    return split_words(split).question or f"And with the split '{split}'?"


def fact_about(split: str) -> str:
    """Name a split among the facts of a run."""
    return split_words(split).fact or f"split by {split}"


PARTLY_TRAINED_ON = "of recordings that it was partly trained on"
LEAK_WITHIN = (
    "Training and test data are pieces of the same presentations, so anything that marks a presentation is enough to"
    " name what was played in it."
)


def _participant(division: Division) -> str:
    return (
        "Decoders were tested on participants who contributed nothing to their training data: the participants were"
        f" divided into {division.n_folds} folds, each tested once by decoders trained on the others."
        + division.set_apart(
            f"Of the training participants, {division.validation}", "; these were never tested on in the same fold"
        )
    )


def _stimulus(division: Division) -> str:
    apart = division.set_apart(f"The other songs' recordings of {division.validation} of the participants")
    return (
        "Decoders were tested on songs that contributed nothing to their training data, neither audio nor anybody's"
        f" EEG: the songs were divided at random into {division.n_folds} folds, each tested once by decoders trained on"
        f" the others.{apart} The candidates of a decision are the songs held out in the fold."
    )


def _repetition(entity: str) -> Callable[[Division], str]:
    def methods(division: Division) -> str:
        return (
            f"Decoders were tested on {entity}s that contributed nothing to their training data: all participants'"
            f" {entity}s with the same label were held out in turn, in {division.n_folds} folds."
            f"{division.set_apart(f'Of the other recordings, {division.validation}')}"
            " The people tested are the ones trained on."
        )

    return methods


def _time(division: Division) -> str:
    apart = (
        f" Validation data ({division.validation} of the rest, at least one window) came from the end of the"
        " presentation that lies farther from the test block, again with a gap in between."
        if division.splitting.validation
        else " No data were set apart for validation."
    )
    return (
        f"Each presentation was divided into {division.n_folds} blocks in time. In each fold one block was tested, and"
        f" a gap of at least one window was left out on both sides of it.{apart} Blocks of one recording lie on both"
        " sides of this split, so anything that marks a recording also marks its song: accuracy above chance does not"
        " show that music was decoded."
    )


def _chunk(division: Division) -> str:
    splitting, n_folds = division.splitting, division.n_folds
    divided = (
        "a quarter of the chunks, drawn at random and stratified by song, was the test set"
        if n_folds == 1
        else f"the chunks were divided at random, stratified by song, into {n_folds} folds, each tested once"
    )
    seed = "" if splitting.split_seed == "auto" else f" (seed {splitting.split_seed})"
    apart = (
        f" Of the other chunks, {division.validation} were set apart for early stopping and never tested on in the same"
        " fold."
        if splitting.validation
        else " All other chunks were used for training."
    )
    return (
        f"As published, recordings were cut into chunks of {splitting.chunk:g} s, and {divided}{seed}.{apart} Chunks of"
        " one recording lie on both sides of this split, so anything that marks a recording also marks its song:"
        " accuracy above chance does not show that music was decoded."
    )


def _transfer(_: Division) -> str:
    return (
        "The decoders were trained in another run and only tested here, on recordings that they were not trained on;"
        " those that they were trained on were recognised by their samples and left out. The decoders were given the"
        " songs of this dataset in place of their own. Windows and delay are those of their training."
    )


SPLIT_WORDS: dict[str, SplitWords] = {
    "participant": SplitWords(
        held_out="Unseen people",
        question="Does it generalise to unseen people?",
        tested_on="of people it was never trained on",
        methods=_participant,
        leak="Test and training data share no person, so the signature of a person cannot explain it. What the"
        " recordings of different people have in common can: the order or the lengths of the songs, how often each was"
        " played, or traces of the stimulation in the EEG.",
    ),
    "stimulus": SplitWords(
        held_out="Unseen songs",
        question="Does it generalise to unseen songs?",
        tested_on="of people hearing songs it was never trained on",
        methods=_stimulus,
        leak="The training data contain the same people listening to other songs, so the decoder knows what marks these"
        " people and their recordings.",
    ),
    "session": SplitWords(
        held_out="Unseen sessions",
        question="Does it generalise to unseen sessions?",
        tested_on="of sessions it was never trained on",
        methods=_repetition("session"),
        leak="The training data contain other sessions of the same people, so the decoder knows what marks these"
        " people.",
    ),
    "run": SplitWords(
        held_out="Unseen runs",
        question="Does it generalise to unseen runs?",
        tested_on="of runs it was never trained on",
        methods=_repetition("run"),
        leak="The training data contain other runs of the same people, so the decoder knows what marks these people.",
    ),
    "time": SplitWords(
        held_out="Same recordings (time)",
        question="And within recordings, split by time?",
        tested_on=PARTLY_TRAINED_ON,
        methods=_time,
        leak=LEAK_WITHIN,
        pieces="stretches",
    ),
    "chunk": SplitWords(
        held_out="Same recordings (chunk)",
        question="And within recordings, split by chunk as published?",
        tested_on=PARTLY_TRAINED_ON,
        methods=_chunk,
        leak=LEAK_WITHIN,
        pieces="chunks",
    ),
    TRANSFER: SplitWords(
        held_out="Trained elsewhere",
        tested_on="that it was not trained on",
        methods=_transfer,
        fact="decoders trained elsewhere",
    ),
}
