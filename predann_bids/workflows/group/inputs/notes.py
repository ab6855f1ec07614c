"""Notes on the data that a report shows before any result."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from predann_bids.config import Science, Windowing, resolve
from predann_bids.data.channels import Recorded, electrodes, odd_ones_out
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import Windows, grid
from predann_bids.errors import MOST_NAMED, some
from predann_bids.models.decoder import DECODERS
from predann_bids.models.network import network
from predann_bids.report.text import count
from predann_bids.signals.montage import Montage
from predann_bids.timing import Rate

FEW_CHANNELS = 4


def channel_notes(recorded: Sequence[Recorded]) -> tuple[str, ...]:
    """Note how many channels are used when recordings differ, who lacks which, and what to do if few are left."""
    channels = [electrodes(recording.channels) for recording in recorded]
    names = {key: name for keys in reversed(channels) for key, name in keys.items()}
    good = [recording.good() for recording in recorded]
    every, used = set(names), frozenset.intersection(*good)
    if every == used:
        return ()
    smallest = min(map(len, channels))
    few = len(used) < min(smallest, max(FEW_CHANNELS, smallest / 2))
    advice = " --channels interpolate brings all recordings to the channels that most of them have." if few else ""
    lacked = sorted(
        (
            (recording.name, [name for key, name in names.items() if key not in some_good])
            for recording, some_good in zip(recorded, good, strict=True)
        ),
        key=lambda pair: -len(pair[1]),
    )
    whose = "; ".join(f"{name} ({some(missing, 4)})" for name, missing in lacked[:MOST_NAMED] if missing)
    more = sum(bool(missing) for _, missing in lacked[MOST_NAMED:])
    others = f"; and those of {more} more" if more else ""
    return (
        f"Of {len(every)} channels, {len(used)} are present and good in every recording and were used. Missing or bad"
        f" channels: {whose}{others}.{_without_odd_ones(recorded, used)}{advice}",
    )


def _without_odd_ones(recorded: Sequence[Recorded], used: Collection[str]) -> str:
    odd = odd_ones_out([recording.good() for recording in recorded])
    if not odd:
        return ""
    others = [recording.good() for index, recording in enumerate(recorded) if index not in odd]
    number = len(frozenset.intersection(*others))
    names = some([recorded[index].name for index in odd])
    return f" Without {names}, {number} could be used instead of {len(used)} (--participant-label)."


def bad_channel_notes(names: Sequence[str], bad: Sequence[Collection[str]]) -> tuple[str, ...]:
    """Note that channels were used although they are bad in some recordings."""
    number = len(set().union(*bad))
    if not number:
        return ()
    recordings = count(sum(bool(names) for names in bad), "recording")
    whose = some([name for name, some_bad in zip(names, bad, strict=True) if some_bad])
    return (f"Bad channels were used, as published: {count(number, 'channel')} in {recordings} ({whose}).",)


def montage_notes(montage: Montage, names: Sequence[str]) -> tuple[str, ...]:
    """Note how many channels were interpolated, and in which of the recordings of these names."""
    numbers = [number for number in montage.interpolated if number]
    if not numbers:
        return ()
    least, most = min(numbers), max(numbers)
    whose = [name for name, number in zip(names, montage.interpolated, strict=True) if number]
    several = f"{least} to {most}" if least < most else f"{most}"
    return (
        f"All recordings were brought to one montage of {len(montage.target.channels)} channels: in {len(numbers)} of"
        f" {count(len(montage.fills), 'recording')}, {several} of them were interpolated by spherical splines"
        f" ({some(whose)}).",
    )


def window_notes(trials: Sequence[Trial], labels: Sequence[str], windows: Windowing, rate: Rate) -> tuple[str, ...]:
    """Note how many windows were left out because their EEG is bad, and who and what has none left.

    Parameters
    ----------
    trials : sequence of Trial
        All presentations.
    labels : sequence of str
        Names of the stimuli.
    windows : Windowing
        How windows are cut.
    rate : Rate
        Sampling rate of the EEG.
    """
    if not any(trial.bad for trial in trials):
        return ()
    before, after = windows_before_and_after(trials, windows, rate)
    bad, whole = sum(span.length for trial in trials for span in trial.bad), sum(trial.length for trial in trials)
    notes = [
        f"{len(before) - len(after)} of {len(before)} windows were left out of training and testing because their EEG"
        f" overlaps a span that is annotated as bad, or a cut in the recording. {100 * bad / whole:.2g} % of the EEG"
        f" during music is bad ({rate.seconds(bad):.1f} s)."
    ]
    lost = len(set(before.trial.tolist()) - set(after.trial.tolist()))
    if lost:
        notes.append(f"{count(lost, 'presentation')} {'have' if lost > 1 else 'has'} no window left.")
    people = set(before.participants(trials)) - set(after.participants(trials))
    songs = set(before.stimuli(trials).tolist()) - set(after.stimuli(trials).tolist())
    notes += [f"sub-{name} has no window left." for name in sorted(people)]
    notes += [f"'{labels[song]}' has no window left, but remains a candidate." for song in sorted(songs)]
    return tuple(notes)


def windows_before_and_after(trials: Sequence[Trial], windows: Windowing, rate: Rate) -> tuple[Windows, Windows]:
    """Enumerate all windows, and those whose EEG overlaps nothing bad."""
    length, stride = rate.samples(windows.length), rate.samples(windows.stride)
    stretches = [Stretch.of(trials, index) for index in range(len(trials))]
    before = grid([replace(stretch, bad=()) for stretch in stretches], length, stride)
    return before, grid(stretches, length, stride)


def preset_notes(science: Science, *, trained: bool = True) -> tuple[str, ...]:
    """Note where the derivatives depart from the preset, and what a run leaves out.

    Parameters
    ----------
    science : Science
        Configuration, with the preprocessing of the derivatives.
    trained : bool
        Whether decoders are trained in this run, rather than given.
    """
    notes = []
    asked, done = resolve(preset=science.preset).preprocessing, science.preprocessing
    differing = [name for name in type(done).model_fields if getattr(done, name) != getattr(asked, name)]
    if differing and science.preset != "default":  # the default is no protocol that one could depart from
        notes.append(
            f"The derivatives were not made as published: they differ in {', '.join(differing)}. Run the participant"
            f" level with --preset {science.preset} as well."
        )
    if not science.splitting.validation and trained:
        notes.append(
            "There is no validation set: as published, training is monitored on the test data. They are not used to"
            " choose anything; the decoders are those of the last epoch."
        )
    if science.training.classes_from == "all" and network(science.training.encoders).is_pretrained and trained:
        notes.append(
            "The classes of masked prediction were found on all audio, as published: they have seen the music of the"
            " test data, though nobody's EEG. training.classes_from = 'training' keeps them apart."
        )
    if science.evaluation.probe and not DECODERS[science.training.encoders].can_be_probed:
        notes.append(
            f"What the network uses was not measured: networks of the kind '{science.training.encoders}' cannot match"
            " single moments."
        )
    return tuple(notes)
