"""Text for the methods section of a paper: how data were held out, how decisions were made, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from predann_bids.config import Science, Splitting
from predann_bids.report.methods.computed import Computed
from predann_bids.report.scores import has_unseen_songs, split_results
from predann_bids.report.text import listed
from predann_bids.report.words.splits import Division, split_words


def split_in_words(splitting: Splitting, protocol: Mapping[str, Any]) -> str:
    """Describe how training, validation and test data were kept apart."""
    return split_words(protocol["split"]).methods(Division(protocol["n_folds"], splitting))


def also_in_words(science: Science, metrics: Mapping[str, Any] | None) -> str:
    """Describe the other splits that were evaluated."""
    results = split_results(metrics)[1:] if metrics else []
    if not results:
        return ""
    words = [split_in_words(science.splitting, result.content["protocol"]) for result in results]
    named = listed([f"'{result.split}'" for result in results])
    return (
        f"The same was done with {'another split' if len(results) == 1 else 'other splits'}, {named}. {' '.join(words)}"
    )


def decisions_in_words(science: Science, protocol: Mapping[str, Any]) -> str:
    """Describe the test windows, and the ways in which songs were decided on."""
    lengths, windows = listed([f"{length:g}" for length in science.lengths]), science.windows
    placed = (
        f"Test windows lie {windows.stride:g} s apart."
        if windows.placing == "grid"
        else f"As published, each stretch of test data was cut into spans of {windows.span:g} s, one beginning every"
        f" {windows.span_stride:g} s. One test window was placed {_where(windows.placing)} each span, and so was one"
        f" longer segment, in which windows lie {windows.stride:g} s apart."
    )
    if has_unseen_songs(protocol["split"]):
        return (
            f"{placed} Song logits cannot name songs that were not trained on, so each decision was made by match: the"
            " song whose audio at the same moment is most similar to the representation that the EEG predicts, among"
            " the held-out songs of the fold that last that long. This requires the time since the onset of the music"
            f" to be known. Chance is one in the number of candidates. For segments of {lengths} s, the similarities of"
            " the windows inside were averaged."
        )
    return (
        f"{placed} Each decision was made in two ways. By song logits: the song with the highest logit, from the EEG"
        " alone. By match: the song whose audio at the same moment is most similar to the representation that the EEG"
        " predicts, among the songs that last that long; this requires the time since the onset of the music to be"
        f" known. Chance is one in the number of candidates. For segments of {lengths} s, the windows inside were"
        " combined by the mean or the maximum of their song probabilities, by a majority vote of their decisions (ties"
        " go to the song that appears first), and by the mean of their similarities."
    )


def _where(placing: str) -> str:
    return "at random in" if placing == "spans" else "in the middle of"


def retrieval_in_words(done: Computed) -> str:
    """Describe how the audio that was playing was searched for."""
    if not done.retrieval:
        return ""
    return (
        "The audio that was playing was also searched for among candidates, ranked by their similarity to what the EEG"
        " predicts: among songs at the same moment, among the moments of the song that was playing, and among those of"
        " all songs that could be named; moments lie one stride apart, in what the fold tested. Reported are the shares"
        " of windows whose own audio ranks first, among the first five and among the first ten, and the mean reciprocal"
        " rank, each beside what a guess among as many candidates gives."
    )


def statistics_in_words(science: Science, done: Computed, protocol: Mapping[str, Any]) -> str:
    """Describe intervals and tests."""
    widening = protocol.get("widening") or 1.0
    widened = (
        f", times {widening:.2f} because the training sets of the folds overlap, a factor found by simulation"
        if widening > 1
        else ""
    )
    return (
        "Intervals (95 %) are t intervals over whole participants, with the standard error of the jackknife"
        f"{widened}. Where all participants have the same value, the interval is that of as many trials without an"
        " exception (Clopper and Pearson, 1934). By song logits, the interval that is compared with chance is that of"
        f" the balanced accuracy, in which every song counts equally.{_comparisons_in_words(science, done)}"
    )


def _comparisons_in_words(science: Science, done: Computed) -> str:
    mean = "the mean of the participants' differences"
    averaged = f"{mean}, averaged over seeds first" if done.n_seeds > 1 else mean
    compared = (
        f" The difference between {'two models' if done.closed_form else 'PredANN and its baseline'} is {averaged},"
        " with an interval of the same kind and the two-sided t test that belongs to it. A sign-flip test over"
        f" participants with at most {science.evaluation.resamples} flips (Nichols and Holmes, 2002) stands beside it."
        if done.compared
        else ""
    )
    corrected = (
        " The p-values were corrected by the method of Holm (1979) for the number of comparisons with the same kind of"
        " rival, baseline or linear."
        if done.corrected
        else ""
    )
    mcnemar = (
        " McNemar's exact test (McNemar, 1947) compares decisions on windows that do not overlap"
        f"{', of the first seed' if done.n_seeds > 1 else ''}; it treats windows as independent."
        if done.mcnemar
        else ""
    )
    return f"{compared}{corrected}{mcnemar}"
