"""The group level without some of the audio: it goes on with the songs that are there, and says which are not."""

from pathlib import Path

import pytest

from predann_bids.bids.derivatives import Derivative, DerivativePaths
from predann_bids.bids.music.presentations import Presentation
from predann_bids.errors import MissingInput, UnusableData
from predann_bids.report.group.caveats import caveats
from predann_bids.workflows.group.inputs.audio import find_audio
from predann_bids.workflows.group.inputs.lost import leave_out, lost_notes
from predann_bids.workflows.group.request import GroupOutcome


def derivative(participant, *songs, told=()):
    presentations = tuple(Presentation(song, f"{song}.wav", 20.0 * i, 10.0) for i, song in enumerate(songs))
    sidecar = {"Presentations": {"Unusable": list(told)}} if told else {}
    return Derivative(participant, "", "music", "", DerivativePaths(Path(f"sub-{participant}")), presentations, sidecar)


@pytest.fixture
def stimuli(tmp_path):
    for song in "abc":
        (tmp_path / f"{song}.wav").write_bytes(b"sound")
    return tmp_path


EVERYBODY = [derivative("01", "a", "b", "c"), derivative("02", "c", "a"), derivative("03", "b")]


def test_all_audio_that_is_there_is_found(stimuli):
    found = find_audio(EVERYBODY, [stimuli])
    assert list(found.files) == ["a", "b", "c"]
    assert found.derivatives == tuple(EVERYBODY)
    assert found.lost == ()


def test_a_song_without_audio_is_left_out_with_its_number_of_presentations(stimuli):
    (stimuli / "b.wav").unlink()
    found = find_audio(EVERYBODY, [stimuli], "skip")
    assert list(found.files) == ["a", "c"]
    assert [(one.label, one.presentations) for one in found.lost] == [("b", 2)]
    assert "b.wav" in str(found.lost[0].error)
    heard = {one.participant: [p.label for p in one.presentations] for one in found.derivatives}
    assert heard == {"01": ["a", "c"], "02": ["c", "a"]}


def test_a_song_without_audio_stops_a_run_that_must_not_skip_any(stimuli):
    (stimuli / "b.wav").unlink()
    with pytest.raises(MissingInput, match=r"'b\.wav' is not in .*--stimuli-dir"):
        find_audio(EVERYBODY, [stimuli], "fail")


def test_a_run_needs_two_songs(stimuli):
    for song in "ab":
        (stimuli / f"{song}.wav").unlink()
    with pytest.raises(MissingInput, match="is not in"):
        find_audio(EVERYBODY, [stimuli], "skip")


def test_audio_that_cannot_be_read_is_left_out_alike():
    kept, lost = leave_out(EVERYBODY, {"c": UnusableData("c.wav is empty.")}, "skip")
    assert [[p.label for p in one.presentations] for one in kept] == [["a", "b"], ["a"], ["b"]]
    assert "'c' is left out (2 presentations): c.wav is empty." in lost_notes(kept, lost)


def test_what_the_participant_level_could_not_use_is_told_again():
    (note,) = lost_notes([derivative("01", "a"), derivative("02", "a", told=["line 4: no audio."])], ())
    assert "sub-02" in note
    assert "line 4: no audio." in note


def test_what_is_left_out_is_a_warning_in_words_and_for_programs():
    metrics = {
        "protocol": {"split": "participant"},
        "models": {},
        "unusable_stimuli": [{"stimulus": "b", "presentations": 2}],
    }
    (warning,) = [caveat for caveat in caveats(metrics) if caveat.code == "missing_stimuli"]
    assert "b (2 presentations)" in warning.plain()["text"]
    assert "b (2 presentations)" in GroupOutcome(Path(), metrics, None).lost
    assert GroupOutcome(Path(), {"unusable_stimuli": []}, None).lost == ""
