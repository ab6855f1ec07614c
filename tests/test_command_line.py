import subprocess
import sys

import click
import pytest

from predann_bids import __version__
from predann_bids.bids.finding.labels import read_labels
from predann_bids.cli import make_command, run
from predann_bids.command import ListOption, expand_arguments
from predann_bids.errors import NothingSelected
from predann_bids.options import science_flags

LISTS = frozenset({"--participant-label", "--fold"})


@pytest.mark.parametrize(
    ("typed", "parsed"),
    [
        ("--participant-label 01 02", "--participant-label 01 --participant-label 02"),
        ("--participant_label 01 02 -v", "--participant-label 01 --participant-label 02 -v"),
        ("a b group --fold 1 2 --seed 3", "a b group --fold 1 --fold 2 --seed 3"),
        ("--n_procs 2 a b", "--n-procs 2 a b"),
        ("--n_procs=2 --bids_dir_x=a_b", "--n-procs=2 --bids-dir-x=a_b"),
        ("--delay -0.1 a", "--delay -0.1 a"),
        ("--participant-label", "--participant-label"),
        ("--fold 1 -- --participant-label 3", "--fold 1 -- --participant-label 3"),
    ],
)
def test_lists_and_underscores_are_typed_as_in_other_bids_apps(typed, parsed):
    assert expand_arguments(typed.split(), LISTS) == parsed.split()


def test_labels_are_taken_with_and_without_prefix_once_each():
    assert read_labels(["sub-01", "02", "01"], "sub-") == ("01", "02")


def test_labels_may_stand_in_a_file_one_per_line(tmp_path):
    (tmp_path / "labels.txt").write_text("sub-03\n04\n")
    assert read_labels([str(tmp_path / "labels.txt")], "sub-") == ("03", "04")


@pytest.mark.parametrize("typed", ["01 02", "01,02", "sub-01, sub-02", "01;02", " 01\t02 ", "01,,02,01"])
def test_several_labels_may_stand_in_one_word(typed):
    assert read_labels([typed], "sub-") == ("01", "02")


@pytest.mark.parametrize("content", [
    b"\xef\xbb\xbfsub-01\r\nsub-02\r\n", "sub-01\nsub-02\n".encode("utf-16"), b"01\r02\r", b"# chosen\n01, 02\n",
    b"participant_id\nsub-01\nsub-02\n", b"age\tparticipant_id\n20\tsub-01\nn/a\tsub-02\n30\tn/a\n",
    b'"participant_id","age"\n"sub-01","20"\n"sub-02","30"\n', b"participant_id\tsex\r\n01\tf\r\n\r\n02\tm",
])  # fmt: skip
def test_a_file_of_labels_may_come_from_any_program(tmp_path, content):
    (tmp_path / "labels.tsv").write_bytes(content)
    assert read_labels([str(tmp_path / "labels.tsv")], "sub-") == ("01", "02")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"# nobody\n", b"participant_id\n", b" \t \r\n"])
def test_a_file_without_labels_selects_nobody(tmp_path, content):
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(NothingSelected, match=r"labels\.txt holds no label"):
        read_labels([str(tmp_path / "labels.txt")], "sub-")


@pytest.mark.parametrize("words", [[""], [" "], [","], ["", ""]])
def test_an_empty_list_of_labels_selects_nobody(words):
    with pytest.raises(NothingSelected, match="--task-label names nothing"):
        read_labels(words, "task-")


def test_a_label_of_the_dataset_is_no_file_that_happens_to_be_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ds" / "sub-01" / "ses-pre").mkdir(parents=True)
    for name in ("01", "pre", "2", "others"):
        (tmp_path / name).write_text("03")
    assert read_labels(["01"], "sub-", tmp_path / "ds") == ("01",)
    assert read_labels(["pre"], "ses-", tmp_path / "ds") == ("pre",)
    assert read_labels(["2"], "run-", tmp_path / "ds") == ("2",)
    assert read_labels(["others"], "sub-", tmp_path / "ds") == ("03",)


@pytest.mark.parametrize("typed", ["--participant-label", "--run-label --skip-bids-validation", "--session-label -v"])
def test_a_list_of_labels_that_a_script_left_empty_selects_nobody(capsys, tmp_path, typed):
    assert run(make_command(), ["ds", str(tmp_path / "out"), "participant", *typed.split()]) == 18
    assert "names nothing" in capsys.readouterr().err


def test_a_configuration_with_an_empty_list_of_participants_selects_nobody(capsys, tmp_path):
    (tmp_path / "c.toml").write_text("[selection]\nparticipants = []\n")
    assert run(make_command(), ["ds", str(tmp_path / "out"), "participant", "--config", str(tmp_path / "c.toml")]) == 18
    assert "empty list of participants" in capsys.readouterr().err


def test_arguments_that_a_list_has_taken_are_pointed_out(capsys, tmp_path):
    assert run(make_command(), ["--participant-label", "01", str(tmp_path), "out", "participant"]) == 64
    assert "--participant-label takes all that follows it" in capsys.readouterr().err


@pytest.fixture
def command():
    return make_command()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 64, "BIDS_DIR is missing"),
        (["in", "out"], 64, "analysis level is missing"),
        (["in", "out", "subject"], 17, "Unknown analysis level 'subject'"),
        (["in", "out", "group", "--epoch", "3"], 64, "No such option"),
        (["in", "out", "group", "--epochs", "many"], 64, "not a valid integer"),
        (["in", "out", "group", "extra"], 64, "unexpected extra argument"),
        (["in", "out", "group", "--input-dataset", "other"], 64, "given twice"),
        (["in", "out", "participant", "--l-freq", "60"], 64, "must lie above"),
        (["nowhere", "out", "participant"], 16, "There is no directory nowhere"),
    ],
)
def test_wrong_usage_gets_its_exit_code_and_one_sentence(command, capsys, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    assert run(command, arguments) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_the_execution_specification_s_names_stand_for_the_arguments(command, capsys):
    arguments = ["--input-dataset", "nowhere", "--output-location", "out", "--analysis-level", "participant"]
    assert run(command, arguments) == 16
    assert "nowhere" in capsys.readouterr().err


def test_version_is_shown(command, capsys):
    assert run(command, ["--version"]) == 0
    assert capsys.readouterr().out == f"predann-bids {__version__}\n"


def test_help_lists_every_option_with_an_example_and_the_exit_codes(command, capsys):
    assert run(command, ["--help"]) == 0
    text = capsys.readouterr().out
    assert all(flag in text for flag in science_flags())
    assert "predann-bids /data/ds /data/out participant" in text
    assert "73 output cannot be created" in text


def test_every_option_has_a_help_text(command):
    assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == []


def test_list_options_are_those_of_the_contract(command):
    lists = {name for option in command.params if isinstance(option, ListOption) for name in option.opts}
    assert lists >= {"--participant-label", "--session-label", "--task-label", "--run-label", "--fold"}


def test_help_needs_neither_torch_nor_mne():
    code = (
        "import sys; from predann_bids.cli import make_command, run; run(make_command(), ['--help']);"
        "heavy = {'torch', 'mne', 'pandas', 'bids', 'scipy', 'numpy'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_several_devices_on_processors_are_refused_with_the_remedy(dataset, derivatives, app):
    code, _, error = app(
        dataset, derivatives, "group", "--devices", "2", "--accelerator", "cpu", "--skip-bids-validation"
    )
    assert code == 64
    assert "--n-procs" in error
