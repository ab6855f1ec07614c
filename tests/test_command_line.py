import subprocess
import sys

import click
import pytest

from predann_bids import __version__
from predann_bids.cli import make_command, read_labels, run
from predann_bids.command import ListOption, expand_arguments
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
