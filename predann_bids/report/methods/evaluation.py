"""Text for the methods section of a paper: how data were held out, and what results were held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from predann_bids.config import Science, Splitting
from predann_bids.report.evidence import comparison_rows, evaluated, retrieval_kinds, split_results
from predann_bids.report.text import count, listed


@dataclass(frozen=True)
class Computed:
    """What a run has computed, so that nothing else is described.

    Parameters
    ----------
    baseline, linear : bool
        Whether the matched model, and the linear reference, were evaluated.
    whitened : bool
        Whether the linear reference was evaluated on whitened EEG, too.
    n_seeds : int
        How often each decoder was trained.
    compared, corrected, mcnemar : bool
        Whether models were compared, over participants; with Holm's correction; by McNemar's test.
    retrieval : bool
        Whether audio windows were ranked.
    permutation : mapping or None
        `permutation` of the first model that has one.
    control : mapping or None
        `fingerprint` of metrics.json.
    uses : mapping or None
        `uses` of metrics.json.
    """

    baseline: bool
    linear: bool = False
    whitened: bool = False
    n_seeds: int = 1
    compared: bool = False
    corrected: bool = False
    mcnemar: bool = False
    retrieval: bool = False
    permutation: Mapping[str, Any] | None = None
    control: Mapping[str, Any] | None = None
    uses: Mapping[str, Any] | None = None


def computed(science: Science, metrics: Mapping[str, Any] | None) -> Computed:
    """Find out what a run has computed; without its metrics, what the configuration asks of training."""
    if metrics is None:
        baseline = science.training.baseline
        return Computed(baseline, n_seeds=len(science.training.all_seeds), compared=baseline)
    models, rows = evaluated(metrics), comparison_rows(metrics)
    return Computed(
        baseline="baseline" in models,
        linear="linear" in models or "linear_whitened" in models,
        whitened="linear_whitened" in models,
        n_seeds=metrics["protocol"].get("n_seeds") or 1,
        compared=bool(rows),
        corrected=any(row.get("p_holm") is not None for row in rows),
        mcnemar=any(row.get("mcnemar") for row in rows),
        retrieval=any(retrieval_kinds(scores) for scores in models.values()),
        permutation=next((s["permutation"] for s in models.values() if s.get("permutation")), None),
        control=(metrics.get("control") or {}).get("fingerprint"),
        uses=metrics.get("uses"),
    )


def split_in_words(splitting: Splitting, protocol: Mapping[str, Any]) -> str:
    """Tell how training, validation and test data were kept apart."""
    split, n_folds, share = protocol["split"], protocol["n_folds"], f"{100 * splitting.validation:g} %"

    def apart(what: str, more: str = "") -> str:
        if not splitting.validation:
            return " No data were set apart for validation."
        return f" {what} (at least one) were set apart for early stopping{more}."

    if split == "chunk":
        return _chunks_in_words(splitting, n_folds, share)
    of_songs = f"The other songs' recordings of {share} of the participants"
    words = {
        "transfer": (
            "The decoders were trained in another run, and only tested here: on recordings that they were not trained"
            " on, recognised by their samples. They remember the songs of this dataset instead of their own. Windows"
            " and delay are those that they were trained with."
        ),
        "participant": (
            f"Decoders were tested on participants of whom nothing was in their training data: the participants were"
            f" divided into {n_folds} folds, each tested once by decoders trained on the others."
            + apart(f"Of the training participants, {share}", "; these were never tested on in the same fold")
        ),
        "stimulus": (
            f"Decoders were tested on songs of which nothing was in their training data, neither audio nor anybody's"
            f" EEG: the songs were divided at random into {n_folds} folds, each tested once by decoders trained on the"
            f" others.{apart(of_songs)} Candidates of a decision are the songs held out in the fold."
        ),
        "time": (
            f"Each presentation was divided into {n_folds} blocks in time. In each fold one block was tested; next to"
            " it, on both sides, a gap at least as long as a window was left out. Validation data"
            f" ({share} of the rest, at least a window) came from the end of the presentation that lies farther from"
            " the test block, again with a gap. Blocks of one recording are on both sides of this split, so whatever"
            " marks a recording also marks its song: accuracy above chance does not show that music was decoded."
        ),
    }
    others = apart(f"Of the other recordings, {share}")
    if split in ("session", "run"):
        return (
            f"Decoders were tested on {split}s of which nothing was in their training data: all participants' {split}s"
            f" with the same label were held out in turn, in {n_folds} folds.{others}"
            " The people tested are the ones trained on."
        )
    return words.get(split, f"Data were held out by {split}, in {n_folds} folds.")


def _chunks_in_words(splitting: Splitting, n_folds: int, share: str) -> str:
    divided = (
        "a quarter of the chunks, drawn at random and stratified by song, was the test set"
        if n_folds == 1
        else f"the chunks were divided at random, stratified by song, into {n_folds} folds, each tested once"
    )
    seed = "" if splitting.split_seed == "auto" else f" (seed {splitting.split_seed})"
    apart = (
        f" Of the other chunks, {share} were set apart for early stopping and never tested on in the same fold."
        if splitting.validation
        else " All other chunks were trained on."
    )
    return (
        f"As published, recordings were cut into chunks of {splitting.chunk:g} s, and {divided}{seed}.{apart} Chunks of"
        " one recording fall on both sides of this split, so whatever marks a recording also marks its song: accuracy"
        " above chance does not show that music was decoded."
    )


def linear_in_words(done: Computed) -> str:
    """Describe the linear reference."""
    if not done.linear:
        return ""
    scalings = (
        " It was evaluated twice, on EEG that was standardised only and on EEG that was whitened as for the network."
        if done.whitened
        else ""
    )
    return (
        "The linear reference is a backward temporal response function (Crosse et al., 2016), fitted with MNE-Python"
        " (Gramfort et al., 2013): ridge regression reconstructs the onset envelope and the spectral flux of the music"
        " from the EEG at lags from 0 to 0.4 s after it, at half the rate of the EEG, with the ridge parameter that did"
        " best on the validation data."
        " It decides by match: what it reconstructs is correlated with the features of each candidate."
        f"{scalings} It has no song logits."
    )


def retrieval_in_words(done: Computed) -> str:
    """Describe how the audio that was heard was searched."""
    if not done.retrieval:
        return ""
    return (
        "The audio that was heard was also searched among candidates, ranked by their similarity with what the EEG"
        " predicts: among songs at the same moment, among the moments of the song that was heard, and among those of"
        " all songs that could be named; moments lie one stride apart, in what the fold tested. Reported are the shares"
        " of windows whose own audio ranks first, among the first five and the first ten, and the mean reciprocal rank,"
        " each with what a guess among as many candidates gives."
    )


def statistics_in_words(science: Science, done: Computed, protocol: Mapping[str, Any]) -> str:
    """Describe intervals and tests."""
    from predann_bids.learning.statistics import FEW

    few = protocol["n_participants"] < FEW
    made = (
        "are t intervals over whole participants, with the standard error of the jackknife"
        if few
        else f"are bootstrapped over whole participants with {science.evaluation.resamples} resamples: percentile"
        " intervals, expanded for the small number of participants (Hesterberg, 2015)"
    )
    widened = (
        ", widened because the training sets of the folds overlap (Nadeau and Bengio, 2003)"
        if protocol["n_folds"] > 1
        else ""
    )
    judged = (
        " Whether song logits exceed chance is judged by the interval of the balanced accuracy, in which every song"
        " counts the same."
    )
    mean = "the mean of the participants' differences"
    averaged = f"{mean}, averaged over seeds first" if done.n_seeds > 1 else mean
    difference = (
        f" The difference between {'two models' if done.linear else 'PredANN and its baseline'} is {averaged}, with an"
        " interval of the same kind and a two-sided sign-flip permutation test over participants (Nichols and Holmes,"
        " 2002)."
        if done.compared
        else ""
    )
    corrected = (
        " Their p-values were corrected by the method of Holm (1979) for the number of comparisons with the same kind"
        " of rival, baseline or linear; next to them stands the p-value of a t test over"
        " participants whose variance is corrected for overlapping training sets."
        if done.corrected
        else ""
    )
    mcnemar = (
        " McNemar's exact test (McNemar, 1947) compares decisions on windows that do not overlap"
        f"{', of the first seed' if done.n_seeds > 1 else ''}; it takes windows for independent."
        if done.mcnemar
        else ""
    )
    return f"Intervals (95 %) {made}{widened}.{judged}{difference}{corrected}{mcnemar}"


def null_in_words(science: Science, done: Computed) -> str:
    """Describe the permutation test."""
    found = done.permutation
    if not found:
        return ""
    number = count(found.get("n") or science.evaluation.permutations, "permutation")
    again = found.get("null") == "retrained"
    how = (
        " before training, and every decoder was trained again"
        if again
        else ", while the decoders and what they predicted were kept; deviations of this null from its mean were"
        " widened as intervals were"
    )
    holm = (
        " They were corrected for the number of models and ways to decide (Holm, 1979)."
        if found.get("p_holm") is not None or found.get("match_p_holm") is not None
        else ""
    )
    return (
        f"Accuracy was compared with its distribution under {number} of the labels (Ojala and Garriga, 2010)."
        f" Labels of whole {'' if again else 'test '}presentations were permuted within recordings (within participants"
        f" where a recording holds one song){how}. Only windows count that there are whatever song of its recording a"
        " presentation is given: late in long songs guessing is easier. p-values are one-sided and count the real"
        f" labels among the permutations (Phipson and Smyth, 2010).{holm}"
    )


def control_in_words(done: Computed) -> str:
    """Describe the fingerprint control."""
    control = done.control
    if not control:
        return ""
    ways = {
        "reassigned": "in every recording, the music with its labels was dealt out anew, at random, among its"
        " presentations",
        "shifted": "the EEG of every recording was rotated in time against its events, by a random part of its length",
    }
    told = [words for key, words in ways.items() if control.get(key)]
    band_power = (
        " A linear discriminant that knows nothing but the logarithmic power of each channel in frequency bands was"
        " trained and tested on the same split."
        if control.get("band_power")
        else ""
    )
    return (
        "To tell music from the fingerprint of the recordings, everything was trained and tested again on data in which"
        f" music and EEG do not belong together: {'; and '.join(told)}. What accuracy remains there is leakage."
        " Differences between real data and these controls were tested as those between models, on windows that there"
        " are whatever song of its recording a presentation is given."
        f"{band_power}"
    )


def uses_in_words(done: Computed) -> str:
    """Describe how it was found out what the network uses."""
    uses = done.uses
    if not uses:
        return ""
    parts = {
        "delay": "the EEG was taken earlier or later than in training",
        "bands": "a frequency band was removed from the test EEG",
        "regions": "the channels of a region of the head were shuffled together among test windows",
        "channels": "a channel and its neighbours were shuffled, and losses smoothed over neighbours",
    }
    told = [words for key, words in parts.items() if uses.get(key)]
    corrected = any(item.get("p_holm") is not None for key in ("bands", "regions") for item in uses.get(key) or ())
    holm = " Losses were tested over participants, with Holm's correction (Holm, 1979)." if corrected else ""
    similarity = (
        " Representational similarity (Kriegeskorte et al., 2008) is the Spearman correlation between the"
        " dissimilarities of what the EEG predicts and those of the audio's representations, participant by"
        " participant."
        if uses.get("similarity")
        else ""
    )
    changed = f" One thing was changed at a time: {'; '.join(told)}." if told else ""
    return f"What the trained network uses was found without training it anew.{changed}{holm}{similarity}"


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
