"""What the container is built from: Dockerfile, definition file, and what they need of the repository."""

import re
from pathlib import Path

import pytest

from predann_bids import __version__

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
DEFINITION = (ROOT / "predann-bids.def").read_text()


def copied_by_docker():
    lines = [line for line in DOCKERFILE.splitlines() if line.startswith("COPY ") and "--from" not in line]
    return [name for line in lines for name in line.split()[1:-1]]


def copied_by_apptainer():
    section = re.search(r"^%files\n(.*?)^$", DEFINITION, re.MULTILINE | re.DOTALL)[1]
    return [line.split()[0] for line in section.splitlines()]


@pytest.mark.parametrize("name", sorted({*copied_by_docker(), *copied_by_apptainer()}))
def test_what_is_copied_is_there(name):
    assert (ROOT / name).exists()


@pytest.mark.parametrize("name", copied_by_docker())
def test_what_docker_copies_is_sent_to_it(name):
    sent = [line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    assert any(name == one or name.startswith(f"{one}/") for one in sent)


def test_both_ways_to_build_copy_the_same():
    assert set(copied_by_docker()) == set(copied_by_apptainer())


def test_both_ways_to_build_name_the_version_of_the_package():
    assert re.findall(r"^ARG VERSION=(.*)$", DOCKERFILE, re.MULTILINE) == [__version__]
    assert re.findall(r"^    VERSION=(.*)$", DEFINITION, re.MULTILINE) == [__version__]


def test_both_ways_to_build_install_the_same_compiler():
    (docker,) = re.findall(r'^ARG COMPILER="(.*)"$', DOCKERFILE, re.MULTILINE)
    assert re.findall(r"^    COMPILER=(\w.*)$", DEFINITION, re.MULTILINE) == [docker]
