"""What a recording and its sidecars both say is compared: rate, length, number of channels."""

import json

import numpy as np
import pybv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predann_bids.bids.recordings import Recording
from predann_bids.bids.stated import Quantity
from predann_bids.errors import UnusableData

NAMES = ["Fp1", "Cz", "Oz", "Pz"]
STEM = "sub-01_task-music"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    eeg = tmp_path_factory.mktemp("stated") / "ds/sub-01/eeg"
    eeg.mkdir(parents=True)
    data = np.random.default_rng(0).normal(0, 2e-5, (4, 4000))
    pybv.write_brainvision(data=data, sfreq=500, ch_names=NAMES, fname_base=f"{STEM}_eeg", folder_out=eeg)
    return Recording("01", "", "music", "", eeg / f"{STEM}_eeg.vhdr", eeg.parents[1])


@pytest.fixture
def opened(made):
    """Open a recording of 8 s at 500 Hz with a sidecar and with rates in channels.tsv."""

    def opened(rates=None, **sidecar):
        files = {made.path.with_suffix(".json"): json.dumps(sidecar)}
        if rates:
            rows = [f"{name}\tEEG\t{rate}\n" for name, rate in zip(NAMES, rates, strict=True)]
            files[made.path.with_name(f"{STEM}_channels.tsv")] = "".join(["name\ttype\tsampling_frequency\n", *rows])
        for file, text in files.items():
            file.write_text(text, encoding="utf-8")
        try:
            return made.open().warnings
        finally:
            for file in files:
                file.unlink()

    return opened


@pytest.mark.parametrize("rate", [500, 500.0, "500", "500 Hz", "500Hz", "0.5 kHz", "500,0 Hz", [500], "n/a", "", None])
def test_rates_that_agree_however_they_are_written_are_not_told(opened, rate):
    assert opened(SamplingFrequency=rate) == ()


@pytest.mark.parametrize(("rate", "unit"), [(0.5, "kHz"), ("0.5", "kHz"), (0.002, "seconds between samples")])
def test_rates_in_other_units_are_understood_and_told(opened, rate, unit):
    (warning,) = opened(SamplingFrequency=rate)
    assert f"{STEM}_eeg.json (SamplingFrequency) is {rate}, which agrees with the recording as {unit}." in warning


@pytest.mark.parametrize("rate", [250, 1000, "512 Hz", 501, 499.0, 2000, "1 kHz"])
def test_another_rate_in_the_sidecar_is_refused_with_both_numbers(opened, rate):
    with pytest.raises(UnusableData, match=r"at 500 Hz by its own header, but at \d+ Hz by .*json.*Correct it\.$"):
        opened(SamplingFrequency=rate)


def test_a_small_difference_is_told_where_it_makes_milliseconds(made, opened):
    assert opened(SamplingFrequency=500.1) == ()
    (warning,) = opened(SamplingFrequency=500.45)  # 7 ms after 8 s
    assert "500.45" in warning


@pytest.mark.parametrize("value", ["five hundred", "500 apples"])
def test_a_rate_that_is_none_is_told(opened, value):
    (warning,) = opened(SamplingFrequency=value)
    assert f"is '{value}', expected a number of Hz" in warning


def test_another_rate_in_channels_tsv_is_refused_by_line_unless_the_sidecar_settles_it(opened):
    rates = [500, 500, 250, 500]
    with pytest.raises(UnusableData, match=r"channels.tsv, line 4 \(sampling_frequency\)"):
        opened(rates)
    (warning,) = opened(rates, SamplingFrequency=500)
    assert "line 4 (sampling_frequency) says 250 Hz; the recording and its JSON sidecar agree on 500 Hz" in warning
    assert opened(["500", "500 Hz", "n/a", "0.5"]) == ()


@pytest.mark.parametrize("length", [8, "8 s", 8.05, 9.5, "n/a", "0.0", -1, None])
def test_lengths_that_agree_are_not_told(opened, length):
    assert opened(RecordingDuration=length) == ()


@pytest.mark.parametrize(("length", "unit"), [(8000, "milliseconds"), (4000, "samples"), (8 / 60, "minutes")])
def test_lengths_in_other_units_are_understood_and_told(opened, length, unit):
    (warning,) = opened(RecordingDuration=length)
    assert warning.endswith(f"which agrees with the recording as {unit}.")


@pytest.mark.parametrize(("length", "said"), [(80, "cut off"), (4, "one of them is wrong"), ("2 min", "says 120.0 s")])
def test_other_lengths_are_told(opened, length, said):
    (warning,) = opened(RecordingDuration=length)
    assert "lasts 8.0 s, its sidecar says" in warning
    assert said in warning


@pytest.mark.parametrize(
    ("counts", "told"),
    [({"EEG": 4}, False), ({"EEG": 3, "EOG": 1}, False), ({"EEG": 4, "Trigger": 1}, False), ({"EEG": "4"}, False),
     ({"EEG": 0, "EOG": 0}, False), ({"EEG": 64}, True), ({"EEG": 2, "MISC": 1}, True)],
)  # fmt: skip
def test_another_number_of_channels_is_told(opened, counts, told):
    warnings = opened(**{f"{kind}ChannelCount": number for kind, number in counts.items()})
    assert len(warnings) == told
    assert all("the recording has 4 (4 of EEG)" in warning for warning in warnings)


def test_as_much_data_in_other_channels_are_refused(opened):
    with pytest.raises(UnusableData, match=r"4 channels and 8.0 s by its own header, but 8 channels and 4.0 s"):
        opened(EEGChannelCount=8, RecordingDuration=4)


@given(st.floats(1e-3, 1e6), st.sampled_from(["", " ", "  "]), st.sampled_from(["", "Hz", "kHz", "s"]))
def test_numbers_with_and_without_units_are_understood(number, blank, unit):
    text = f"{number:.6f}"
    quantity = Quantity.of(f" {text}{blank}{unit} ")
    assert quantity == Quantity(float(text), unit.lower())
    assert Quantity.of(text.replace(".", ",")) == Quantity(float(text))


@given(st.one_of(st.text(), st.none(), st.booleans(), st.lists(st.integers()), st.dictionaries(st.text(), st.text())))
def test_nothing_else_is_an_error(value):
    quantity = Quantity.of(value)
    assert quantity is None or quantity.number > 0
