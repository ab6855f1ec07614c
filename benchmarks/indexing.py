"""Measure how long it takes from the command to the reading of the first recording, in a large dataset.

    python benchmarks/indexing.py [--participants 500] [--directory DIR]

creates a dataset of this many participants with 2 sessions of 4 runs each (BrainVision with all sidecars; 2 channels of
10 s), then measures
- the time from the start of `predann-bids BIDS OUT participant --participant-label 001` to the opening of its data;
- `find_recordings` for one participant and for all, and with a saved pybids index;
- `Recording.open` with all sidecars.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sysconfig
import tempfile
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pybv

from predann_bids.bids.recordings import Selection, find_recordings

SESSIONS, RUNS, RATE, SECONDS = 2, 4, 250, 10

# runs in every Python process, and records when the data of a recording are first opened
WITNESS = """
import os, sys, time
def witness(event, arguments):
    if event == "open" and str(arguments[0]).endswith("_eeg.eeg") and not os.path.exists({log!r}):
        with open({log!r}, "w") as file:
            file.write(str(time.time()))
sys.addaudithook(witness)
"""


def make_dataset(root: Path, participants: int) -> None:
    """Write the dataset; all recordings contain the same samples."""
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "Many", "BIDSVersion": "1.10.0"}')
    (root / "README").write_text("Made by benchmarks/indexing.py.")
    labels = [f"{number:03d}" for number in range(1, participants + 1)]
    (root / "participants.tsv").write_text("participant_id\n" + "".join(f"sub-{label}\n" for label in labels))
    (root / "task-music_eeg.json").write_text('{"TaskName": "music", "PowerLineFrequency": 50, "EEGReference": "Cz"}')
    rng = np.random.default_rng(0)
    (root / "stimuli").mkdir()
    with wave.open(str(root / "stimuli" / "song.wav"), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        audio.writeframes(rng.integers(-9999, 9999, 8 * 8000, dtype="<i2").tobytes())
    samples = rng.normal(0, 2e-5, (2, RATE * SECONDS))
    with tempfile.TemporaryDirectory() as scratch:
        pybv.write_brainvision(
            data=samples, sfreq=RATE, ch_names=["Fz", "Cz"], fname_base="NAME", folder_out=scratch, events=None
        )
        model = {path.suffix: path.read_bytes() for path in Path(scratch).iterdir()}
    for label in labels:
        for session in range(1, SESSIONS + 1):
            _make_session(root / f"sub-{label}" / f"ses-{session:02d}", f"sub-{label}_ses-{session:02d}", model)


def _make_session(directory: Path, name: str, model: dict[str, bytes]) -> None:
    eeg = directory / "eeg"
    eeg.mkdir(parents=True)
    (eeg / f"{name}_electrodes.tsv").write_text("name\tx\ty\tz\nFz\t0\t58\t66\nCz\t0\t-9\t100\n")
    (eeg / f"{name}_coordsystem.json").write_text('{"EEGCoordinateSystem": "CapTrak", "EEGCoordinateUnits": "mm"}')
    for run in range(1, RUNS + 1):
        stem = f"{name}_task-music_run-{run}"
        for suffix, content in model.items():
            (eeg / f"{stem}_eeg{suffix}").write_bytes(content.replace(b"NAME", f"{stem}_eeg".encode()))
        (eeg / f"{stem}_channels.tsv").write_text("name\ttype\tunits\nFz\tEEG\tuV\nCz\tEEG\tuV\n")
        (eeg / f"{stem}_events.tsv").write_text("onset\tduration\tstim_file\n1\t8\tsong.wav\n")
        (eeg / f"{stem}_eeg.json").write_text(f'{{"SamplingFrequency": {RATE}, "RecordingDuration": {SECONDS}}}')


def time_command(root: Path, *options: str) -> float:
    """Seconds from the start of the command to the first data of a recording being opened."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "opened"
        (Path(scratch) / "sitecustomize.py").write_text(WITNESS.format(log=str(log)))
        program = Path(sysconfig.get_path("scripts")) / "predann-bids"
        begun = time.time()
        finished = subprocess.run(
            [program, root, Path(scratch) / "out", "participant", "--skip-bids-validation", "--no-report", *options],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([scratch, os.environ.get("PYTHONPATH", "")])},
            check=False,
            capture_output=True,
            text=True,
        )
        if not log.exists():
            raise SystemExit(f"No data were opened: {finished.stderr}")
        return float(log.read_text()) - begun


def show(what: str, work: Callable[[], Any]) -> Any:
    begun = time.perf_counter()
    result = work()
    print(f"{what:70s} {time.perf_counter() - begun:7.2f} s", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--participants", type=int, default=500)
    parser.add_argument("--directory", type=Path, help="directory in which to keep the dataset for next time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = (options.directory or Path(scratch)).absolute() / f"many-{options.participants}"
        if not root.exists():
            make_dataset(root, options.participants)
        for processes in ("1", "2"):
            choice = ("--participant-label", "001", "--n-procs", processes)
            seconds = min(time_command(root, *choice) for _ in range(3))
            print(
                f"{f'command to first data, one participant, --n-procs {processes}':70s} {seconds:7.2f} s", flush=True
            )
        one = show("find_recordings, one participant", lambda: find_recordings(root, Selection(("001",))))
        show("find_recordings, one participant, pybids imported", lambda: find_recordings(root, Selection(("002",))))
        recordings = show("find_recordings, all participants", lambda: find_recordings(root))
        assert len(recordings) == options.participants * SESSIONS * RUNS
        kept = Selection(database_dir=Path(scratch) / "index")
        show("find_recordings, all participants, index created", lambda: find_recordings(root, kept))
        show("find_recordings, all participants, index reused", lambda: find_recordings(root, kept))
        kept = Selection(("001",), database_dir=Path(scratch) / "index")
        show("find_recordings, one participant, index reused", lambda: find_recordings(root, kept))
        show("Recording.open, the first", lambda: one[0].open())
        show("Recording.open, 7 more", lambda: [recording.open() for recording in one[1:]])


if __name__ == "__main__":
    main()
