"""What the methods text says about each decoder network, by its name in `training.encoders`."""

from __future__ import annotations

from dataclasses import dataclass

from predann_bids.registry import NamedPath
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
    objective : str
        What its training minimises, in sentences, if that is not the objective of the first paper; `{pretraining}`
        stands for a sentence about pretraining, and `{classes_from}` for what the classes were found on.
    takes_weights : bool
        Whether the path of weights may follow its name.
    """

    methods: str
    features: str = "log-mel"
    is_started: bool = False
    objective: str = ""
    takes_weights: bool = False


def decoder_words(decoder: str) -> DecoderWords:
    """Return what the report says about a decoder network, with or without weights, or raise `WrongUsage`."""
    return words.look_up("decoder", DECODER_WORDS, NamedPath.of(decoder).name)


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


def _plusplus(named_from: str) -> DecoderWords:
    return DecoderWords(
        methods="The network is the EEG transformer of PredANN++ (Noguchi et al., 2026). Each channel's EEG is cut into"
        " sections of 1 s; three convolutions over time and a linear map make a token of each, to which embeddings of"
        " its channel and its section are added. With a CLS token in front, the tokens pass two pre-norm transformer"
        " blocks (width 512, 8 heads with normalised queries and keys, LayerScale). Song logits come from"
        f" {named_from}, through a hidden layer of 256 units. In pretraining, a second transformer takes these tokens"
        " together with music tokens, {features} in steps of 40 ms (20 ms of single numbers); half of the music tokens"
        " are masked, and their classes are predicted.",
        objective="The teacher's values were quantised into 128 classes, k-means clusters of many numbers or bins of"
        " equal frequency of one, found on {classes_from}. {pretraining} In fine-tuning, the encoder, with a fresh"
        " head, was trained on the cross-entropy of the songs alone. To match moments, the encoder as it was at the"
        " end of pretraining predicts the classes with all music masked; the representation is the mean of the class"
        " centres, weighted by their probabilities, on at most 16 principal components, which the paper does not"
        " have.",
    )


def foundation_words(title: str, heard: str) -> DecoderWords:
    """Return what the report says about a decoder whose EEG network is a foundation model."""
    return DecoderWords(
        methods=f"The EEG is encoded by {title}, {heard}. The tokens of each patch are pooled over channels with"
        " learned weights, and a linear map makes of them the time course of the representation during the patch. What"
        " the model hears is the whitened EEG, brought back to the mean covariance of the standardised training"
        " recordings and resampled to 200 Hz. The audio is encoded by a network of dilated temporal convolutions on"
        " {features}. The representation of the EEG is trained to predict that of the audio at the same moment. It is"
        " compared (cosine similarity) with the audio's representation at every moment of every song in the training"
        " set; the EEG's logit for a song is the evidence summed over that song's moments, so the moment need not be"
        " known.",
        is_started=True,
        takes_weights=True,
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
    "eeg-transformer": _plusplus("the CLS token"),
    "eeg-transformer-mean": _plusplus("the mean over its tokens"),
    "1d": DecoderWords(methods=_published("series of channels", "3"), features="waveform"),
    "labram": foundation_words(
        "LaBraM (Jiang et al., 2024)", "a transformer over patches of one second of all channels that it knows by name"
    ),
    "cbramod": foundation_words(
        "CBraMod (Wang et al., 2025)",
        "a transformer that attends to channels and to patches of one second in turn",
    ),
    "biot": foundation_words(
        "BIOT (Yang et al., 2023)",
        "a transformer over the spectra of half-overlapping seconds of 16 bipolar derivations",
    ),
    "reve": foundation_words(
        "REVE (El Ouahidi et al., 2025)",
        "a transformer over patches of one second of all channels, which it knows by their place on the head",
    ),
}
