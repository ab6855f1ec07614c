"""Calibrate the intervals of accuracies that are cross-validated over participants, by simulation.

    python benchmarks/intervals.py [--replicates 1000]

A participant hears every song once. A window of EEG is noise that neighbouring windows share, plus a signature of the
presentation that no music made, plus the response to the audio of the moment, if there is any. A ridge regression
learns the song (logits) and the audio of the moment (match: the song whose audio points most in the predicted
direction). `preference` lets each trained decoder prefer some songs whatever the EEG, as networks do that have learnt
little: in standard deviations of its scores.

For each setting it prints, over all replicates, by logits, by match, and for the difference to a decoder that sees half
of the features:

- f: the standard deviation of the accuracy, divided by its standard error over participants (root mean square);
- the half-width of t intervals in these standard deviations, and how often they miss the truth, with the factor of
  `statistics.overlap_widening` and without;
- how often p < 0.05 when the labels of test presentations are permuted, with the decoders kept.

The truth is chance where there is no music, or else the mean over replicates, in which songs and how the brain responds
stay the same, and people are drawn anew. docs/evidence.md has the results: f lies between 1.05 and 1.5, whatever the
numbers of folds and participants; the more decisions follow the EEG, the larger it is. It takes ten minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from predann_bids.learning.statistics import Scoring, mean_of, overlap_widening

FEATURES, AUDIO, WINDOWS, PERMUTATIONS = 12, 4, 20, 199
BATCH = 100  # replicates at once


@dataclass(frozen=True)
class Setting:
    """What to simulate.

    Parameters
    ----------
    participants, songs, folds : int
        Numbers.
    split : str
        What is held out: 'participant', 'stimulus', or parts of presentations ('time').
    signature, music : float
        Strength of a presentation's signature and of the response, noise being 1.
    people : float
        Standard deviation of the logarithm of the response's strength over participants.
    preference : float
        Standard deviation of a decoder's preference for songs, in standard deviations of its scores.
    """

    participants: int = 8
    songs: int = 4
    folds: int = 4
    split: str = "participant"
    signature: float = 0.3
    music: float = 0.0
    people: float = 0.0
    preference: float = 0.0

    def tested(self) -> Any:
        """Which parts of which presentations each fold tests, (folds, participants, songs, parts)."""
        parts = self.folds if self.split == "time" else 1
        masks = np.zeros((self.folds, self.participants, self.songs, parts), dtype=bool)
        number = {"participant": self.participants, "stimulus": self.songs, "time": parts}[self.split]
        for fold, members in enumerate(np.array_split(np.arange(number), self.folds)):
            np.moveaxis(masks[fold], ("participant", "stimulus", "time").index(self.split), 0)[members] = True
        return masks

    @property
    def widening(self) -> float:
        """The factor that the program uses."""
        return overlap_widening(self.folds, self.participants)


def recordings(setting: Setting, rng: np.random.Generator) -> tuple[Any, Any]:
    """Draw EEG, (replicates, participants, songs, windows, features), and audio, (songs, windows, dimensions)."""
    fixed = np.random.default_rng(0)
    audio = fixed.standard_normal((setting.songs, WINDOWS + 30, AUDIO))
    for moment in range(1, WINDOWS + 30):
        audio[:, moment] = 0.8 * audio[:, moment - 1] + 0.6 * audio[:, moment]
    audio = audio[:, 30:] + 0.7 * fixed.standard_normal((setting.songs, 1, AUDIO))
    audio -= audio.mean(axis=(0, 1))
    response = audio @ fixed.standard_normal((AUDIO, FEATURES)) / 2
    shape = (BATCH, setting.participants, setting.songs)
    noise = rng.standard_normal((*shape, WINDOWS + 2, FEATURES))
    eeg = (noise[..., 2:, :] + noise[..., 1:-1, :] + noise[..., :-2, :]) / np.sqrt(3)
    eeg += setting.signature * rng.standard_normal((*shape, 1, FEATURES))
    strength = setting.music * np.exp(setting.people * rng.standard_normal(shape[:2]))
    eeg += strength[:, :, None, None, None] * response
    return eeg - eeg.mean(axis=(2, 3), keepdims=True), audio


def decided(setting: Setting, eeg: Any, audio: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Cross-validate, and return the songs named, (replicates, participants, songs, windows), by kind of decision."""
    masks, n_features, songs = setting.tested(), eeg.shape[-1], setting.songs
    parts = masks.shape[3]
    labels = np.broadcast_to(np.eye(songs)[:, None] - 1 / songs, (songs, WINDOWS, songs))
    wanted = np.concatenate([labels, audio], axis=-1).reshape(songs, parts, -1, songs + AUDIO)
    cut = eeg.reshape(*eeg.shape[:3], parts, -1, n_features)
    products = np.einsum("rnkbwd,rnkbwe->rnkbde", cut, cut, optimize=True)
    targets = np.einsum("rnkbwd,kbwt->rnkbdt", cut, wanted, optimize=True)
    directions = audio / np.linalg.norm(audio, axis=-1, keepdims=True)
    named = {by: np.full(eeg.shape[:4], -1) for by in ("logits", "match")}
    for tested in masks:
        train = products[:, ~tested].sum(axis=1)
        penalty = 0.01 * np.trace(train, axis1=1, axis2=2)[:, None, None] / n_features * np.eye(n_features)
        weights = np.linalg.solve(train + penalty, targets[:, ~tested].sum(axis=1))
        predicted = np.einsum("rnkwd,rdt->rnkwt", eeg, weights, optimize=True)
        similarity = np.einsum("rnkwq,swq->rnkws", predicted[..., songs:], directions, optimize=True)
        if setting.split == "stimulus":
            similarity[..., ~tested.any(axis=(0, 2))] = -np.inf
        rows = np.repeat(tested, WINDOWS // parts, axis=2)
        for by, scores in (("logits", predicted[..., :songs]), ("match", similarity)):
            spread = np.where(np.isfinite(scores), scores, np.nan)
            preferred = setting.preference * np.nanstd(spread, axis=(1, 2, 3, 4)) if setting.preference else 0
            bias = np.multiply.outer(preferred, np.ones(songs)) * rng.standard_normal((BATCH, songs))
            named[by][:, rows] = (scores + bias[:, None, None, None]).argmax(axis=-1)[:, rows]
    return {"match": named["match"]} if setting.split == "stimulus" else named


def permuted_p(setting: Setting, named: Any, rng: np.random.Generator) -> Any:
    """Permute the labels of what a fold tests within participants, and return the p-value of each replicate."""
    times = np.stack([(named == song).sum(axis=-1) for song in range(setting.songs)], axis=-1)  # (r, n, songs, songs)
    together = [np.flatnonzero(tested.any(axis=(0, 2))) for tested in setting.tested()]
    together = together if setting.split == "stimulus" else [np.arange(setting.songs)]
    observed = np.trace(times, axis1=2, axis2=3).sum(axis=1)
    reached = np.ones(len(named))
    people = np.arange(setting.participants)[:, None]
    for _ in range(PERMUTATIONS):
        total = np.zeros(len(named))
        for group in together:
            dealt = rng.permuted(np.tile(group, (setting.participants, 1)), axis=1)
            total += times[:, people, group, dealt].sum(axis=(1, 2))
        reached += total >= observed
    return reached / (1 + PERMUTATIONS)


def simulated(setting: Setting, replicates: int) -> Iterator[tuple[str, Any, Any]]:
    """Yield what was measured, its value for each participant, (replicates, participants), and p-values."""
    rng = np.random.default_rng(1)
    found: dict[str, list[Any]] = {}
    for _ in range(0, replicates, BATCH):
        eeg, audio = recordings(setting, rng)
        one, other = decided(setting, eeg, audio, rng), decided(setting, eeg[..., : FEATURES // 2], audio, rng)
        for by in one:
            right = [(named[by] == np.arange(setting.songs)[:, None]).mean(axis=(2, 3)) for named in (one, other)]
            p_values = permuted_p(setting, one[by], rng) if setting.split != "time" else None
            found.setdefault(by, []).append((right[0], p_values))
            found.setdefault(f"{by}, difference", []).append((right[0] - right[1], None))
    for name, parts in found.items():
        values, p_values = zip(*parts, strict=True)
        yield name, np.concatenate(values), None if p_values[0] is None else np.concatenate(p_values)


def line(setting: Setting, name: str, values: Any, p_values: Any) -> str:
    """Summarise one kind of value, (replicates, participants)."""
    scoring, means = Scoring(3.0, 1.0, (3.0,), 99, 0), values.mean(axis=1)
    known = not setting.music and setting.split == "participant"
    truth = means.mean() if not known else 0 if "difference" in name else 1 / setting.songs
    spread = np.sqrt(np.square(means - truth).mean())
    plain = np.sqrt(values.var(axis=1, ddof=1).mean() / values.shape[1])
    found = [one for one in (mean_of(value, scoring) for value in values) if one]
    shown = [f"{name:20s} {means.mean():7.3f} {spread / plain:6.2f}"]
    for factor in (1.0, setting.widening):
        limits = np.array([replace(one, error=factor * one.error).interval for one in found])
        missed = (limits[:, 0] > truth) | (limits[:, 1] < truth)
        shown.append(f"{np.diff(limits, axis=1).mean() / 2 / spread:8.2f} {missed.mean():6.3f}")
    shown.append("" if p_values is None else f"{(p_values < 0.05).mean():8.3f}")
    return " ".join(shown)


NULL = Setting()
SETTINGS = (
    *(replace(NULL, participants=n, folds=j) for n, j in ((4, 4), (6, 2), (6, 6), (8, 4), (12, 4), (12, 8), (24, 4))),
    *(replace(NULL, songs=songs) for songs in (2, 10)),
    *(replace(NULL, signature=signature) for signature in (0.1, 1.0)),
    *(replace(NULL, preference=preference) for preference in (0.5, 1.0, 2.0)),
    *(replace(NULL, participants=6, preference=preference) for preference in (1.0, 2.0)),
    *(replace(NULL, music=music, people=0.5) for music in (0.15, 0.3)),
    *(replace(NULL, split="stimulus", songs=songs, folds=songs // 2) for songs in (4, 8)),
    replace(NULL, split="time"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=1000)
    options = parser.parse_args()
    print(
        f"{'':20s} {'mean':>7s} {'f':>6s} {'width':>8s} {'missed':>6s} {'widened':>8s} {'missed':>6s} {'permuted':>8s}"
    )
    for setting in SETTINGS:
        print(f"{setting}, factor {setting.widening:.2f}")
        for name, values, p_values in simulated(setting, options.replicates):
            print(line(setting, name, values, p_values), flush=True)


if __name__ == "__main__":
    main()
