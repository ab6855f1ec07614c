"""Text for the methods section of a paper, with the numbers of this run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from predann_bids import __version__
from predann_bids.config import Science, Training
from predann_bids.report.methods.evaluation import (
    Computed,
    also_in_words,
    computed,
    control_in_words,
    linear_in_words,
    null_in_words,
    retrieval_in_words,
    split_in_words,
    statistics_in_words,
    uses_in_words,
)
from predann_bids.report.methods.preprocessing import preprocessing_methods
from predann_bids.report.text import count, listed, share

__all__ = ["group_methods", "preprocessing_methods"]


def group_methods(science: Science, protocol: Mapping[str, Any], metrics: Mapping[str, Any] | None = None) -> str:
    """Describe the group level in words: data, decoders, training, decisions, and what was held against them.

    Parameters
    ----------
    science : Science
        Resolved configuration.
    protocol : mapping
        `protocol` of metrics.json: what the run was in the end.
    metrics : mapping, optional
        Content of metrics.json. What it holds is described; without it, what the configuration asks for.

    Returns
    -------
    str
        Paragraphs, parted by an empty line.
    """
    done = computed(science, metrics)
    paragraphs = [
        _windows_in_words(science, protocol),
        split_in_words(science.splitting, protocol),
        _decoder_in_words(science),
        _training_in_words(science, protocol, done),
        linear_in_words(done),
        _decisions_in_words(science, protocol),
        retrieval_in_words(done),
        statistics_in_words(science, done, protocol),
        null_in_words(science, done),
        control_in_words(done),
        uses_in_words(done),
        also_in_words(science, metrics),
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _windows_in_words(science: Science, protocol: Mapping[str, Any]) -> str:
    windows = science.windows
    later = f"taken {windows.delay:g} s later than" if windows.delay else "taken at the same time as"
    context = (
        f" The audio windows were {windows.audio_context:g} s long, centred on those of the EEG."
        if windows.audio_context
        else ""
    )
    interpolated = protocol.get("n_interpolated_recordings") or 0
    montage = (
        f" Recordings differ in their channels and were brought to one montage: in {count(interpolated, 'recording')},"
        " channels were interpolated with spherical splines (Perrin et al., 1989)."
        if interpolated
        else ""
    )
    left_out = protocol.get("windows_left_out") or 0.0
    bad = (
        " Windows whose EEG touches what annotations call bad, or a place where a recording was cut, were left out:"
        f" {share(left_out)}."
        if left_out
        else ""
    )
    first = f" Of each presentation the first {windows.first:g} s were used." if windows.first else ""
    return (
        f"Music was decoded from the EEG of {protocol['n_participants']} participants listening to"
        f" {protocol['n_stimuli']} songs, with PredANN-BIDS {__version__}, after Akama et al. (2025).{first} Recordings"
        f" were cut into windows of {windows.length:g} s, the EEG {later} the audio that it was paired"
        f" with.{context}{bad}{montage} {_scaling_in_words(windows.scaling, bad=bool(left_out))}"
    )


def _scaling_in_words(scaling: str, *, bad: bool) -> str:
    if scaling == "window":
        return (
            "As published, each channel of each window was scaled by itself: its median was subtracted, it was divided"
            " by its interquartile range, and limited to ±20."
        )
    whole = "all of the recording that is not marked as bad" if bad else "the whole recording"
    return (
        "Each recording was standardised by the median and interquartile range of each of its channels (values limited"
        " to ±5), whitened with the symmetric inverse root of its own channel covariance (He and Wu, 2020), and limited"
        f" to ±20; this uses no label, but {whole}, those of test participants included."
    )


def _decoder_in_words(science: Science) -> str:
    kind = science.training.encoders
    if kind == "temporal":
        return (
            "The EEG is encoded by spatial filters followed by temporal filters, the audio by a network of dilated"
            " temporal convolutions on log-mel spectra; both yield representations that keep their time axis. The"
            " representation of the EEG is trained to predict that of the audio at the same moment. It is compared"
            " (cosine similarity) with the audio's representation at every moment of every song that was trained on,"
            " and the song logits of the EEG are the evidence for each song summed up over its moments, so that the"
            " moment need not be known."
        )
    image = "an image of channels by time" if kind == "2d" else "a series of channels"
    size = "3 by 3" if kind == "2d" else "3"
    return (
        f"Both networks are those of Akama et al. (2025). The EEG window, as {image}, and the audio window, a waveform"
        " at 44.1 kHz, are padded with zeros on both sides up to a power of three (3 s of EEG at 125 Hz to 729 samples,"
        f" 3 s of audio to 177,147) and pass three convolutions of {size} (32, 64 and 128 channels), each with batch"
        " normalisation and a rectifier. After dropout of 0.5 the map is averaged, and two heads with a hidden layer of"
        " 100 units give song logits and an embedding of 100 numbers. The embedding of the EEG is trained to predict"
        " that of the audio."
    )


def _training_in_words(science: Science, protocol: Mapping[str, Any], done: Computed) -> str:
    training = science.training
    baseline = (
        " The matched baseline differs in nothing but the weight of the PredANN objective, which is 0."
        if done.baseline
        else ""
    )
    pooled = (
        " Each decoder was trained once with each seed, on the same folds, and decisions were pooled."
        if done.n_seeds > 1
        else ""
    )
    alone = " It trains the EEG network alone." if training.stop_gradient else ""
    return (
        "The objective is the sum of three cross-entropies: of the EEG's song logits, of the audio's song logits, and,"
        f" weighted by {training.predann_weight:g}, the PredANN objective, in which each EEG representation has to be"
        " told to belong to its own audio among all audio representations of the batch, and the reverse (cosine"
        f" similarity, temperature {training.temperature:g}).{alone}{baseline} Training used"
        f" {_optimiser_in_words(training)}, {_epoch_in_words(science)}; {_seeds_in_words(protocol, done)})"
        f" {_end_in_words(science)}.{pooled}"
    )


def _optimiser_in_words(training: Training) -> str:
    name = "AdamW" if training.weight_decay else "Adam"
    decay = f", weight decay {training.weight_decay:g}" if training.weight_decay else ""
    most = "at most " if training.schedule == "cosine" else ""
    return f"{name} (learning rate {most}{training.learning_rate:g}{decay}"


def _epoch_in_words(science: Science) -> str:
    single = f", one from each {science.splitting.chunk:g} s"
    how = single if science.training.drawing == "single" else ""
    return f"{science.training.batch_size} windows per batch{how}, drawn anew in every epoch"


def _seeds_in_words(protocol: Mapping[str, Any], done: Computed) -> str:
    first = protocol["seed"]
    seeds = protocol.get("seeds") or range(first, first + done.n_seeds)
    if done.n_seeds == 1:
        return f"seed {first}"
    if list(seeds) == list(range(first, first + len(seeds))):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {listed([str(seed) for seed in seeds])}"


def _end_in_words(science: Science) -> str:
    training = science.training
    if training.keep == "best":
        return (
            f"for at most {training.epochs} epochs; it stopped after {training.patience} epochs without a lower"
            " validation loss, and the weights with the lowest were kept"
        )
    followed = (
        "; it was followed on the test data, by which nothing was chosen" if not science.splitting.validation else ""
    )
    return f"for {count(training.epochs, 'epoch')}{followed}, and the last weights were kept"


def _decisions_in_words(science: Science, protocol: Mapping[str, Any]) -> str:
    lengths, windows = [f"{length:g}" for length in science.lengths], science.windows
    lay = (
        f"Test windows lay {windows.stride:g} s apart."
        if windows.placing == "grid"
        else f"As published, one test window was placed at random in each span of {windows.span:g} s, of which one"
        f" begins every {windows.span_stride:g} s of a stretch of test data, and so was one longer segment, in which"
        f" windows lie {windows.stride:g} s apart."
    )
    if protocol["split"] == "stimulus":
        return (
            f"{lay} Song logits cannot name songs that were not trained"
            " on; each decision was made by match: the song whose audio at the same moment is most similar to the"
            " representation that the EEG predicts, among the held-out songs of the fold that last that long, for which"
            " the time since the onset of the music must be known. Chance is one in the number of candidates. For"
            f" segments of {listed(lengths)} s, similarities of the windows inside were averaged."
        )
    return (
        f"{lay} Each decision was made in two ways. By song logits: the"
        " song with the highest logit, from the EEG alone. By match: the song whose audio at the same moment is most"
        " similar to the representation that the EEG predicts, among the songs that last that long, for which the time"
        " since the onset of the music must be known. Chance is one in the number of candidates. For segments of"
        f" {listed(lengths)} s, the windows inside were combined by the mean or the maximum of their song"
        " probabilities, by a majority vote of their decisions (of equals, the one that appears first), and by the mean"
        " of their similarities."
    )
