"""The participant report says what was done, shows it, and is written whole or not at all."""

import json
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
from predann_bids.bids.music.presentations import Presentation
from predann_bids.config import resolve
from predann_bids.errors import ReadOrWriteFailed, TryAgain
from predann_bids.report.participant import ReportJob, recorded, write_report
from predann_bids.report.participant.amplitudes import EDGES_UV, Amplitudes, draw_amplitudes
from predann_bids.report.participant.components import draw_components
from predann_bids.report.participant.drawn import BAD, stimulus_colours
from predann_bids.report.participant.onsets import draw_response
from predann_bids.report.participant.sensors import REASON_COLOURS, draw_sensors
from predann_bids.report.participant.spectra import Spectra, draw_spectra, estimate_spectra
from predann_bids.report.participant.steps import describe_step, draw_variance
from predann_bids.report.participant.timeline import draw_timeline
from predann_bids.report.participant.traces import draw_traces, shown_channels
from predann_bids.signals.onsets import OnsetResponse
from predann_bids.workflows.execution import Execution
from predann_bids.workflows.participant.level import run_participant

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


def rewrite(paths, **changes):
    """Change a sidecar for one report; gives what it was."""
    was = paths.sidecar.read_text(encoding="utf-8")
    paths.sidecar.write_text(json.dumps(json.loads(was) | changes), encoding="utf-8")
    return was


@pytest.fixture(scope="module")
def rich_page(job: ReportJob) -> str:
    """The report on a recording with bad spans, ICA, measured quality and audio with onsets."""
    recording, paths = job.recordings[-1]
    assert "placed" in recording.name
    topography = np.linspace(-1, 1, 7).tolist()
    components = [
        {"component": n, "label": "eye blink", "probability": 0.9, "variance_explained": 0.1, "topography": topography}
        for n in (4, 1)
    ]
    steps = [
        {"Name": "bad channels", "channels": ["C3"], "reasons": {"C3": ["deviation", "ransac"]}},
        {"Name": "interpolation", "method": "spherical splines", "channels": ["C3"], "variance_removed": 0.01},
        {
            "Name": "ICA",
            "fitted_components": 5,
            "converged": False,
            "threshold": 0.8,
            "channels": [name for name in NAMES if name != "C3"],
            "removed": components,
            "kept": {"brain": 3},
            "variance_removed": 0.3,
        },
    ]
    clicks = np.zeros(8 * 8000)
    clicks[:: 8000 // 4] = 1
    audio = job.target.parent / "stimuli" / "bach.wav"
    silence = audio.rename(audio.with_name("silence.wav"))
    soundfile.write(audio, clicks, 8000)
    was = rewrite(
        paths,
        PreprocessingSteps=steps,
        BadSpans=[{"onset": 3.0, "duration": 5.0, "description": "BAD_<talk>"}],
        Quality={"line_after_db": 12.0, "line_after_share": 0.2, "beyond_100uv_share": 0.05},
    )
    page = write_report(ReportJob("03", ((recording, paths),), job.target.with_name("sub-03.html"))).read_text("utf-8")
    silence.replace(audio)
    paths.sidecar.write_text(was, encoding="utf-8")
    return page


def test_report_says_first_what_is_out_of_the_ordinary(rich_page):
    box = rich_page[rich_page.index("Out of the ordinary") :].split("</ul>")[0]
    for words in (
        "Only 67 % of the music (15 s) is usable",
        "1 of 3 presentations lie in bad spans",
        "1 of 8 channels (12 %) are bad",
        "ICA removed 2 of 5 components",
        "ICA did not converge",
        "12 dB above its neighbours, 20 % of variance",
        "5.0 % of the samples of good channels, in music, lie beyond ±100 µV, drifts included",
    ):
        assert words in box


def test_report_shows_removed_components(rich_page):
    assert "2 of 5 independent components were removed." in rich_page
    assert "Kept: 3 brain." in rich_page
    assert 'aria-label="Removed components"' in rich_page


def test_report_says_why_a_channel_is_bad_and_what_became_of_it(rich_page):
    row = r"<td >C3</td><td >amplitude deviates, not predicted by others \(RANSAC\)</td><td >interpolated</td>"
    assert re.search(row, rich_page)


def test_report_tells_how_much_of_each_presentation_is_usable(rich_page):
    assert re.findall(r"<td[^>]*>(0\.0|100\.0)</td></tr>", rich_page) == ["0.0", "100.0", "100.0"]
    assert "bad spans (BAD_&lt;talk&gt;; 5.0 s together)" in rich_page


def test_what_there_is_no_data_for_is_left_out(page):
    assert "Independent components" not in page  # there was no ICA
    assert "No average over onsets" in page  # the audio is silent


def test_without_audio_and_positions_there_are_sentences_and_tables(job, tmp_path):
    recording, paths = job.recordings[0]
    assert "adrift" in recording.name
    component = {"component": 2, "label": "heart", "probability": 0.85, "topography": [1.0] * 8}
    step = {"Name": "ICA", "channels": [f"E{number}" for number in range(8)], "removed": [component]}
    was = rewrite(paths, PreprocessingSteps=[step], BadSpans=[])
    page = write_report(ReportJob("01", ((recording, paths),), tmp_path / "sub-01.html")).read_text("utf-8")
    paths.sidecar.write_text(was, encoding="utf-8")
    assert "No average over onsets in the music: the audio is not in stimuli/" in page
    assert "1 independent component was removed." in page
    assert re.search(r"<td[^>]*>2</td><td[^>]*>heart</td><td[^>]*>0\.850</td><td[^>]*>n/a</td>", page)
    assert "Removed components" not in page
    assert "Variance removed by each step" not in page


def test_text_in_figures_is_text(rich_page):
    for words in ("Frequency (Hz)", "Standard deviation (µV)", "IC 4 eye blink 0.90", "Variance removed (%)"):
        assert re.search(rf"<text[^>]*>{re.escape(words)}</text>", rich_page)


def test_identifiers_of_figures_are_their_own(rich_page, page):
    for html in (page, rich_page):
        drawn = re.findall(r"<svg role.*?</svg>", html, re.DOTALL)
        found = [set(re.findall(r' id="([^"]+)"', svg)) for svg in drawn]
        assert len(set().union(*found)) == sum(map(len, found))


def test_channels_of_traces_are_thinned_out_but_not_bad_ones():
    names = [f"E{n}" for n in range(129)]
    shown = shown_channels(names, ["E3", "E7"])
    assert len(shown) <= 34
    assert {"E3", "E7"} <= set(shown)
    assert len(shown_channels(names, names)) <= 64


def test_report_stays_small(job, page):
    skeleton_and_two_recordings = 2_000_000
    assert job.target.stat().st_size < skeleton_and_two_recordings


def test_figures_are_not_kept(page):
    assert plt.get_fignums() == []


@pytest.mark.usefixtures("page")
def test_failed_report_leaves_nothing_half_written(job, monkeypatch):
    whole = job.target.read_bytes()

    def save_half(report, target, **_):
        Path(target).write_text("<html>")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mne.Report, "save", save_half)
    with pytest.raises(TryAgain, match="No space"):
        write_report(ReportJob("01", job.recordings[:1], job.target))
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
    monkeypatch.setattr(recorded, "from_table", lambda _: tuple(presentations))
    page = write_report(ReportJob("02", job.recordings[:1], job.target.with_name("sub-02.html"))).read_text("utf-8")
    assert all(name in page for name in names)


@pytest.mark.parametrize("number", [1, 4, 6, 7, 40])
def test_stimuli_have_different_colours(number):
    colours = stimulus_colours([f"song-{n:02d}" for n in range(number)])
    assert len(set(colours.values())) == number


def test_bad_channels_stand_out_on_the_head_by_their_first_reason():
    axes = (figure := draw_sensors(placed_info(), {"P3": ("ransac",), "C4": ("correlation", "flat"), "O1": ()})).axes[0]
    colours = {"P3": REASON_COLOURS["ransac"], "C4": REASON_COLOURS["flat"], "O1": BAD}
    dots = axes.collections[-1].get_facecolor()
    for name, dot in zip(NAMES, dots, strict=True):
        assert (tuple(dot) == to_rgba(colours[name])) if name in colours else (dot[:3].min() > 0.8)
    assert [text.get_text() for text in axes.texts if text.get_text()] == NAMES
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["flat: C4", "not predicted by others (RANSAC): P3", "not said: O1"]


def placed_info():
    info = mne.create_info(NAMES, RATE_HZ, "eeg")
    info.set_montage("biosemi64")
    return info


def test_amplitudes_are_counted_by_their_distance_from_the_median():
    eeg = np.array([np.tile([300.0, 305.0, 295.0, 300.0], 100), np.tile([0.0, 50.0, -50.0, 0.0], 100)])
    amplitudes = Amplitudes.of(eeg)
    for row, distance in enumerate((5, 50)):
        (place,) = np.flatnonzero(amplitudes.shares[row])
        assert EDGES_UV[place] <= distance < EDGES_UV[place + 1]
        assert amplitudes.shares[row, place] == 0.5
    np.testing.assert_allclose(amplitudes.spread_uv, eeg.std(axis=1))


@pytest.mark.parametrize("bad", [(), ("C3",), tuple(NAMES)])
def test_amplitudes_can_be_drawn_whatever_is_bad(bad):
    eeg = np.random.default_rng(0).standard_normal((len(NAMES), 1000)) * np.arange(8)[:, None]
    left, right = draw_amplitudes(Amplitudes.of(eeg), Amplitudes.of(eeg / 2), NAMES, bad).axes
    assert len(left.lines) == 3
    assert {text.get_text() for text in right.texts} == set(bad)


def test_components_are_drawn_with_label_probability_and_variance():
    component = {"component": 3, "label": "eye blink", "probability": 0.98, "topography": [1.0, -1.0] * 4}
    figure = draw_components([component | {"variance_explained": 0.124}, component], placed_info())
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == ["IC 3 eye blink 0.98\n12.4 % of variance", "IC 3 eye blink 0.98"]


def test_variance_is_a_bar_for_each_step_and_may_grow():
    axes = draw_variance(["ICA", "reference"], [0.3, -0.1]).axes[0]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([30, -10])
    assert axes.get_xlim()[0] < -10


def test_bad_spans_are_hatched_and_cuts_are_lines():
    presentation = Presentation("a", "a.wav", 1, 5)
    spans = [(2.0, 3.0, "BAD_muscle"), (8.0, 0.0, "boundary")]
    axes = draw_timeline([presentation], 20, stimulus_colours(["a"]), spans).axes[0]
    hatched = [patch for patch in axes.patches if patch.get_hatch()]
    assert [(patch.get_x(), patch.get_width()) for patch in hatched] == [(2.0, 3.0)]
    assert [list(line.get_xdata()) for line in axes.lines] == [[8.0, 8.0]]


@pytest.mark.parametrize("placed", [True, False])
def test_topography_of_the_response_is_at_its_peak_if_positions_are_known(placed):
    times = np.arange(-10, 51) / RATE_HZ
    average = np.zeros((8, times.size))
    average[0, 22] = 5.0  # at 120 ms
    power = average.std(axis=0)
    response = OnsetResponse(times, average, power, 0 * power, 0 * power + 1, 100, 3.0, 0.005)
    info = placed_info() if placed else mne.create_info(NAMES, RATE_HZ, "eeg")
    titles = [axes.get_title() for axes in draw_response(response, info).axes]
    assert ("120 ms" in titles) == placed


def test_traces_of_silence_can_be_drawn():
    figure = draw_traces(np.zeros((2, 100)), np.arange(100) / RATE_HZ, ["C3", "C4"], bad=["C4"])
    assert "1 µV" in [text.get_text() for text in figure.axes[0].texts]


def test_traces_with_offsets_stay_in_their_lanes():
    rng, offsets = np.random.default_rng(0), np.array([[0.0], [2e4], [-3e4]])
    figure = draw_traces(10 * rng.standard_normal((3, 100)) + offsets, np.arange(100) / RATE_HZ, ["C3", "C4", "Cz"])
    lanes = [np.median(line.get_ydata()) for line in figure.axes[0].lines[:3]]
    assert lanes == pytest.approx([0, -1, -2])


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            {"Name": "ICA", "fitted_components": 9, "band_hz": [1, 100], "converged": True, "removed": [{}]},
            ("ICA", "1 to 100 Hz; components removed 1; fitted components 9; converged yes"),
        ),
        (
            {"Name": "bad channels", "channels": ["T7"], "reasons": {"T7": ["flat"]}, "variance_removed": None},
            ("Bad channels", "channels T7; variance removed none"),
        ),
        ({"Name": "band-pass", "low_hz": None, "high_hz": 40.0}, ("Band-pass", "open to 40 Hz")),
        ({"Name": "resample", "from_hz": 250.0, "to_hz": 125.0}, ("Resample", "250 to 125 Hz")),
        ({"Name": "bad channels", "channels": ["T7"], "flat": []}, ("Bad channels", "channels T7; flat none")),
        ({"Name": "clipping", "threshold_uv": 80.0, "longest_s": 0.5}, ("Clipping", "threshold 80 µV; longest 0.5 s")),
        ({"Name": "no notch", "reason": "no line"}, ("No notch", "no line")),
    ],
)
def test_steps_are_put_into_words_with_units(step, words):
    assert describe_step(step) == words
