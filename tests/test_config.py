import pytest

from predann_bids.config import Science, Training, dump, read_selection, resolve, science_hash
from predann_bids.errors import MissingInput, WrongUsage


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "config.toml"
        path.write_text(text)
        return path

    return write


def test_flags_win_over_file_and_file_over_preset(toml):
    file = toml("[training]\nepochs = 7\nseed = 3\n")
    science = resolve(file=file, flags={"training.seed": 5})
    assert (science.training.epochs, science.training.seed) == (7, 5)
    assert science.training.batch_size == Training().batch_size


def test_an_unknown_key_is_refused_with_the_nearest_known_one(toml):
    with pytest.raises(WrongUsage, match=r"unknown key 'training\.epoch'.*Did you mean 'training\.epochs'"):
        resolve(file=toml("[training]\nepoch = 7\n"))


def test_an_unknown_section_is_refused(toml):
    with pytest.raises(WrongUsage, match=r"'trainig'.*'training'"):
        resolve(file=toml("[trainig]\nepochs = 7\n"))


def test_a_value_of_the_wrong_kind_is_named(toml):
    with pytest.raises(WrongUsage, match=r"windows\.delay.*found 'soon'"):
        resolve(file=toml('[windows]\ndelay = "soon"\n'))


def test_a_value_in_place_of_a_section_is_refused(toml):
    with pytest.raises(WrongUsage, match=r"section, \[training\]"):
        resolve(file=toml("training = 3\n"))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"preprocessing.l_freq": 50}, "must lie above"),
        ({"preprocessing.h_freq": 70}, "below half the sampling rate"),
        ({"evaluation.lengths": [2]}, "not a window"),
        ({"evaluation.lengths": [3, 4.5]}, r"4\.5 s is not a window"),
        ({"preprocessing.notch": -5}, "notch"),
        ({"windows.audio_context": 1}, "at least as long"),
        ({"training.epochs": 0}, "epochs"),
    ],
)
def test_contradictions_are_refused(flags, said):
    with pytest.raises(WrongUsage, match=said):
        resolve(flags=flags)


def test_text_that_is_no_toml_is_refused(toml):
    with pytest.raises(WrongUsage, match="not valid TOML"):
        resolve(file=toml("epochs: 3"))


def test_a_missing_file_is_missing_input(tmp_path):
    with pytest.raises(MissingInput, match=r"configuration file .*none\.toml does not exist"):
        resolve(file=tmp_path / "none.toml")


def test_a_written_configuration_repeats_the_run(tmp_path):
    science = resolve(flags={"windows.delay": 0.15, "preprocessing.notch": "60", "splitting.split": "chunk"})
    dump(science, tmp_path / "config.toml", selection={"participants": ["01"]})
    assert resolve(file=tmp_path / "config.toml") == science
    assert science.preprocessing.notch == 60.0


def test_equal_science_has_an_equal_hash_and_other_science_another():
    one, same, other = Training(seed=1), Training(seed=1), Training(seed=2)
    assert science_hash(one) == science_hash(same) != science_hash(other)


def test_science_cannot_be_changed_after_it_is_made():
    with pytest.raises(ValueError, match="frozen"):
        Science().training.seed = 3


def test_segments_are_the_window_and_one_to_four_strides_more_unless_said_otherwise():
    assert resolve().lengths == (3, 4, 5, 6, 7)
    assert resolve(flags={"windows.length": 2.5}).lengths == (2.5, 3.5, 4.5, 5.5, 6.5)
    assert resolve(flags={"evaluation.lengths": [6]}).lengths == (3, 6)


def test_the_selection_of_a_written_configuration_is_read_back(tmp_path):
    dump(Science(), tmp_path / "config.toml", selection={"participants": ["01", "02"]})
    assert read_selection(tmp_path / "config.toml") == {"participants": ["01", "02"]}


def test_a_value_from_the_command_line_is_not_blamed_on_the_file(tmp_path):
    file = tmp_path / "some.toml"
    file.write_text("[training]\nepochs = 3\n")
    with pytest.raises(WrongUsage) as caught:
        resolve(file=file, flags={"training.n_seeds": 0})
    assert "n_seeds" in str(caught.value)
    assert "some.toml" not in str(caught.value)
