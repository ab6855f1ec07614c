"""What the report calls the audio features that a decoder's audio network takes."""

from __future__ import annotations

from dataclasses import dataclass

from predann_bids.config.teachers import TeacherName
from predann_bids.report import words


@dataclass(frozen=True)
class FeatureWords:
    """What the report says about audio features.

    Parameters
    ----------
    name : str
        Plural phrase without an article, to follow 'on' or 'as': 'log-mel spectra'.
    methods : str
        Sentence for the methods text that says what a teacher is; empty for others.
    """

    name: str
    methods: str = ""


def feature_words(features: str) -> FeatureWords:
    """Return what the report says about audio features, or raise `WrongUsage`."""
    return words.look_up("audio feature", FEATURE_WORDS, TeacherName.of(features).kind)


def add_feature_words(features: str, row: FeatureWords) -> None:
    """Add what the report says about audio features that another package brings."""
    words.add("audio feature", FEATURE_WORDS, features, row)


FEATURE_WORDS: dict[str, FeatureWords] = {
    "log-mel": FeatureWords("log-mel spectra"),
    "spectra": FeatureWords("log-mel spectra"),
    "onsets": FeatureWords("onset envelope and spectral flux"),
    "waveform": FeatureWords("waveforms at 44.1 kHz"),
    "file": FeatureWords(
        "features from files", "The features of the stimuli were computed elsewhere and read from files."
    ),
    "mel": FeatureWords(
        "log-mel spectra of 64 bands", "The teacher is a log-mel spectrogram of 64 bands at 100 frames per second."
    ),
}
