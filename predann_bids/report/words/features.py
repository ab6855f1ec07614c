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


def feature_name(features: str) -> str:
    """Name audio features in a sentence, with the layer if one was chosen."""
    layer = TeacherName.of(features).layer
    return feature_words(features).name + (f" ('{layer}')" if layer else "")


def add_feature_words(features: str, row: FeatureWords) -> None:
    """Add what the report says about audio features that another package brings."""
    words.add("audio feature", FEATURE_WORDS, features, row)


_MARKOV = (
    "{what} is that of a Markov model of variable order (up to 5; escape method C, interpolated; Pearce, 2005) of"
    " steps of 0.1 s, quantised by strongest pitch class, level and brightness. The model has learned from the past of"
    " each song alone (a short-term model)."
)

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
    "musicnn": FeatureWords(
        "layers of musicnn",
        "The teacher is musicnn (Pons and Serra, 2019), a convolutional network that was trained to tag music"
        " (MagnaTagATune), of which dense layers were taken.",
    ),
    "crepe-tiny": FeatureWords(
        "the embedding of CREPE",
        "The teacher is the smallest CREPE (Kim et al., 2018), a network that was trained to hear pitch, of which the"
        " last but one layer was taken.",
    ),
    "basic-pitch": FeatureWords(
        "the notes and onsets of Basic Pitch",
        "The teacher is Basic Pitch (Bittner et al., 2022), a network that was trained to transcribe notes: its"
        " probabilities that each of 88 notes sounds, and that it begins.",
    ),
    "surprisal": FeatureWords(
        "the surprisal of a Markov model",
        _MARKOV.format(what="The surprisal of each step, -ln p,"),
    ),
    "entropy": FeatureWords(
        "the entropy of a Markov model",
        _MARKOV.format(what="The entropy of the distribution before each step"),
    ),
    "harmony": FeatureWords(
        "descriptions of harmony",
        "The teacher describes harmony, 50 times per second: pitch classes, the tonal centroid and how fast it moves"
        " (Harte et al., 2006), contextuality within 1.5 and 6 s (Leman, 2000), clarity of the key and fit to it"
        " (Krumhansl, 1990), roughness (Sethares, 1993), and onsets of pitch classes.",
    ),
    "timbre": FeatureWords(
        "descriptions of timbre",
        "The teacher describes timbre, 50 times per second: cepstral coefficients without that of the level; centroid,"
        " spread, flatness, rolloff, entropy and brightness of the spectrum (Peeters et al., 2011), its contrast in"
        " octaves (Jiang et al., 2002), and how fast its shape changes.",
    ),
    "musicgen": FeatureWords(
        "the surprisal and entropy of MusicGen",
        "The teacher is MusicGen (Copet et al., 2023), a language model of the tokens of EnCodec (Défossez et al.,"
        " 2023), without a text: the surprisal -log2 p of the tokens of each frame, given the seconds before it, and"
        " the entropy of what the model expected.",
    ),
    "wav2vec2": FeatureWords(
        "hidden states of wav2vec 2.0",
        "The teacher is a network of the kind of wav2vec 2.0 (Baevski et al., 2020), of which one hidden layer was"
        " taken.",
    ),
    "muq": FeatureWords(
        "hidden states of MuQ",
        "The teacher is MuQ (Zhu et al., 2025), a network that was trained on music without labels, of which one hidden"
        " layer was taken.",
    ),
    "hubert": FeatureWords(
        "hidden states of HuBERT",
        "The teacher is a network of the kind of HuBERT (Hsu et al., 2021), of which one hidden layer was taken.",
    ),
}
