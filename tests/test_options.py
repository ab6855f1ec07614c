from pathlib import Path
from typing import Literal

import click
import pytest
from pydantic import Field

from predann_bids.cli import make_command
from predann_bids.command import ListOption
from predann_bids.config import ADDED, Section, hashed, option, option_of
from predann_bids.options import PATH, science_option, typed_science


class Made(Section):
    """A section with an option of each kind."""

    share: float = Field(0.5, description="A share.", json_schema_extra=option("--share"))
    word: Literal["a", "b"] = Field("a", description="A word.", json_schema_extra=option("--word") | ADDED)
    name: str = Field("chunk", description="A name.", json_schema_extra=option("--name", table="split"))
    several: tuple[int, ...] = Field((), description="Numbers.", json_schema_extra=option("--several"))
    careful: bool = Field(True, description="Care.", json_schema_extra=option("--hasty", help="Do not care."))
    hidden: int = Field(1, description="For the file alone.")


def made(name):
    return science_option(f"made.{name}", Made.model_fields[name])


@pytest.fixture
def typed():
    """Parse what is typed of the options of `Made`; gives what click hands on."""
    names = [name for name, field in Made.model_fields.items() if option_of(field)]
    command = click.Command("made", params=[made(name) for name in names], callback=lambda **given: given)

    def typed(*arguments):
        given = command.main(list(arguments), standalone_mode=False)
        return {name.removeprefix("made__"): value for name, value in given.items() if value not in (None, ())}

    return typed


def test_a_field_is_an_option_of_the_kind_that_its_type_says(typed):
    arguments = ["--share", "0.25", "--word", "b", "--name", "time", "--several", "1", "--several", "2", "--hasty"]
    assert typed(*arguments) == {"share": 0.25, "word": "b", "name": "time", "several": (1, 2), "careful": False}
    assert isinstance(made("several"), ListOption)


def test_what_is_not_typed_is_left_to_file_and_preset(typed):
    assert typed() == {}


@pytest.mark.parametrize("arguments", [("--word", "c"), ("--name", "z"), ("--share", "much"), ("--several", "x")])
def test_what_does_not_fit_a_field_is_refused(typed, arguments):
    with pytest.raises(click.BadParameter):
        typed(*arguments)


def test_help_names_the_default_or_says_what_a_switch_does():
    assert made("share").help == "A share. [default: 0.5]"
    assert made("several").help == "Numbers. [default: none]"
    assert made("careful").help == "Do not care."


def test_an_option_may_be_added_without_undoing_finished_work():
    assert "word" not in hashed(Made())
    assert hashed(Made(word="b"))["word"] == "b"


def test_typed_options_become_keys_of_the_configuration():
    command = make_command()
    arguments = ["in", "out", "group", "--no-probe", "--delay", "0", "--also-split", "time", "stimulus"]
    given = command.make_context("predann-bids", arguments).params
    assert typed_science(given) == {
        "windows.delay": 0.0,
        "evaluation.probe": False,
        "evaluation.also_splits": ("time", "stimulus"),
    }


@pytest.mark.parametrize(("typed", "meant"), {"~": "", "~/a b": "a b"}.items())
def test_the_home_directory_is_meant_where_no_shell_has_said_so(tmp_path, monkeypatch, typed, meant):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert PATH.convert(typed, None, None) == tmp_path / "home" / meant


@pytest.mark.parametrize("typed", ["a", ".", "./~", "~x", "a/", "/a b/c", "-x"])
def test_other_paths_are_what_was_typed(typed):
    assert PATH.convert(typed, None, None) == Path(typed)


def test_a_directory_of_that_name_is_what_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~").mkdir()
    assert PATH.convert("~", None, None) == Path("~")
