"""Text for the methods section of a paper, with the numbers of this run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from predann_bids import __version__
from predann_bids.config import Science, Training
from predann_bids.config.teachers import MOST_LEARNED
from predann_bids.data.splits import SPLITS
from predann_bids.registry import NamedPath
from predann_bids.report.methods.computed import Computed, computed
from predann_bids.report.methods.controls import (
    closed_form_in_words,
    confounds_in_words,
    control_in_words,
    null_in_words,
    predictions_in_words,
    uses_in_words,
)
from predann_bids.report.methods.evaluation import (
    also_in_words,
    decisions_in_words,
    retrieval_in_words,
    split_in_words,
    statistics_in_words,
)
from predann_bids.report.methods.preprocessing import preprocessing_methods
from predann_bids.report.text import count, listed, share
from predann_bids.report.words.decoders import decoder_words
from predann_bids.report.words.features import feature_name, feature_words
from predann_bids.report.words.models import model_words

__all__ = ["group_methods", "preprocessing_methods"]


def group_methods(science: Science, protocol: Mapping[str, Any], metrics: Mapping[str, Any] | None = None) -> str:
    """Describe the group level in words: data, decoders, training, decisions, and what they were compared with.

    Parameters
    ----------
    science : Science
        Resolved configuration.
    protocol : mapping
        `protocol` of metrics.json: what the run turned out to be.
    metrics : mapping, optional
        Content of metrics.json, which is described; without it, what the configuration asks for.

    Returns
    -------
    str
        Paragraphs, separated by an empty line.
    """
    done = computed(science, metrics)
    paragraphs = [
        _windows_in_words(science, protocol),
        split_in_words(science.splitting, protocol),
        _decoder_in_words(science),
        _training_in_words(science, protocol, done),
        closed_form_in_words(science, done),
        decisions_in_words(science, protocol),
        retrieval_in_words(done),
        statistics_in_words(science, done, protocol),
        null_in_words(science, done),
        confounds_in_words(done),
        control_in_words(done),
        uses_in_words(done),
        predictions_in_words(done),
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
        " Windows whose EEG touches a span annotated as bad, or a point where a recording was cut, were left out"
        f" ({share(left_out)} of all windows)."
        if left_out
        else ""
    )
    first = f" The first {windows.first:g} s of each presentation were used." if windows.first else ""
    return (
        f"Music was decoded from the EEG of {protocol['n_participants']} participants listening to"
        f" {protocol['n_stimuli']} songs, with PredANN-BIDS {__version__}, after Akama et al. (2025).{first} Recordings"
        f" were cut into windows of {windows.length:g} s, the EEG {later} the audio it was paired"
        f" with.{context}{bad}{montage} {_scaling_in_words(windows.scaling, bad=bool(left_out))}"
    )


def _scaling_in_words(scaling: str, *, bad: bool) -> str:
    if scaling == "window":
        return (
            "As published, each channel of each window was scaled separately: its median was subtracted, and it was"
            " divided by its interquartile range and limited to ±20."
        )
    whole = "all of the recording that is not marked as bad" if bad else "the whole recording"
    return (
        "Each recording was standardised by the median and interquartile range of each of its channels (values limited"
        " to ±5), whitened with the symmetric inverse root of its own channel covariance (He and Wu, 2020), and limited"
        f" to ±20; this uses no labels, but it does use {whole}, for test participants too."
    )


def _decoder_in_words(science: Science) -> str:
    training, words = science.training, decoder_words(science.training.encoders)
    names = [words.features if teacher.name == "joint" else teacher.name for teacher in training.teachers]
    named = [feature_words(names[0]).name] if len(names) == 1 else [feature_name(name) for name in names]
    said = words.methods.format(features=listed(named))
    several = _several_in_words(training, named) if training.more_teachers else ""
    return said + _weights_in_words(training) + _teacher_in_words(training) + several


def _teacher_in_words(training: Training) -> str:
    frozen = [teacher.name for teacher in training.teachers if teacher.name != "joint"]
    if not frozen:
        return ""
    methods = filter(None, (feature_words(name).methods for name in frozen))
    said = " ".join(
        _one_of_several(text, index) if training.more_teachers else text for index, text in enumerate(methods)
    )
    which = "this frozen teacher" if len(frozen) == 1 else "these frozen teachers"
    whatever = "teachers are" if training.more_teachers else "teacher is"
    return (
        f"{' ' if said else ''}{said} Features of {which} were computed once for each song and resampled to"
        f" the rate of the EEG; more than {MOST_LEARNED} were reduced to their first {MOST_LEARNED} principal"
        " components, fitted to the standardised features of the training songs of each fold. Closed-form decoders"
        f" describe the music by features made by hand, whatever the {whatever}{_taught_in_words(training)}."
    )


def _taught_in_words(training: Training) -> str:
    """Name the exception: a decoder that hears the teacher, where networks of this kind can contain one."""
    if not decoder_words(training.encoders).is_started:
        return ""
    some = "teachers" if training.more_teachers else "teacher"
    return f", but for a canonical correlation analysis that takes those of the {some} as well"


def _one_of_several(text: str, index: int) -> str:
    """Adapt what is said of a teacher to there being others."""
    return text.replace("The teacher ", "Another teacher " if index else "One teacher ", 1)


def _several_in_words(training: Training, named: Sequence[str]) -> str:
    """Say how several teachers are learned from together."""
    number = "both" if len(named) == 2 else f"all {len(named)}"
    weights = [f"{weight.written} ({name})" for weight, name in zip(training.teachers, named, strict=True)]
    return (
        f" One EEG network predicts {number} at once: each has an audio network of its own, and the last layer"
        " of the EEG network makes a prediction for each. The PredANN objective is the mean of that of each, and the"
        " similarity of EEG and audio, in training and in the test, the mean of the similarities to each, weighted by"
        f" {listed(weights)}."
    )


def _weights_in_words(training: Training) -> str:
    """Say what a foundation model started from, and whether it was trained."""
    if not decoder_words(training.encoders).takes_weights:
        return ""
    path = NamedPath.of(training.encoders).path
    start = f"the weights in '{Path(path).name}'" if path else "random weights"
    if training.eeg_encoder == "frozen":
        return f" The model had {start}, which were not trained."
    rate = training.eeg_encoder_learning_rate
    return f" The model started from {start} and was trained with a learning rate of at most {rate:g}."


def _training_in_words(science: Science, protocol: Mapping[str, Any], done: Computed) -> str:
    training = science.training
    baseline = "".join(f" {model_words(model).methods}" for model in done.rungs)
    pooled = (
        " Each decoder was trained once with each seed, on the same folds, and decisions were pooled."
        if done.n_seeds > 1
        else ""
    )
    alone = " It trains the EEG network alone." if training.stop_gradient else ""
    return (
        f"{_objective_in_words(training)}{alone}{baseline} Training used {_optimiser_in_words(training)},"
        f" {_epoch_in_words(science)}; {_seeds_in_words(protocol, done)}) {_end_in_words(science)}.{pooled}"
        f"{_start_in_words(science)}"
    )


def _objective_in_words(training: Training) -> str:
    own = decoder_words(training.encoders).objective
    if own:
        pretraining = "There was no pretraining, so nothing was learned of the moments of the music."
        if training.pretraining_epochs:
            pretraining = (
                f"Pretraining, for {count(training.pretraining_epochs, 'epoch')}, minimised"
                f" {training.predann_weight:g} times the cross-entropy of the masked classes plus"
                f" {training.song_weight:g} times that of the songs."
            )
        found_on = (
            "all audio, that of the test data included, as published"
            if training.classes_from == "all"
            else "the audio of the training data"
        )
        return own.format(classes_from=found_on, pretraining=pretraining)
    return (
        "The objective is the sum of three cross-entropies: of the EEG's song logits, of the audio's song logits, and,"
        f" weighted by {training.predann_weight:g}, the PredANN objective, in which each EEG representation has to be"
        " matched to its own audio among all audio representations of the batch, and the reverse (cosine similarity,"
        f" temperature {training.temperature:g})."
    )


def _start_in_words(science: Science) -> str:
    """Describe the closed-form decoder that a network contains."""
    from predann_bids.learning.closed_form.joining import CAUTIOUS_SHARES

    if not decoder_words(science.training.encoders).is_started or science.windows.scaling != "recording":
        return ""
    shared = "the similarity" if science.training.more_teachers else "the power of the representation"
    unseen = SPLITS[science.splitting.split].unseen_songs
    cautious = (
        f" (at most {CAUTIOUS_SHARES[-1]:g} where the songs of the validation data had been trained on)"
        if unseen
        else ""
    )
    compared = "data by which each was chosen" if unseen else "validation data"
    on_validation = " on the validation data" if unseen else ""
    return (
        " After training, the components of a closed-form decoder, fitted to the same training data, were appended to"
        " the representations of PredANN and of the network that knows the moment: multiband ridge regression or"
        f" canonical correlation analysis (de Cheveigné et al., 2018){_with_teacher(science.training)}, whichever told"
        f" the moments of the {compared} apart better. The share of the learned part in"
        f" {shared}, from 0 to 1{cautious}, and the temperature of the song logits were chosen by the same"
        f" measure{on_validation}. The shrinkage of the whitening was that of the closed-form decoder, for all"
        " networks."
    )


def _with_teacher(training: Training) -> str:
    is_taught = any(teacher.name != "joint" for teacher in training.teachers)
    return ", without or with the features of the teacher" if is_taught else ""


def _optimiser_in_words(training: Training) -> str:
    name = "AdamW" if training.weight_decay else "Adam"
    decay = f", weight decay {training.weight_decay:g}" if training.weight_decay else ""
    most = "at most " if training.schedule == "cosine" else ""
    return f"{name} (learning rate {most}{training.learning_rate:g}{decay}"


def _epoch_in_words(science: Science) -> str:
    single = science.training.drawing == "single"
    how = f", one from each chunk of {science.splitting.chunk:g} s" if single else ""
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
            " validation loss, and the weights with the lowest validation loss were kept"
        )
    followed = (
        ""
        if science.splitting.validation
        else "; its course was monitored on the test data, which were not used to choose anything"
    )
    fine = " of fine-tuning" if training.pretraining_epochs else ""
    return f"for {count(training.epochs, 'epoch')}{fine}{followed}, and the last weights were kept"
