"""Notes on the data that a report shows before any result."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from predann_bids.config import Science, Windowing, resolve
from predann_bids.data.channels import electrode, electrodes
from predann_bids.data.trials import Stretch, Trial
from predann_bids.data.windows import Windows, grid
from predann_bids.models.decoder import DECODERS
from predann_bids.report.text import count
from predann_bids.signals.montage import Montage
from predann_bids.timing import Rate

FEW_CHANNELS = 4


def channel_notes(channels: Sequence[Sequence[str]], excluded: frozenset[str]) -> tuple[str, ...]:
    """Note how many channels are used when recordings differ, and what to do if only a few are left."""
    sets = [set(electrodes(names)) for names in channels]
    every, used = set.union(*sets), set.intersection(*sets) - {*excluded, *map(electrode, excluded)}
    if every == used:
        return ()
    smallest = min(map(len, sets))
    few = len(used) < min(smallest, max(FEW_CHANNELS, smallest / 2))
    advice = " --channels interpolate brings all recordings to the channels that most of them have." if few else ""
    return (f"Of {len(every)} channels, {len(used)} are present and good in every recording and were used.{advice}",)


def bad_channel_notes(bad: Sequence[Collection[str]]) -> tuple[str, ...]:
    """Note that channels were used although they are bad in some recordings."""
    number = len(set().union(*bad))
    if not number:
        return ()
    recordings = count(sum(bool(names) for names in bad), "recording")
    return (f"Bad channels were used, as published: {count(number, 'channel')} in {recordings}.",)


def montage_notes(montage: Montage) -> tuple[str, ...]:
    """Note how many channels were interpolated."""
    numbers = [number for number in montage.interpolated if number]
    if not numbers:
        return ()
    least, most = min(numbers), max(numbers)
    several = f"{least} to {most}" if least < most else f"{most}"
    return (
        f"All recordings were brought to one montage of {len(montage.target.channels)} channels: in {len(numbers)} of"
        f" {count(len(montage.fills), 'recording')}, {several} of them were interpolated by spherical splines.",
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
    if science.evaluation.probe and not DECODERS[science.training.encoders].can_be_probed:
        notes.append(
            f"What the network uses was not measured: networks of the kind '{science.training.encoders}' cannot match"
            " single moments."
        )
    return tuple(notes)
