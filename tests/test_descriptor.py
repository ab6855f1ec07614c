import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from predann_bids.__main__ import main as start
from predann_bids.cli import make_command, run
from predann_bids.command import ListOption, expand_arguments
from predann_bids.config import keys
from predann_bids.options import option_groups, science_flags
from predann_bids.tools.descriptor import boutiques_descriptor, main, options_markdown

ROOT = Path(__file__).parents[1]
REMEDY = "run: python -m predann_bids.tools.descriptor"


@pytest.fixture(scope="module")
def inputs():
    return {given["id"]: given for given in boutiques_descriptor()["inputs"]}


def options():
    return [parameter for parameter in make_command().params if isinstance(parameter, click.Option)]


def test_boutiques_json_says_what_the_command_line_says():
    written = json.loads((ROOT / "boutiques.json").read_text(encoding="utf-8"))
    assert written == boutiques_descriptor(), REMEDY


def test_the_page_of_options_says_what_the_command_line_says():
    assert (ROOT / "docs/options.md").read_text(encoding="utf-8") == options_markdown(), REMEDY


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_the_help_text_that_is_kept_says_what_the_options_say(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    run(make_command(), ["--help"])
    expected = capsys.readouterr().out
    for typed in ("--help", "-h"):
        monkeypatch.setattr("sys.argv", ["predann-bids", typed])
        with pytest.raises(SystemExit, match="0"):
            start()
        assert capsys.readouterr().out == expected, REMEDY


def test_help_and_version_are_shown_without_the_configuration():
    for typed in ("--help", "--version"):
        code = (
            f"import sys; sys.argv = ['predann-bids', '{typed}']; from predann_bids.__main__ import main\n"
            "try: main()\nexcept SystemExit: pass\nsys.exit('pydantic' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_one_command_writes_all_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main()
    for name in ("boutiques.json", "runners/nipoppy/descriptor.json"):
        assert json.loads((tmp_path / name).read_text(encoding="utf-8")) == boutiques_descriptor()
    assert (tmp_path / "docs/options.md").read_text(encoding="utf-8") == options_markdown()
    assert json.loads((tmp_path / "predann_bids/help.json").read_text(encoding="utf-8"))["groups"].keys() == (
        option_groups().keys()
    )


def test_every_option_is_in_the_descriptor_except_version_and_other_names_of_the_arguments(inputs):
    flags = {given.get("command-line-flag") for given in inputs.values()}
    missing = {option.opts[-1] for option in options() if not flags & set(option.opts)}
    assert missing == {"--input-dataset", "--output-location", "--analysis-level", "--bids-exec-spec", "--version"}


def test_every_option_is_on_the_page_with_its_help():
    page = options_markdown().replace("\\|", "|")
    for option in options():
        assert all(f"`{name}" in page for name in option.opts)
        assert (option.help or "").split(" [default: ")[0] in page


def test_every_key_of_the_configuration_is_on_the_page():
    page = options_markdown()
    assert [key for key in keys() if f"`{key}`" not in page] == []


def test_boutiques_finds_the_descriptor_valid():
    validator = pytest.importorskip("boutiques.validator")
    validator.validate_descriptor(boutiques_descriptor())


def test_every_exit_code_of_the_program_and_of_the_execution_specification_is_described():
    codes = {row["code"]: row["description"] for row in boutiques_descriptor()["error-codes"]}
    assert list(codes) == [1, 16, 17, 18, 19, 64, 65, 66, 70, 73, 74, 75]
    assert all(codes.values())
    shown = make_command().epilog or ""
    assert [code for code in codes if code != 19 and not re.search(rf"\b{code} ", shown)] == []


def test_lists_are_separated_by_spaces_as_the_command_line_takes_them(inputs):
    lists = {option.opts[0] for option in options() if isinstance(option, ListOption)}
    assert {given["command-line-flag"] for given in inputs.values() if given.get("list")} == lists
    assert all(given["list-separator"] == " " for given in inputs.values() if given.get("list"))
    assert expand_arguments(["--fold", "1", "2"], frozenset(lists)) == ["--fold", "1", "--fold", "2"]


def test_no_option_has_a_default_that_would_win_over_the_configuration_file(inputs):
    assert not any("default-value" in given for given in inputs.values())


def test_numbers_choices_and_flags_are_described_as_such(inputs):
    assert inputs["l_freq"]["type"] == "Number"
    assert inputs["epochs"]["integer"] is True
    assert inputs["n_procs"]["minimum"] == 1
    assert inputs["split"]["value-choices"][0] == "participant"
    assert inputs["overwrite"]["type"] == "Flag"
    assert inputs["bids_dir"]["type"] == "File"


def test_the_page_names_the_key_of_each_option_that_changes_results():
    page = options_markdown().splitlines()
    for flag, key in science_flags().items():
        assert any(line.startswith((f"| `{flag} ", f"| `{flag}`")) and line.endswith(f"| `{key}` |") for line in page)


def test_help_page_and_descriptor_have_the_same_headings_and_options_in_the_same_order(capsys, inputs):
    run(make_command(), ["--help"])
    text, page = capsys.readouterr().out, options_markdown()
    headings = list(option_groups())
    groups = boutiques_descriptor()["groups"]
    members = [inputs[member]["command-line-flag"] for group in groups for member in group["members"]]
    assert re.findall(r"^(\S.*):$", text, re.MULTILINE) == headings
    assert re.findall(r"^## (.*)$", page, re.MULTILINE)[:-1] == headings
    assert [group["name"] for group in groups] == headings[:-1]
    places = [re.search(rf"^  (-w, )?(-v, )?{flag}\b", text, re.MULTILINE).start() for flag in members]
    rows = [re.search(rf"^\| [^|]*{flag}\b", page, re.MULTILINE).start() for flag in members]
    assert places == sorted(places)
    assert rows == sorted(rows)


def test_the_command_line_prints_the_descriptor_whatever_else_is_typed(capsys):
    assert run(make_command(), ["--bids-exec-spec"]) == 0
    assert json.loads(capsys.readouterr().out) == boutiques_descriptor()
    assert run(make_command(), ["ds", "out", "--bids-exec-spec", "participant"]) == 0
    assert json.loads(capsys.readouterr().out)["custom"]["BIDSAppSpecVersion"] == "0.1.0.dev"
