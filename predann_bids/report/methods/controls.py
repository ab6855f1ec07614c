"""Text for the methods section of a paper: what results were compared with, and what the network uses."""

from __future__ import annotations

from predann_bids.config import Science
from predann_bids.data.splits import SPLITS
from predann_bids.report.methods.computed import Computed
from predann_bids.report.text import count, listed, p, share
from predann_bids.report.words.controls import CONTROL_WORDS
from predann_bids.report.words.models import BAND_POWER, model_words

ACROSS_IN_WORDS = {
    "participants": "the other participants",
    "sessions": "the same participant in other sessions",
    "recordings": "the same participant in other recordings",
}


def closed_form_in_words(science: Science, done: Computed) -> str:
    """Describe the models that are no networks, such as the linear decoder."""
    from predann_bids.learning.closed_form.songs import MOST_GROUPS

    described = [words for model in done.closed_form if (words := model_words(model).methods)]
    if described and SPLITS[science.splitting.split].unseen_songs:
        described.append(
            "New songs were tested. If the songs of the validation data had been trained on, these choices were not"
            f" made on them: in up to {MOST_GROUPS} groups, the training songs were left out in turn, decoders were"
            " solved for without them and compared on them, and what did best was solved for again from all training"
            " songs. With a single training song, the validation data were used."
        )
    return " ".join(described)


def null_in_words(science: Science, done: Computed) -> str:
    """Describe the permutation test."""
    null = done.permutation
    if not null:
        return ""
    number = count(null.get("n") or science.evaluation.permutations, "permutation")
    retrained = null.get("null") == "retrained"
    how = (
        " before training, and every decoder was trained again"
        if retrained
        else ", while the decoders and their predictions were kept"
    )
    holm = (
        " They were corrected for the number of models and ways to decide (Holm, 1979)."
        if null.get("p_holm") is not None or null.get("match_p_holm") is not None
        else ""
    )
    return (
        f"Accuracy was compared with its distribution under {number} of the labels (Ojala and Garriga, 2010)."
        f" Labels of whole {'' if retrained else 'test '}presentations were permuted within recordings (within"
        f" participants where a recording contains one song){how}. Only windows that exist for every possible"
        " assignment of the songs were counted, because guessing is easier late in long songs. p-values are one-sided"
        f" and count the real labels among the permutations (Phipson and Smyth, 2010).{holm}"
    )


def control_in_words(done: Computed) -> str:
    """Describe the fingerprint control."""
    control = done.control
    if not control:
        return ""
    described = [words.methods for condition, words in CONTROL_WORDS.items() if control.get(condition)]
    band_power = f" {model_words(BAND_POWER).methods}" if control.get(BAND_POWER) and not done.state else ""
    return (
        "To distinguish music from the fingerprint of the recordings, everything was trained and tested again on data"
        f" in which music and EEG do not belong together: {'; and '.join(described)}. The accuracy that remains there"
        " is leakage. Differences between real data and these controls were tested like those between models, on"
        f" windows that exist for every possible assignment of the songs.{band_power}"
    )


def confounds_in_words(done: Computed) -> str:
    """Describe how it was looked for songs that are given away by their order, or by the state of the recordings."""
    return " ".join(filter(None, (_order_in_words(done), model_words(BAND_POWER).methods if done.state else "")))


def _order_in_words(done: Computed) -> str:
    order = done.order
    if not order:
        return ""
    return (
        "Each presentation's song was guessed from its position in the order of presentations, by what was played to"
        f" {ACROSS_IN_WORDS[order['across']]} at the same position. This is right in {share(order['accuracy'])} of"
        f" cases, where orders at random allow {share(order['chance'])}"
        f" ({count(order['n_permutations'], 'permutation')} of the songs, p {p(order['p_value'])})."
    )


USES = {
    "delay": "the EEG was taken earlier or later than in training",
    "bands": "a frequency band was removed from the test EEG",
    "regions": "the channels of a region of the head were shuffled together among test windows",
    "channels": "a channel and its neighbours were shuffled, and losses were smoothed over neighbours",
}


def uses_in_words(done: Computed) -> str:
    """Describe how the use that the network makes of the EEG was measured."""
    uses = done.uses
    if not uses:
        return ""
    described = [words for key, words in USES.items() if uses.get(key)]
    corrected = any(loss.get("p_holm") is not None for key in ("bands", "regions") for loss in uses.get(key) or ())
    holm = " Losses were tested over participants, with Holm's correction (Holm, 1979)." if corrected else ""
    similarity = (
        " Representational similarity (Kriegeskorte et al., 2008) is the Spearman correlation between the"
        " dissimilarities of what the EEG predicts and those of the audio's representations, computed for each"
        " participant."
        if uses.get("similarity")
        else ""
    )
    changed = f" One thing was changed at a time: {'; '.join(described)}." if described else ""
    return f"What the trained network uses was measured without retraining it.{changed}{holm}{similarity}"


def predictions_in_words(done: Computed) -> str:
    """Describe how audio features were predicted from the EEG."""
    if not done.predicts:
        return ""
    return (
        f"How well the EEG of the test sets predicts audio features ({listed(done.predicts)}) was measured as the"
        " correlation within test windows, in two ways: with a ridge regression on the EEG at all lags, and with one on"
        " what the trained network predicts from the EEG. Both were computed on the training set of each"
        " fold, with the regularisation that did best on its validation set. More than 16 features were reduced to 16"
        " principal components of the training songs, which count by their share of the variance."
    )
