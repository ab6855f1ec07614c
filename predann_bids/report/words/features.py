"""What the report calls the audio features that a decoder's audio network takes."""

from __future__ import annotations

from dataclasses import dataclass

from predann_bids.report import words


@dataclass(frozen=True)
class FeatureWords:
    """What the report says about audio features.

    Parameters
    ----------
    name : str
        Plural phrase without an article, to follow 'on' or 'as': 'log-mel spectra'.
    """

    name: str


def feature_words(features: str) -> FeatureWords:
    """Return what the report says about audio features, or raise `WrongUsage`."""
    return words.look_up("audio feature", FEATURE_WORDS, features)


def add_feature_words(features: str, row: FeatureWords) -> None:
    """Add what the report says about audio features that another package brings."""
    words.add("audio feature", FEATURE_WORDS, features, row)


FEATURE_WORDS: dict[str, FeatureWords] = {
    "log-mel": FeatureWords("log-mel spectra"),
    "spectra": FeatureWords("log-mel spectra"),
    "onsets": FeatureWords("onset envelopes and spectral fluxes"),
    "waveform": FeatureWords("waveforms at 44.1 kHz"),
}
