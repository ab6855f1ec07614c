"""Write a simulated EEG-BIDS dataset of participants listening to music."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mne
import mne_bids
import numpy as np
import soundfile

from predann_bids.arrays import Doubles
from predann_bids.bids.music.stimulus_table import write_stimulus_table
from predann_bids.timing import Rate, Span
from predann_bids.tools.simulation.background.stationary import LINE_HZ
from predann_bids.tools.simulation.calibration import Rehearsal, calibrated
from predann_bids.tools.simulation.description import (
    EEG_SIDECAR,
    TASK,
    Response,
    describe_dataset,
    reached,
    write_json,
    write_table,
)
from predann_bids.tools.simulation.eeg import make_parts, record
from predann_bids.tools.simulation.response import audio_features
from predann_bids.tools.simulation.session import Playback, Session
from predann_bids.tools.simulation.settings import Simulation
from predann_bids.tools.simulation.songs import make_song
from predann_bids.tools.simulation.strength import RATE as STRENGTH_RATE
from predann_bids.tools.simulation.strength import Heard, onset_envelope, referenced
from predann_bids.tools.simulation.synthesis import AUDIO_RATE

FIXATION_CODE, FIRST_SONG_CODE = 1, 11
PAUSE_SECONDS = (5.0, 8.0)

# Electrodes in the order in which they join a growing cap: those of the 10-20 system, of a cap of 32, and of one of 64.
# The rest of a cap of 128 follows in its own order.
CAP = (
    "Cz Fz C3 C4 Fp1 Fp2 O1 O2 Pz F3 F4 P3 P4 T7 T8 F7 F8 P7 P8 "
    "Oz FC1 FC2 CP1 CP2 FC5 FC6 CP5 CP6 AF3 AF4 PO3 PO4 "
    "FCz CPz POz Iz AFz Fpz F1 F2 C1 C2 P1 P2 FC3 FC4 CP3 CP4 F5 F6 C5 C6 P5 P6 "
    "AF7 AF8 FT7 FT8 TP7 TP8 PO7 PO8 P9 P10"
).split()
MONTAGE = "brainproducts-RNP-BA-128"


def simulate(
    out_dir: Path,
    simulation: Simulation,
    *,
    on_progress: Callable[[str], None] = lambda _: None,
    on_strength: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write the dataset, whole or not at all.

    Parameters
    ----------
    out_dir : pathlib.Path
        Where to write it; created if missing, refused if it is not empty.
    simulation : Simulation
        What to simulate.
    on_progress : callable
        Called with its name after each of `steps`: songs, rehearsed participants and recordings.
    on_strength : callable
        Called, once the dataset is there, with what the response reached, if it was asked for a correlation.

    Returns
    -------
    pathlib.Path
        The dataset's root.

    Raises
    ------
    FileExistsError
        `out_dir` is a file, or a directory that is not empty.
    WrongUsage
        No signal-to-noise ratio gives the correlation that was asked for.
    """
    with _whole_or_not_at_all(Path(out_dir)) as root:
        features = []
        for number in range(simulation.songs):
            song = _write_song(root / "stimuli" / song_file(number), number, simulation)
            features.append(audio_features(song, AUDIO_RATE, Rate(simulation.sampling_rate)))
            on_progress(song_file(number))
        write_stimulus_table(root / "stimuli", [_described(number) for number in range(simulation.songs)])
        response = _response(root, features, simulation, on_progress)
        for number in range(simulation.participants):
            _write_recording(root, number, features, simulation, response.snr)
            on_progress(f"sub-{_label(number)}")
        describe_dataset(root, simulation, response)
    if response.strength is not None:
        on_strength(reached(response.snr, response.strength))
    return Path(out_dir)


def steps(simulation: Simulation) -> int:
    """Return how often `simulate` reports progress."""
    rehearsed = simulation.participants + 1 if simulation.response_r is not None else 0
    return simulation.songs + rehearsed + simulation.participants


@contextmanager
def _whole_or_not_at_all(out_dir: Path) -> Iterator[Path]:
    """Give a directory beside `out_dir`, which replaces it if all goes well and disappears if not."""
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        reason = "is not empty" if out_dir.is_dir() else "is a file"
        raise FileExistsError(f"{out_dir} {reason}; choose a directory that is empty or does not exist yet")
    # What exists may be a mount point, which cannot be replaced: then build inside it.
    nearby = out_dir if out_dir.exists() else out_dir.parent
    nearby.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=nearby, prefix=".simulate-") as scratch:
        root = Path(scratch) / "dataset"
        (root / "stimuli").mkdir(parents=True)
        yield root
        if nearby is out_dir:
            # dataset_description.json last: without it, nothing takes this for a dataset.
            for entry in sorted(root.iterdir(), key=lambda path: path.name == "dataset_description.json"):
                entry.rename(out_dir / entry.name)
        else:
            root.rename(out_dir)


def song_file(number: int) -> str:
    """Name of the audio file of a song (0, 1, ...)."""
    return f"song-{number + 1:02d}.wav"


def song_id(number: int) -> str:
    """Id of a song (0, 1, ...) in the table of stimuli."""
    return f"stim-song{number + 1:02d}"


def _described(song: int) -> dict[str, str]:
    return {
        "stimulus_id": song_id(song),
        "type": "audio",
        "filename": song_file(song),
        "license": "CC0",
        "description": f"Synthetic song {song + 1}",
        "present": "true",
    }


def _label(participant: int) -> str:
    return f"{participant + 1:02d}"


def _seed(simulation: Simulation, *path: int) -> np.random.SeedSequence:
    """Seed of one song (0, number) or of one thing about one participant (1, number, thing)."""
    return np.random.SeedSequence(simulation.seed, spawn_key=path)


def _write_song(path: Path, number: int, simulation: Simulation) -> Doubles:
    """Write a song as 16-bit WAV; return the waveform."""
    song = make_song(number, simulation.seconds, _seed(simulation, 0, number))
    soundfile.write(path, song, int(AUDIO_RATE.hz), subtype="PCM_16")
    return song


# -- recordings --------------------------------------------------------------------------------------------------------


def plan_session(simulation: Simulation, rng: np.random.Generator) -> tuple[list[Playback], int]:
    """Draw what a participant hears when, and how many samples of EEG the session takes.

    Every repetition is a block of all songs in random order. Before, between and after songs there are 5 to 8 s of
    silence.
    """
    rate = Rate(simulation.sampling_rate)
    length = rate.samples(simulation.seconds)
    orders = [rng.permutation(simulation.songs) for _ in range(simulation.repetitions)]
    playbacks = []
    now = 0
    for song in np.concatenate(orders):
        now += rate.samples(rng.uniform(*PAUSE_SECONDS))
        playbacks.append(Playback(int(song), Span(now, now + length)))
        now += length
    return playbacks, now + rate.samples(rng.uniform(*PAUSE_SECONDS))


def electrode_names(channels: int) -> list[str]:
    """Return the names of a cap's electrodes, spread over the head however many there are."""
    montage = mne.channels.make_standard_montage(MONTAGE)
    others = [name for name in montage.ch_names if name not in CAP]
    return [*CAP, *others][:channels]


def electrode_positions(montage: mne.channels.DigMontage, names: Sequence[str]) -> Doubles:
    """Return the positions (C, 3) of electrodes on the unit sphere."""
    positions = montage.get_positions()["ch_pos"]
    metres = np.array([positions[name] for name in names])
    unit: Doubles = metres / np.linalg.norm(metres, axis=1, keepdims=True)
    return unit


def _session(number: int, simulation: Simulation) -> Session:
    """Return the session of a participant."""
    montage = mne.channels.make_standard_montage(MONTAGE)
    playbacks, n_samples = plan_session(simulation, np.random.default_rng(_seed(simulation, 1, number, 0)))
    electrodes = electrode_positions(montage, electrode_names(simulation.channels))
    return Session(electrodes, Rate(simulation.sampling_rate), n_samples, tuple(playbacks))


def _response(
    root: Path, features: Sequence[Doubles], simulation: Simulation, on_progress: Callable[[str], None]
) -> Response:
    """Return how strong the response is to be: as told, or as found out from all participants' recordings.

    These are made twice, once to find out and once to be written, as all of them together might not fit into memory.
    """
    if simulation.response_r is None:
        return Response(simulation.fixed_snr)
    songs = [soundfile.read(root / "stimuli" / song_file(number))[0] for number in range(simulation.songs)]
    envelopes = [onset_envelope(song, AUDIO_RATE) for song in songs]
    rehearsals = []
    for number in range(simulation.participants):
        rehearsals.append(_rehearse(number, features, envelopes, simulation))
        on_progress(f"sub-{_label(number)}, rehearsed")
    snr, strength = calibrated(rehearsals, simulation.response_r)
    on_progress(f"signal-to-noise ratio {snr:g}")
    return Response(snr, strength)


def _rehearse(
    number: int, features: Sequence[Doubles], envelopes: Sequence[Doubles], simulation: Simulation
) -> Rehearsal:
    session = _session(number, simulation)
    parts = make_parts(session, features, _seed(simulation, 1, number, 1), simulation.background)
    music = parts.music_gain(session, snr=1.0) * parts.music
    heard = []
    for playback in session.playbacks:
        start = STRENGTH_RATE.samples(session.rate.seconds(playback.span.start))
        heard.append(Heard(start, envelopes[playback.song]))
    return Rehearsal(referenced(parts.rest, session.rate), referenced(music, session.rate), heard)


def _write_recording(root: Path, number: int, features: Sequence[Doubles], simulation: Simulation, snr: float) -> None:
    """Simulate a participant and write the recording with its sidecars."""
    session = _session(number, simulation)
    microvolts = record(session, features, snr, _seed(simulation, 1, number, 1), simulation.background)
    info = mne.create_info(electrode_names(simulation.channels), session.rate.hz, "eeg", verbose="error")
    raw = mne.io.RawArray(1e-6 * microvolts, info, verbose="error")
    raw.set_montage(mne.channels.make_standard_montage(MONTAGE), verbose="error")
    raw.info["line_freq"] = LINE_HZ
    rows = event_rows(session.playbacks, session.n_samples, simulation)
    _write_bids(root, _label(number), raw, rows)


def event_rows(playbacks: Sequence[Playback], n_samples: int, simulation: Simulation) -> list[dict[str, Any]]:
    """Return the rows of events.tsv: the music, and the silence before, between and after."""
    rate = Rate(simulation.sampling_rate)
    # the length of the audio file, which need not be a whole number of EEG samples
    music_seconds = AUDIO_RATE.seconds(AUDIO_RATE.samples(simulation.seconds))
    rows = []
    silence = 0
    for playback in [*playbacks, None]:
        stop = playback.span.start if playback else n_samples
        rows.append(_event(rate, silence, rate.seconds(stop - silence), "fixation", FIXATION_CODE))
        if playback:
            code = FIRST_SONG_CODE + playback.song
            rows.append(_event(rate, playback.span.start, music_seconds, "music", code, playback.song))
            silence = playback.span.stop
    return rows


def _event(
    rate: Rate, sample: int, duration: float, trial_type: str, value: int, song: int | None = None
) -> dict[str, Any]:
    return {
        "onset": round(rate.seconds(sample), 6),
        "duration": round(duration, 6),
        "trial_type": trial_type,
        "value": value,
        "stim_file": "n/a" if song is None else song_file(song),
        "stim_id": "n/a" if song is None else song_id(song),
        "sample": sample,
    }


def _write_bids(root: Path, label: str, raw: mne.io.BaseRaw, rows: Sequence[dict[str, Any]]) -> None:
    """Write with MNE-BIDS, then add to the sidecars what it cannot know."""
    path = mne_bids.BIDSPath(root=root, subject=label, task=TASK, datatype="eeg")
    events = np.array([[row["sample"], 0, row["value"]] for row in rows])
    names = {f"{row['trial_type']} {row['stim_file']}": row["value"] for row in rows}
    mne_bids.write_raw_bids(
        raw, path, events, names, format="BrainVision", allow_preload=True, readme=False, verbose="error"
    )
    stem = root / f"sub-{label}" / "eeg" / f"sub-{label}_task-{TASK}"
    write_table(stem.with_name(f"{stem.name}_events.tsv"), rows)
    # one description at the root is valid for all recordings
    stem.with_name(f"{stem.name}_events.json").unlink(missing_ok=True)
    sidecar = stem.with_name(f"{stem.name}_eeg.json")
    write_json(sidecar, json.loads(sidecar.read_text(encoding="utf-8")) | EEG_SIDECAR)
