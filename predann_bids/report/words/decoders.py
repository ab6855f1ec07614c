"""What the methods text says about each decoder network, by its name in `training.encoders`."""

from __future__ import annotations

from dataclasses import dataclass

from predann_bids.report import words


@dataclass(frozen=True, kw_only=True)
class DecoderWords:
    """What the report says about a decoder network.

    Parameters
    ----------
    methods : str
        Paragraph of the methods text; `{features}` stands for the audio features, as `FeatureWords.name` has them.
    features : str
        Audio features that its audio network takes, by their name in `FEATURE_WORDS`.
    is_started : bool
        Whether it contains a closed-form decoder.
    """

    methods: str
    features: str = "log-mel"
    is_started: bool = False


def decoder_words(decoder: str) -> DecoderWords:
    """Return what the report says about a decoder network, or raise `WrongUsage`."""
    return words.look_up("decoder", DECODER_WORDS, decoder)


def add_decoder_words(decoder: str, row: DecoderWords) -> None:
    """Add what the report says about a decoder network that another package brings."""
    words.add("decoder", DECODER_WORDS, decoder, row)


def _published(shape: str, kernel: str) -> str:
    return (
        f"Both networks are those of Akama et al. (2025). The EEG windows, as {shape}, and the audio windows, as"
        " {features}, are padded with zeros on both sides up to a power of three (3 s of EEG at 125 Hz to 729 samples,"
        f" 3 s of audio to 177,147) and pass three convolutions of {kernel} (32, 64 and 128 channels), each with batch"
        " normalisation and a rectifier. After dropout of 0.5 the map is averaged, and two heads with a hidden layer of"
        " 100 units give song logits and an embedding of 100 numbers. The embedding of the EEG is trained to predict"
        " that of the audio."
    )


DECODER_WORDS: dict[str, DecoderWords] = {
    "temporal": DecoderWords(
        methods="The EEG is encoded by spatial filters followed by temporal filters, the audio by a network of dilated"
        " temporal convolutions on {features}; both yield representations that keep their time axis. The representation"
        " of the EEG is trained to predict that of the audio at the same moment. It is compared (cosine similarity)"
        " with the audio's representation at every moment of every song in the training set; the EEG's logit for a song"
        " is the evidence summed over that song's moments, so the moment need not be known.",
        is_started=True,
    ),
    "2d": DecoderWords(methods=_published("images of channels by time", "3 by 3"), features="waveform"),
    "1d": DecoderWords(methods=_published("series of channels", "3"), features="waveform"),
}
