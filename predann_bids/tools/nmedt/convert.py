"""Convert the Stanford distribution of NMED-T to EEG-BIDS."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from predann_bids import __version__
from predann_bids.bids.music.names import AUDIO_EXTENSIONS
from predann_bids.bids.music.stimulus_table import PREFIX, write_stimulus_table
from predann_bids.errors import CannotCreateOutput, MissingInput, PredannError, SomeParticipantsFailed, UnusableData
from predann_bids.files import write_json, write_text, written_whole
from predann_bids.signals.audio import audio_seconds
from predann_bids.signals.brainvision import write_brainvision
from predann_bids.tools.nmedt.files import ELECTRODES, LENGTH_TOLERANCE_S, SONGS, RawFile, Song, label_of, opened
from predann_bids.tools.nmedt.metadata import (
    COORDSYSTEM,
    DESCRIPTION,
    EEG_SIDECAR,
    EVENTS_SIDECAR,
    MONTAGE,
    README,
    TASK,
)


@dataclass(frozen=True)
class Target:
    """The files into which one raw file is converted."""

    root: Path
    participant: str
    run: str

    @property
    def directory(self) -> Path:
        """Directory of the EEG files."""
        return self.root / f"sub-{self.participant}" / "eeg"

    def file(self, ending: str) -> Path:
        """Name a file of the recording, such as `eeg.json`."""
        return self.directory / f"sub-{self.participant}_task-{TASK}_run-{self.run}_{ending}"

    def is_finished(self) -> bool:
        """Return whether all files exist; the sidecar is written last."""
        endings = ("eeg.vhdr", "eeg.vmrk", "eeg.eeg", "events.tsv", "channels.tsv", "eeg.json")
        return all(self.file(ending).is_file() for ending in endings)


def convert(
    raw_dir: Path,
    audio_dir: Path,
    bids_dir: Path,
    *,
    participants: Sequence[str] = (),
    overwrite: bool = False,
    on_done: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Convert all raw files that have not been converted.

    Parameters
    ----------
    raw_dir, audio_dir, bids_dir : Path
        Files of the distribution (`02_1_raw.mat`, ...), audio of the songs, and the dataset to write.
    participants : sequence of str
        Labels of the participants to convert; empty for all.
    overwrite : bool
        Convert files again that were converted before.
    on_done : callable
        Called after each file with its name and whether it is done, kept or failed.

    Returns
    -------
    list of Path
        Headers of all recordings.

    Raises
    ------
    SomeParticipantsFailed
        Some files failed and are named; the others are converted.
    PredannError
        All files failed: the error of the first.
    MissingInput
        A directory does not exist, or has no file of a participant.
    """
    jobs = _jobs(raw_dir, bids_dir, participants)
    if not audio_dir.is_dir():
        raise MissingInput(f"The directory {audio_dir} does not exist; expected the audio of the songs.")
    _describe(bids_dir)
    failures: list[PredannError] = []
    headers = []
    for path, target in jobs:
        kept = target.is_finished() and not overwrite
        try:
            if not kept:
                _convert_one(path, audio_dir, target)
            headers.append(target.file("eeg.vhdr"))
            on_done(f"{path.name}: {'kept' if kept else 'done'}")
        except PredannError as error:
            failures.append(error)
            on_done(f"{path.name}: failed")
    _list_participants(bids_dir)
    _list_songs(bids_dir / "stimuli")
    if failures:
        sentences = "\n".join(map(str, failures))
        if not headers:
            raise type(failures[0])(sentences)
        raise SomeParticipantsFailed(f"Some files failed, the others are converted:\n{sentences}")
    return headers


def _jobs(raw_dir: Path, bids_dir: Path, participants: Sequence[str]) -> list[tuple[Path, Target]]:
    if not raw_dir.is_dir():
        raise MissingInput(
            f"The directory {raw_dir} does not exist; expected the raw files of NMED-T (02_1_raw.mat, ...)."
        )
    labelled = [(path, label) for path in sorted(raw_dir.glob("*_raw.mat")) if (label := label_of(path))]
    available = sorted({participant for _, (participant, _) in labelled})
    missing = sorted(set(participants) - set(available))
    if not labelled:
        raise MissingInput(f"{raw_dir} contains no raw file of NMED-T, such as 02_1_raw.mat.")
    if missing:
        raise MissingInput(
            f"{raw_dir} contains no raw file of participant {', '.join(missing)}, such as {missing[0]}_1_raw.mat."
            f" Participants with raw files: {', '.join(available)}."
        )
    return [
        (path, Target(bids_dir, participant, run))
        for path, (participant, run) in labelled
        if not participants or participant in participants
    ]


def _convert_one(path: Path, audio_dir: Path, target: Target) -> None:
    with opened(path) as raw:
        rows = []
        for played in raw.songs:
            song, onset = played.song, played.onset
            audio, seconds = find_song(audio_dir, song, path)
            name = f"{_stem(song)}{audio.suffix.lower()}"
            _copy(audio, target.root / "stimuli" / name)
            rows.append((onset, min(seconds, raw.samples / raw.rate_hz - onset), song, name))
        target.file("eeg.json").unlink(missing_ok=True)
        _write_eeg(raw, target, [(onset, duration, song.name) for onset, duration, song, _ in rows])
        write_text(
            target.file("events.tsv"),
            "onset\tduration\ttrial_type\tvalue\tstim_file\tstim_id\n"
            + "".join(
                f"{onset:.4f}\t{duration:.4f}\t{song.name}\t{song.code}\t{name}\t{PREFIX}{song.name}\n"
                for onset, duration, song, name in rows
            ),
        )
        length = {"SamplingFrequency": raw.rate_hz, "RecordingDuration": raw.samples / raw.rate_hz}
        write_json(target.file("eeg.json"), {**EEG_SIDECAR, **length})


def find_song(audio_dir: Path, song: Song, path: Path) -> tuple[Path, float]:
    """Find the audio of a song by its trigger or its name.

    Returns
    -------
    tuple
        The file, and its length in seconds.

    Raises
    ------
    MissingInput
        There is no such file.
    UnusableData
        There are several, or the file is not as long as the song.
    """
    files = [file for file in sorted(audio_dir.iterdir()) if file.suffix.lower() in AUDIO_EXTENSIONS]
    name = _folded(song.name)
    names = {str(song.code), name, f"{song.code}{name}", f"song{song.code}"}
    matching = [file for file in files if _folded(file.stem) in names]
    if not matching:
        raise MissingInput(
            f"{path}: the audio of {song.name} is not in {audio_dir}; expected {song.code}.wav or {song.name}.wav (or"
            " .flac, .mp3, .ogg)."
        )
    if len(matching) > 1:
        raise UnusableData(
            f"{path}: {', '.join(file.name for file in matching)} could all be {song.name}. Keep one of them."
        )
    seconds = audio_seconds(matching[0])
    if abs(seconds - song.seconds) > LENGTH_TOLERANCE_S:
        raise UnusableData(
            f"{matching[0]} lasts {seconds:.1f} s, but {song.name} of NMED-T lasts {song.seconds:g} s. Is it another"
            " version?"
        )
    return matching[0], seconds


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _copy(source: Path, target: Path) -> None:
    if not (target.is_file() and target.stat().st_size == source.stat().st_size):
        with written_whole(target) as beside:
            shutil.copyfile(source, beside)


def _write_eeg(raw: RawFile, target: Target, markers: list[tuple[float, float, str]]) -> None:
    channels, positions = _net()
    try:
        target.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCreateOutput(f"{target.directory} cannot be created: {error.strerror}.") from error
    with tempfile.TemporaryDirectory(dir=target.directory, prefix=".writing-") as name:
        samples = np.memmap(Path(name) / "samples", dtype="<f4", mode="w+", shape=(raw.samples, ELECTRODES))
        start = 0
        for block in raw.blocks():
            samples[start : start + len(block)] = block
            start += len(block)
        write_brainvision(samples, channels, raw.rate_hz, positions, target.file("eeg.vhdr"), markers)
    lines = [f"{channel}\tEEG\tµV\n" for channel in channels]
    write_text(target.file("channels.tsv"), "name\ttype\tunits\n" + "".join(lines))
    rows = [
        "\t".join([channel, *(f"{x:.6f}" for x in position)])
        for channel, position in zip(channels, positions, strict=True)
    ]
    stem = f"sub-{target.participant}"
    write_text(target.directory / f"{stem}_electrodes.tsv", "name\tx\ty\tz\n" + "\n".join(rows) + "\n")
    write_json(target.directory / f"{stem}_coordsystem.json", COORDSYSTEM)


def _net() -> tuple[list[str], Any]:
    from mne import create_info

    channels = [f"E{number}" for number in range(1, ELECTRODES + 1)]
    info = create_info(channels, 1000.0, "eeg").set_montage(MONTAGE, verbose="error")
    return channels, np.array([channel["loc"][:3] for channel in info["chs"]])


def _describe(bids_dir: Path) -> None:
    try:
        bids_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCreateOutput(f"The dataset {bids_dir} cannot be created: {error.strerror}.") from error
    generated = [{"Name": "predann-tools nmedt", "Version": __version__}]
    write_json(bids_dir / "dataset_description.json", {**DESCRIPTION, "GeneratedBy": generated})
    write_text(bids_dir / "README", README.format(version=__version__))
    write_json(bids_dir / f"task-{TASK}_events.json", EVENTS_SIDECAR)


def _list_participants(bids_dir: Path) -> None:
    names = sorted({path.parts[-3] for path in bids_dir.glob("sub-*/eeg/*_eeg.json")})
    if names:
        write_text(bids_dir / "participants.tsv", "participant_id\n" + "".join(f"{name}\n" for name in names))


def _stem(song: Song) -> str:
    return f"{song.code}_{song.name}"


def _list_songs(stimuli: Path) -> None:
    files = [path for path in sorted(stimuli.glob("*")) if path.suffix in AUDIO_EXTENSIONS]
    rows = []
    for song in SONGS.values():
        names = [path.name for path in files if path.stem == _stem(song)]
        if names:
            # of audio that was replaced by another format, older events name the older file
            filename = names[0] if len(names) == 1 else "n/a"
            about = {"type": "audio", "description": f"Song of trigger {song.code}", "present": "true"}
            rows.append({"stimulus_id": f"{PREFIX}{song.name}", "filename": filename, **about})
    if rows:
        write_stimulus_table(stimuli, rows)
