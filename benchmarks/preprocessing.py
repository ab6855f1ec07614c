"""Measure the participant level against a plain MNE script that takes the same steps.

Creates a recording, then runs, each in a fresh process, the MNE script (read, notch, band-pass, average reference,
resample, write), the whole command `predann-bids ... participant`, and its filtering alone. Reports wall time, the peak
memory of all processes together (proportional set size, on Linux), and the largest difference between the outputs of
the command and of the script.

    python benchmarks/preprocessing.py                               25 minutes, 129 channels, 1000 Hz: 774 MB
    python benchmarks/preprocessing.py --minutes 2 --channels 32     a quick look
    python benchmarks/preprocessing.py --keep /scratch/benchmark     create the recording once, reuse it later
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from predann_bids.arrays import Doubles

LINE_HZ, LOW_HZ, HIGH_HZ, RATE_HZ = 60.0, 1.0, 40.0, 125.0
SONG_SECONDS, AUDIO_HZ = 50, 8000
EDGE_SECONDS = 2
NAME = "sub-01_task-music"


# -- the recording -----------------------------------------------------------------------------------------------------


def make_dataset(root: Path, minutes: float, channels: int, rate_hz: float) -> None:
    """Write an EEG-BIDS dataset of one recording, without ever holding all samples in memory."""
    import soundfile

    samples = round(60 * minutes * rate_hz)
    names = electrode_names(channels)
    (root / "stimuli").mkdir(parents=True)
    rng = np.random.default_rng(0)
    soundfile.write(root / "stimuli" / "song.wav", 0.1 * rng.standard_normal(SONG_SECONDS * AUDIO_HZ), AUDIO_HZ)
    write_samples(root / "sub-01" / "eeg" / f"{NAME}_eeg.vhdr", samples, names, rate_hz, rng)
    sidecar = {"TaskName": "music", "SamplingFrequency": rate_hz, "EEGReference": "Cz", "SoftwareFilters": "n/a"}
    onsets = np.arange(5, samples / rate_hz - SONG_SECONDS, SONG_SECONDS + 5)
    texts = {
        f"sub-01/eeg/{NAME}_eeg.json": json.dumps(sidecar | {"PowerLineFrequency": LINE_HZ}),
        f"sub-01/eeg/{NAME}_channels.tsv": table("name type units", [f"{name} EEG µV" for name in names]),
        f"sub-01/eeg/{NAME}_events.tsv": table(
            "onset duration trial_type stim_file", [f"{onset:g} {SONG_SECONDS} music song.wav" for onset in onsets]
        ),
        "participants.tsv": table("participant_id", ["sub-01"]),
        "README": "Noise in the shape of EEG, to measure how long its preprocessing takes.\n",
        # last, because it makes the directory a dataset
        "dataset_description.json": json.dumps({"Name": "Noise", "BIDSVersion": "1.10.0", "License": "CC0"}),
    }
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")


def electrode_names(channels: int) -> list[str]:
    from mne.channels import make_standard_montage

    return list(make_standard_montage("GSN-HydroCel-129").ch_names[:channels])


def table(header: str, rows: list[str]) -> str:
    return "".join("\t".join(row.split()) + "\n" for row in [header, *rows])


def write_samples(header: Path, samples: int, names: list[str], rate_hz: float, rng: np.random.Generator) -> None:
    """Write drifts, white noise and line noise on top of offsets of about 10 mV, second by second."""
    from scipy.signal import lfilter

    from predann_bids.signals.brainvision import write_brainvision

    channels = len(names)
    unplaced = np.zeros((channels, 3))
    write_brainvision(np.zeros((1, channels), np.float32), names, rate_hz, unplaced, header, [])
    offsets = rng.uniform(-2e4, 2e4, channels)
    state = np.zeros((1, channels))
    with header.with_suffix(".eeg").open("wb") as file:
        for start in range(0, samples, round(rate_hz)):
            times = np.arange(start, min(start + round(rate_hz), samples)) / rate_hz
            noise = rng.standard_normal((2, len(times), channels), dtype=np.float32)
            drift, state = lfilter([1.0], [1.0, -0.99], noise[0], axis=0, zi=state)
            line = 20 * np.sin(2 * np.pi * LINE_HZ * times)
            (3 * drift + 5 * noise[1] + line[:, None] + offsets).astype("<f4").tofile(file)


# -- what is measured --------------------------------------------------------------------------------------------------


def do_mne(root: Path, output: Path) -> dict[str, float]:
    """Run what a careful user of MNE would write; return the seconds that each part takes."""
    import mne_bids
    import pybv

    import_filters()
    clock = Clock()
    path = mne_bids.BIDSPath(root=root, subject="01", task="music", datatype="eeg")
    raw = mne_bids.read_raw_bids(path, verbose="error")
    raw.load_data(verbose="error")
    clock.lap("reading")
    raw.notch_filter(np.arange(LINE_HZ, raw.info["sfreq"] / 2 - 1, LINE_HZ), verbose="error")
    raw.filter(LOW_HZ, HIGH_HZ, verbose="error")
    raw.set_eeg_reference("average", projection=False, verbose="error")
    raw.resample(RATE_HZ, verbose="error")
    clock.lap("filtering")
    output.mkdir()
    pybv.write_brainvision(
        data=raw.get_data(),
        sfreq=raw.info["sfreq"],
        ch_names=raw.ch_names,
        fname_base=NAME,
        folder_out=output,
        resolution=1.0,
        fmt="binary_float32",
    )
    clock.lap("writing")
    return clock.laps | {"channels": len(raw.ch_names)}


def do_filtering(root: Path, _output: Path) -> dict[str, float]:
    """Take the same steps in blocks, reading included."""
    import mne

    from predann_bids.signals.preprocessing.chain import Chain, run, survey

    raw = mne.io.read_raw_brainvision(root / "sub-01" / "eeg" / f"{NAME}_eeg.vhdr", verbose="error")
    channels = len(raw.ch_names)
    notches = np.arange(LINE_HZ, raw.info["sfreq"] / 2 - 1, LINE_HZ).tolist()
    average = np.eye(channels) - 1 / channels
    import_filters()
    clock = Clock()
    survey(raw, range(channels))
    clock.lap("survey")
    run(raw, Chain(range(channels), RATE_HZ, notches, LOW_HZ, HIGH_HZ, average), workers=os.cpu_count() or 1)
    clock.lap("filtering")
    return clock.laps


def import_filters() -> None:
    """Import what MNE imports when it filters, so that imports do not count as filtering."""
    import mne.filter
    import scipy.fft
    import scipy.signal

    mne.filter.create_filter(None, 100.0, 1.0, 10.0, verbose="error")
    scipy.fft.rfft(scipy.signal.firwin(11, 0.1))


class Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Note the seconds since the last lap."""
        self._last, before = time.perf_counter(), self._last
        self.laps[name] = self._last - before


# -- measuring ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """A command's wall time, the peak memory of all its processes, and what it printed."""

    seconds: float
    gigabytes: float
    printed: str


def measure(command: list[str]) -> Measured:
    """Run a command in a session of its own, which identifies its processes."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    with memory_of(process.pid) as kilobytes:
        printed, _ = process.communicate()
    seconds = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with exit code {process.returncode}.\n{printed}")
    return Measured(seconds, max(kilobytes) / 1e6, printed)


@contextmanager
def memory_of(session: int) -> Iterator[list[int]]:
    """Record every 50 ms how many kB all processes of a session take together."""
    done, kilobytes = threading.Event(), [0]

    def watch() -> None:
        while not done.wait(0.05):
            kilobytes.append(sum(map(proportional_memory, session_members(session))))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield kilobytes
    finally:
        done.set()
        thread.join()


def session_members(session: int) -> list[Path]:
    members = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # the process has ended
            continue
        if int(fields[3]) == session:
            members.append(status.parent)
    return members


def proportional_memory(process: Path) -> int:
    """Return the memory of a process in kB; what it shares counts in proportion."""
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def deviations(output: Path, expected: Path, channels: int) -> Doubles:
    """Return the largest difference in each channel, edges excluded, in percent of its standard deviation."""
    one, other = (np.memmap(path, "<f4", "r").reshape(-1, channels) for path in (output, expected))
    if one.shape != other.shape:
        raise SystemExit(f"{output} has {one.shape} samples and channels, {expected} has {other.shape}.")
    edge = round(EDGE_SECONDS * RATE_HZ)
    one, other = one[edge:-edge], other[edge:-edge]
    percent: Doubles = 100 * np.abs(one - other).max(axis=0) / other.std(axis=0, dtype=np.float64)
    return percent


def report(root: Path, work: Path, processes: int) -> None:
    script = [sys.executable, __file__, "--part"]
    plain = measure([*script, "mne", str(root), str(work / "mne")])
    filtering = measure([*script, "filtering", str(root), str(work)])
    command = [sys.executable, "-m", "predann_bids", str(root), str(work / "output"), "participant", "--no-report"]
    whole = measure([*command, "--skip-bids-validation", "--n-procs", str(processes)])
    mne_laps, laps = json.loads(plain.printed), json.loads(filtering.printed)
    output = work / "output" / "sub-01" / "eeg" / f"{NAME}_desc-preproc_eeg.eeg"
    percent = deviations(output, work / "mne" / f"{NAME}.eeg", int(mne_laps["channels"]))
    print(f"{'':28}{'MNE':>10}{'PredANN':>10}{'ratio':>8}")
    print_row("whole command, s", plain.seconds, whole.seconds)
    print_row("filtering alone, s", mne_laps["filtering"], laps["filtering"])
    print_row("peak memory, GB", plain.gigabytes, whole.gigabytes)
    print(f"the script: {describe(mne_laps)}; ours: {describe(laps)}, reading included")
    print(
        f"largest deviation: {percent.max():.2g} % of a channel's standard deviation; median {np.median(percent):.2g} %"
    )


def print_row(name: str, theirs: float, ours: float) -> None:
    print(f"{name:28}{theirs:10.2f}{ours:10.2f}{theirs / ours:8.1f}")


def describe(laps: dict[str, float]) -> str:
    return ", ".join(
        f"{name} {laps[name]:.2f} s" for name in ("reading", "survey", "filtering", "writing") if name in laps
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    title, _, examples = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=title, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=25.0, help="length of the recording (default: %(default)g)")
    parser.add_argument(
        "--channels", type=int, default=129, choices=range(2, 130), metavar="2..129", help="its channels"
    )
    parser.add_argument("--rate", type=float, default=1000.0, help="its sampling rate in Hz (default: %(default)g)")
    parser.add_argument("--n-procs", type=int, default=4, help="processes of the command (default: %(default)d)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="directory in which to keep or reuse the recording")
    parser.add_argument("--part", nargs=3, metavar=("NAME", "DATASET", "OUTPUT"), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    if options.part:
        part, root, output = options.part
        print(json.dumps({"mne": do_mne, "filtering": do_filtering}[part](Path(root), Path(output))))
        return
    if options.keep:
        options.keep.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.keep and options.keep.parent) as name:
        root = options.keep or Path(name) / "dataset"
        if not (root / "dataset_description.json").is_file():
            if root.exists():
                raise SystemExit(f"{root} was not created by this script. Name a directory that does not exist.")
            make_dataset(root, options.minutes, options.channels, options.rate)
        report(root, Path(name), options.n_procs)


if __name__ == "__main__":
    main()
