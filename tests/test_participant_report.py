"""The participant report says what was done, shows it, and is written whole or not at all."""

import re
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import mne
import mne_bids
import numpy as np
import pytest
import soundfile
from matplotlib.colors import to_rgba
from scipy.signal import welch

from predann_bids.bids.derivatives import DerivativePaths
from predann_bids.bids.presentations import Presentation
from predann_bids.config import resolve
from predann_bids.errors import ReadOrWriteFailed, TryAgain
from predann_bids.report import participant
from predann_bids.report.participant import (
    BAD,
    ReportJob,
    Spectra,
    describe_step,
    draw_sensors,
    draw_spectra,
    draw_timeline,
    draw_traces,
    estimate_spectra,
    stimulus_colours,
    write_report,
)
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.participant import run_participant

NAMES = ["Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2"]
RATE_HZ, SECONDS = 100.0, 20.0


def write_recording(root: Path, task: str, names: list[str], *, placed: bool) -> None:
    noise = np.random.default_rng(len(task)).standard_normal((len(names), int(RATE_HZ * SECONDS)))
    info = mne.create_info(names, RATE_HZ, "eeg")
    info["line_freq"] = 30.0
    raw = mne.io.RawArray(noise * 1e-5, info, verbose="error")
    if placed:
        raw.set_montage("biosemi64")
    raw.info["bads"] = [names[2]]
    path = mne_bids.BIDSPath(subject="01", task=task, root=root, datatype="eeg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mne_bids.write_raw_bids(raw, path, allow_preload=True, format="BrainVision", verbose="error")
    events = path.fpath.with_name(f"sub-01_task-{task}_events.tsv")
    events.write_text("onset\tduration\tstim_file\n3\t5\tbach.wav\n10\t8\tR&B.wav\n17\t5\tbach.wav\n")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> ReportJob:
    """Two recordings of one participant, the second without electrode positions, through the participant level."""
    root, output = tmp_path_factory.mktemp("dataset"), tmp_path_factory.mktemp("output")
    (root / "stimuli").mkdir()
    for name in ("bach.wav", "R&B.wav"):
        soundfile.write(root / "stimuli" / name, np.zeros(8 * 8000), 8000)
    write_recording(root, "placed", NAMES, placed=True)
    write_recording(root, "adrift", [f"E{number}" for number in range(8)], placed=False)
    science = resolve(flags={"preprocessing.resample": 80.0, "preprocessing.h_freq": 35.0})
    outcomes = run_participant(root, output, science, execution=Execution(n_procs=1, report=False))
    pairs = tuple((o.recording, DerivativePaths.of(o.recording, output)) for o in outcomes)
    return ReportJob("01", pairs, output / "sub-01.html")


@pytest.fixture(scope="module")
def page(job: ReportJob) -> str:
    return write_report(job).read_text(encoding="utf-8")


def section(page: str, name: str) -> str:
    """Cut out one recording's part of the page; sections are in the order of the recordings."""
    return page[page.index(f'class="text-decoration-none">{name}') :].split('class="accordion-item section"')[0]


def test_report_shows_every_recording(job, page):
    assert "<title>sub-01 - PredANN-BIDS</title>" in page
    for recording, _ in job.recordings:
        assert section(page, recording.name).count("Spectra before and after") >= 1


def test_report_names_bad_channels(page):
    assert "Bad: C3." in section(page, "sub-01_task-placed")
    assert "<td >C3</td>" in page[: page.index('class="text-decoration-none">sub-01_task-adrift')]


def test_report_says_what_was_done_with_units(page):
    steps = section(page, "sub-01_task-placed")
    assert "1 to 35 Hz; zero-phase FIR" in steps
    assert "frequencies 30 Hz" in steps
    assert "100 Hz before, 80 Hz after" in steps


def test_report_passes_on_warnings_about_presentations(page):
    assert "line 4" in section(page, "sub-01_task-placed")


def test_sensors_without_positions_are_a_sentence(page):
    assert "positions of the electrodes are not known" in section(page, "sub-01_task-adrift")
    assert "positions of the electrodes are not known" not in section(page, "sub-01_task-placed")


def test_table_of_presentations_has_each_with_its_audio(page):
    table = section(page, "sub-01_task-placed")
    for onset, audio in (("3.000", "bach.wav"), ("10.000", "R&amp;B.wav"), ("17.000", "bach.wav")):
        assert re.search(rf"<td[^>]*>{onset}</td>.*?<td[^>]*>{audio}</td>", table)


def test_nothing_is_collapsed(page):
    assert "accordion-collapse collapse show" in page
    assert not re.search(r'accordion-collapse collapse\s*"', page)


def test_report_holds_no_absolute_path(job, page):
    assert str(job.target.parent) not in page
    assert str(job.recordings[0][0].root) not in page


def test_report_stays_small(job, page):
    skeleton_and_two_recordings = 2_000_000
    assert job.target.stat().st_size < skeleton_and_two_recordings


def test_figures_are_not_kept(page):
    assert plt.get_fignums() == []


def test_failed_report_leaves_nothing_half_written(job, monkeypatch):
    whole = write_report(job).read_bytes()

    def save_half(report, target, **_):
        Path(target).write_text("<html>")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(participant.mne.Report, "save", save_half)
    with pytest.raises(TryAgain, match="No space"):
        write_report(job)
    assert job.target.read_bytes() == whole
    assert not list(job.target.parent.glob(".writing-*"))


def test_report_that_cannot_be_written_is_named(job, tmp_path):
    (tmp_path / "file").write_text("precious")
    target = tmp_path / "file" / "sub-01.html"
    with pytest.raises(ReadOrWriteFailed, match=re.escape(str(target))):
        write_report(ReportJob("01", job.recordings[:1], target))


def test_spectrum_shows_a_10_hz_peak():
    times = np.arange(0, SECONDS, 1 / RATE_HZ)
    spectra = estimate_spectra(np.stack([20 * np.sin(2 * np.pi * 10 * times), np.zeros_like(times)]), RATE_HZ)
    assert spectra.frequencies[spectra.power_db[0].argmax()] == 10
    assert np.isfinite(spectra.power_db).all()


def test_spectrum_is_welchs_in_decibel_of_microvolts():
    eeg = np.random.default_rng(0).standard_normal((3, 2000))
    frequencies, power = welch(eeg, RATE_HZ, window="hann", nperseg=400, noverlap=200)
    spectra = estimate_spectra(eeg, RATE_HZ)
    np.testing.assert_allclose(spectra.frequencies, frequencies)
    np.testing.assert_allclose(spectra.power_db, 10 * np.log10(power))


def test_spectrum_of_white_noise_has_its_density():
    eeg = np.random.default_rng(0).standard_normal((4, 20_000))  # 1 µV² over 50 Hz
    inside = estimate_spectra(eeg, RATE_HZ).power_db[:, 5:-5]
    assert np.median(inside) == pytest.approx(10 * np.log10(1 / 50), abs=0.5)


def test_spectra_mark_line_and_band_and_end_at_80_hz():
    frequencies = np.linspace(0, 250, 1001)
    flat = Spectra(frequencies, np.zeros((2, 1001)))
    axes = draw_spectra(flat, flat, line_hz=50, band_hz=(1, None)).axes[0]
    assert {text.get_text() for text in axes.texts} == {"1 Hz", "line, 50 Hz"}
    assert axes.get_xlim() == (0, 80)


def test_timeline_has_a_bar_per_presentation_in_the_colour_of_its_stimulus():
    presentations = [Presentation(label, f"{label}.wav", onset, 5) for label, onset in (("a", 1), ("b", 7), ("a", 13))]
    axes = draw_timeline(presentations, 20, stimulus_colours(["a", "b"])).axes[0]
    bars = [(bar.get_x(), bar.get_width(), bar.get_facecolor()) for bar in axes.patches]
    assert [bar[:2] for bar in bars] == [(1, 5), (7, 5), (13, 5)]
    assert bars[0][2] == bars[2][2] != bars[1][2]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_stimulus_names_with_dollars_or_foreign_letters_can_be_drawn(job, monkeypatch):
    names = ["cash $x", "音楽", "long " * 20]
    presentations = [Presentation(name, f"{name}.wav", 6.0 * place, 5) for place, name in enumerate(names)]
    monkeypatch.setattr(participant, "from_table", lambda _: tuple(presentations))
    page = write_report(ReportJob("02", job.recordings[:1], job.target.with_name("sub-02.html"))).read_text("utf-8")
    assert all(name in page for name in names)


@pytest.mark.parametrize("number", [1, 4, 6, 7, 40])
def test_stimuli_have_different_colours(number):
    colours = stimulus_colours([f"song-{n:02d}" for n in range(number)])
    assert len(set(colours.values())) == number


def test_bad_channels_stand_out_on_the_head():
    info = mne.create_info(NAMES, RATE_HZ, "eeg")
    info.set_montage("biosemi64")
    info["bads"] = ["P3"]
    axes = draw_sensors(info).axes[0]
    dots = axes.collections[-1].get_facecolor()
    assert [tuple(dot) == to_rgba(BAD) for dot in dots] == [name == "P3" for name in NAMES]
    assert [text.get_text() for text in axes.texts if text.get_text()] == NAMES


def test_traces_of_silence_can_be_drawn():
    figure = draw_traces(np.zeros((2, 100)), np.arange(100) / RATE_HZ, ["C3", "C4"], bad=["C4"])
    assert "1 µV" in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"Name": "band-pass", "low_hz": None, "high_hz": 40.0}, ("Band-pass", "open to 40 Hz")),
        ({"Name": "resample", "from_hz": 250.0, "to_hz": 125.0}, ("Resample", "250 to 125 Hz")),
        ({"Name": "bad channels", "channels": ["T7"], "flat": []}, ("Bad channels", "channels T7; flat none")),
        ({"Name": "clipping", "threshold_uv": 80.0, "longest_s": 0.5}, ("Clipping", "threshold 80 µV; longest 0.5 s")),
        ({"Name": "no notch", "reason": "no line"}, ("No notch", "no line")),
    ],
)
def test_steps_are_put_into_words_with_units(step, words):
    assert describe_step(step) == words
