"""Text for the methods section of a paper, with the numbers of this run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from predann_bids import __version__
from predann_bids.config import Preprocessing, Science, Splitting, Training

GROUP_REFERENCES = (
    (
        "Akama, T. et al. (2025). Predicting artificial neural network representations to learn recognition model for"
        " music identification from brain recordings. Scientific Reports.",
        "https://doi.org/10.1038/s41598-025-02790-6",
    ),
    (
        "Hesterberg, T. C. (2015). What teachers should know about the bootstrap: Resampling in the undergraduate"
        " statistics curriculum. The American Statistician, 69, 371–386.",
        "https://doi.org/10.1080/00031305.2015.1089789",
    ),
    (
        "He, H. and Wu, D. (2020). Transfer learning for brain–computer interfaces: A Euclidean space data alignment"
        " approach. IEEE Transactions on Biomedical Engineering, 67, 399–410.",
        "https://doi.org/10.1109/TBME.2019.2913914",
    ),
    (
        "Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error. Machine Learning, 52, 239–281.",
        "https://doi.org/10.1023/A:1024068626366",
    ),
    (
        "Nichols, T. E. and Holmes, A. P. (2002). Nonparametric permutation tests for functional neuroimaging: A primer"
        " with examples. Human Brain Mapping, 15, 1–25.",
        "https://doi.org/10.1002/hbm.1058",
    ),
)


def preprocessing_methods(config: Preprocessing) -> str:
    """Describe the participant level in words."""
    steps = [
        "Channels that were flat or marked as bad were interpolated with spherical splines where positions were known."
    ]
    if config.notch == "auto":
        steps.append(
            "Line noise at the frequency that the dataset states, and its harmonics, were removed with zero-phase FIR"
            " notch filters."
        )
    elif config.notch != "none":
        steps.append(f"Line noise ({config.notch:g} Hz and harmonics) was removed with zero-phase FIR notch filters.")
    if config.l_freq or config.h_freq:
        low, high = (
            (f"{config.l_freq:g}" if config.l_freq else "0"),
            (f"{config.h_freq:g} Hz" if config.h_freq else "the Nyquist frequency"),
        )
        steps.append(f"The EEG was band-pass filtered from {low} to {high} (zero-phase FIR filter, Hamming window).")
    if config.reference == "average":
        steps.append("It was re-referenced to the average of all EEG channels.")
    steps.append(f"It was resampled to {config.resample:g} Hz.")
    return (
        f"Preprocessing was done by PredANN-BIDS {__version__} with MNE-Python (Gramfort et al., 2013) and MNE-BIDS"
        f" (Appelhoff et al., 2019) on data in EEG-BIDS (Pernet et al., 2019). " + " ".join(steps)
    )


def group_methods(science: Science, protocol: Mapping[str, Any]) -> str:
    """Describe the group level in words, a paragraph each for data, decoder, training, decisions and statistics.

    Parameters
    ----------
    science : Science
        Resolved configuration.
    protocol : mapping
        `protocol` of metrics.json: what the run was in the end.

    Returns
    -------
    str
        Paragraphs, parted by an empty line.
    """
    paragraphs = [
        _windows_in_words(science, protocol),
        _split_in_words(science.splitting, protocol),
        _decoder_in_words(science.preset),
        _training_in_words(science.training),
        _decisions_in_words(science),
        _statistics_in_words(science),
    ]
    return "\n\n".join(paragraphs)


def _windows_in_words(science: Science, protocol: Mapping[str, Any]) -> str:
    windows = science.windows
    later = f"taken {windows.delay:g} s later than" if windows.delay else "taken at the same time as"
    context = (
        f" The audio windows were {windows.audio_context:g} s long, centred on those of the EEG."
        if windows.audio_context
        else ""
    )
    return (
        f"Music was decoded from the EEG of {protocol['n_participants']} participants listening to"
        f" {protocol['n_stimuli']} songs, with PredANN-BIDS {__version__}, after Akama et al. (2025). Recordings were"
        f" cut into windows of {windows.length:g} s, the EEG {later} the audio that it was paired with.{context} Each"
        " recording was standardised by the median and interquartile range of each of its channels (values limited to"
        " ±5), whitened with the symmetric inverse root of its own channel covariance (He and Wu, 2020), and limited to"
        " ±20; this uses no label, but the whole recording, those of test participants included."
    )


def _split_in_words(splitting: Splitting, protocol: Mapping[str, Any]) -> str:
    n_folds, share = protocol["n_folds"], f"{100 * splitting.validation:g} %"
    if splitting.split == "participant":
        return (
            f"Decoders were tested on participants of whom nothing was in their training data: the participants were"
            f" divided into {n_folds} folds, each tested once by decoders trained on the others. Of the training"
            f" participants, {share} (at least one) were set apart for early stopping; these were never tested on in"
            " the same fold."
        )
    divided = (
        "a quarter of the chunks, drawn at random and stratified by song, was the test set"
        if n_folds == 1
        else f"the chunks were divided at random, stratified by song, into {n_folds} folds, each tested once"
    )
    return (
        f"As published, recordings were cut into chunks of {splitting.chunk:g} s, and {divided}. Of the other chunks,"
        f" {share} were set apart for early stopping and never tested on in the same fold. Chunks of one recording fall"
        " on both sides of this split, so whatever marks a recording also marks its song: accuracy above chance does"
        " not show that music was decoded."
    )


def _decoder_in_words(preset: str) -> str:
    if preset != "default":
        return (
            "One convolutional network encodes the EEG, another the audio; each ends in song logits and in a"
            " representation."
        )
    return (
        "The EEG is encoded by spatial filters followed by temporal filters, the audio by a network of dilated temporal"
        " convolutions on log-mel spectra; both yield representations that keep their time axis. The representation of"
        " the EEG is trained to predict that of the audio at the same moment. It is compared (cosine similarity) with"
        " the audio's representation at every moment"
        " of every song, and the song logits of the EEG are the evidence for each song summed up over its moments, so"
        " that the moment need not be known."
    )


def _training_in_words(training: Training) -> str:
    baseline = (
        " The matched baseline differs in nothing but the weight of the PredANN objective, which is 0."
        if training.baseline
        else ""
    )
    return (
        "The objective is the sum of three cross-entropies: of the EEG's song logits, of the audio's song logits, and,"
        f" weighted by {training.predann_weight:g}, the PredANN objective, in which each EEG representation has to be"
        " told to belong to its own audio among all audio representations of the batch, and the reverse (cosine"
        f" similarity, temperature {training.temperature:g}).{baseline} Training used AdamW (learning rate at most"
        f" {training.learning_rate:g}, weight decay {training.weight_decay:g}, {training.batch_size} windows per batch,"
        f" drawn anew in every epoch; seed {training.seed}) for at most {training.epochs} epochs; it stopped after"
        f" {training.patience} epochs without a lower validation loss, and the weights with the lowest were kept."
    )


def _decisions_in_words(science: Science) -> str:
    lengths = [f"{length:g}" for length in science.lengths]
    return (
        f"Test windows lay {science.windows.stride:g} s apart. Each decision was made in two ways. By song logits: the"
        " song with the highest logit, from the EEG alone. By match: the song whose audio at the same moment is most"
        " similar to the representation that the EEG predicts, among the songs that last that long, for which the time"
        " since the onset of the music must be known. Chance is one in the number of candidates. For segments of"
        f" {_listed(lengths)} s, the windows inside were combined by the mean or the maximum of their song"
        " probabilities, by a majority vote of their decisions (of equals, the one that appears first), and by the mean"
        " of their similarities."
    )


def _statistics_in_words(science: Science) -> str:
    difference = (
        " The difference between PredANN and its baseline is the mean of the participants' differences, with an"
        " interval of the same kind and a two-sided sign-flip permutation test over participants (Nichols and Holmes,"
        " 2002)."
        if science.training.baseline
        else ""
    )
    return (
        f"Intervals (95 %) are bootstrapped over whole participants with {science.evaluation.resamples} resamples:"
        " percentile intervals, expanded for the small number of participants (Hesterberg, 2015), and widened because"
        f" the training sets of the folds overlap (Nadeau and Bengio, 2003).{difference}"
    )


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
