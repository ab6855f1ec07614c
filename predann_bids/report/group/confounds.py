"""Words for what may name songs without the brain: copies of the sound, order, the state of the recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from predann_bids.report import text
from predann_bids.report.scores import evaluated, exceeds_chance, has_logits
from predann_bids.report.words.models import model_words

# With both, about one shuffled design in a hundred is taken for an ordered one, of any size; see docs/evidence.md.
SURE = 0.01
SUBSTANTIAL = 0.1  # of the way from guessing to certainty
SURE_OF_SAME = 0.05  # designs that are too small for more: all orders are the same, and that is seen
SAME = 0.995
MOSTLY = 0.5  # of the way from guessing to certainty
TOO_SOON_S = 0.045  # a response of the cortex comes later

Words = tuple[str, tuple[str, ...]]  # a title, and paragraphs


@dataclass(frozen=True)
class _Orders:
    """Whose orders are compared, in words."""

    title: str
    others: str
    meaning: str


CHANGES = "such as drowsiness or drying electrodes"
ACROSS: Mapping[str, _Orders] = {
    "participants": _Orders(
        "For all participants",
        "the other participants",
        f"Whatever changes in everybody over a session, {CHANGES}, then marks a song as its music does. No split can"
        " tell the two apart, not even one that tests on people never seen in training.",
    ),
    "sessions": _Orders(
        "In all sessions of a participant",
        "the other sessions of the same participant",
        f"Whatever changes in a participant over every session, {CHANGES}, then marks a song as its music does. No"
        " split that trains on the same people can tell the two apart.",
    ),
    "recordings": _Orders(
        "In all recordings of a participant",
        "the other recordings of the same participant",
        f"Whatever changes in a participant over every recording, {CHANGES}, then marks a song as its music does. No"
        " split that trains on the same people can tell the two apart.",
    ),
}
PLACES = {"session": "session", "participant": "experiment", "recording": "recording"}


def order_words(metrics: Mapping[str, Any]) -> Words | None:
    """Say that positions name songs, if they do so more often than shuffled orders would.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json; older files have no `order`.
    """
    order = metrics.get("order") or {}
    if order.get("accuracy") is None or not _is_ordered(order):
        return None
    accuracy, chance = order["accuracy"], order["chance"]
    words, place = ACROSS[order["across"]], PLACES[order["unit"]]
    how, what = _how_much(accuracy, chance)
    numbers = f"guessing {text.share(chance)}; p {text.p(order['p_value'])}; {text.count(order['n'], 'presentation')}"
    paragraphs = [
        f"The position in the {place} alone names the song in {text.share(accuracy)} of cases ({numbers} of"
        f" {text.count(order['n_participants'], 'participant')}), guessed from what was played at that position to"
        f" {words.others}. {words.meaning}"
    ]
    if order["by_labels"]:
        paragraphs.append(
            "Sessions and runs were taken in the order of their labels. If the labels stand for songs and not for the"
            " order in time, this says nothing about time."
        )
    title = f"{words.title}, the songs came {how}in the same order: {what} may be their place in the {place}."
    return title, tuple(paragraphs)


def _is_ordered(order: Mapping[str, Any]) -> bool:
    accuracy, p_value = order["accuracy"], order["p_value"]
    same = accuracy >= SAME and p_value < SURE_OF_SAME
    return bool(same or (p_value < SURE and _beyond(accuracy, order["chance"]) >= SUBSTANTIAL))


def _how_much(accuracy: float, chance: float) -> tuple[str, str]:
    if accuracy >= SAME:
        return "", "what was decoded"
    if _beyond(accuracy, chance) >= MOSTLY:
        return "mostly ", "what was decoded"
    return "partly ", "part of what was decoded"


def _beyond(share: float, chance: float) -> float:
    """How far a share lies on the way from guessing (0) to certainty (1)."""
    return (share - chance) / max(1 - chance, 1e-9)


def order_notes(metrics: Mapping[str, Any]) -> list[str]:
    """Say that nobody can know whether order gives songs away, where the design does not allow to measure it."""
    order = metrics.get("order")
    if not order or order["accuracy"] is not None:
        return []
    return [
        "Whether the songs came in a fixed order cannot be measured here. That takes at least two participants, or two"
        " sessions or runs of one participant, with several songs in each, in an order that onsets or labels tell."
    ]


def state_words(metrics: Mapping[str, Any], *, leak: str, controlled: bool) -> Words | None:
    """Say that the power of channels in frequency bands names songs, if it does.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json; older files have no `recording_state`.
    leak : str
        Why songs can be named without music with this split; empty if that has been said.
    controlled : bool
        Whether the fingerprint control was made.
    """
    scores = metrics.get("recording_state") or {}
    if not exceeds_chance(scores, scores.get("chance")):
        return None
    accuracy, chance = scores["accuracy"], scores["chance"]
    proof = (
        "The fingerprint control measures that."
        if controlled
        else "To measure how much of the accuracy needs no music, use --control fingerprint."
    )
    paragraphs = (
        "A linear classifier that sees only the power of each channel in frequency bands, trained and tested on the"
        f" same data, is right in {text.share(accuracy)} of cases ({text.interval_of(scores.get('ci95'))}; chance"
        f" {text.share(chance)}){_beside(metrics)}.",
        f"{f'{leak} ' if leak else ''}A response to the music that changes power would serve this classifier as well."
        f" That power tells songs apart is not yet proof that a decoder uses it. {proof}",
    )
    named = _how_many(_beyond(accuracy, chance))
    return f"The power of the recordings in frequency bands is enough to name {named}.", paragraphs


def _how_many(beyond: float) -> str:
    if beyond >= MOSTLY:
        return "most songs"
    return "some songs" if beyond >= SUBSTANTIAL else "songs slightly more often than by guessing"


def _beside(metrics: Mapping[str, Any]) -> str:
    """Name what the first decoder reaches in the same way."""
    model, scores = next(iter(evaluated(metrics).items()), ("", {}))
    if not has_logits(scores):
        return ""
    return f"; {model_words(model).name}, by song logits, in {text.share(scores['accuracy'])}"


def artefact_words(metrics: Mapping[str, Any]) -> Words | None:
    """Say that decoders look at the EEG of the sound's own moment, if they do.

    Parameters
    ----------
    metrics : mapping
        Content of metrics.json.
    """
    lags, scores = metrics.get("response_lags"), metrics["models"].get("ridge")
    if not lags or lags["centre"] >= TOO_SOON_S:
        return None
    if scores and scores["match_ci95"][0] <= scores["match_chance"]:  # filters that decode nothing look anywhere
        return None
    return (
        "The EEG seems to hold an electrical copy of the sound.",
        (
            f"The filters of multiband ridge regression have their centre {1000 * lags['centre']:.0f} ms after the"
            f" sound; {text.share(lags['early_share'])} of the energy that stands out lies before 45 ms. A response of"
            " the brain follows the sound by 50 to 300 ms; so soon there can only be what the sound itself leaves in"
            " the EEG, through the cables or the transducers of the earphones.",
            "No split and no control of this program can tell such a copy from a response. To check, record once while"
            " the earphones play, but outside the ears. The peak of the delay curve is no evidence of a response: it"
            " shows alignment with the delay that was trained, not the latency of the brain.",
        ),
    )
