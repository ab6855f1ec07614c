"""Files for the programs that run BIDS Apps, read by those programs themselves where they are installed."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DESCRIPTOR = ROOT / "boutiques.json"
NIPOPPY = ROOT / "runners/nipoppy"
BABS = ROOT / "runners/babs.yaml"


@pytest.fixture
def bosh():
    return pytest.importorskip("boutiques", reason="boutiques is not installed").bosh


def test_boutiques_runs_its_own_example_with_the_arguments_first(bosh, tmp_path):
    example = json.loads(bosh(["example", str(DESCRIPTOR)]))
    assert example.keys() == {"bids_dir", "output_dir", "analysis_level"}
    (tmp_path / "invocation.json").write_text(json.dumps(example))
    shown = bosh(["exec", "simulate", str(DESCRIPTOR), "-i", str(tmp_path / "invocation.json")])
    words = str(shown).split()
    at = words.index("predann-bids")
    assert words[at + 1 : at + 4] == list(example.values())


def test_boutiques_types_lists_and_flags_as_the_command_line_takes_them(bosh, tmp_path):
    given = json.loads((NIPOPPY / "participant_invocation.json").read_text()) | {"participant_label": ["01", "02"]}
    (tmp_path / "invocation.json").write_text(json.dumps(given))
    shown = str(bosh(["exec", "simulate", str(DESCRIPTOR), "-i", str(tmp_path / "invocation.json")]))
    assert "--participant-label 01 02" in shown
    assert "--skip-bids-validation" in shown


def test_boutiques_launches_the_image(bosh, dataset, tmp_path):
    image = json.loads(DESCRIPTOR.read_text())["container-image"]["image"]
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "image", "inspect", image], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no Docker image {image} here")
    output = tmp_path / "out"
    output.mkdir()
    given = {"bids_dir": str(dataset), "output_dir": str(output), "analysis_level": "participant"}
    given |= {"participant_label": ["01"], "skip_bids_validation": True, "no_report": True, "n_procs": 1}
    (tmp_path / "invocation.json").write_text(json.dumps(given))
    volumes = ["-v", f"{dataset}:{dataset}", "-v", f"{output}:{output}"]
    done = bosh(["exec", "launch", "-u", str(DESCRIPTOR), str(tmp_path / "invocation.json"), *volumes])
    assert done.exit_code == 0
    assert list(output.glob("sub-01/eeg/*_desc-preproc_eeg.vhdr"))


def test_nipoppy_finds_the_pipeline_valid():
    validation = pytest.importorskip("nipoppy.pipeline_validation", reason="nipoppy is not installed")
    validation.check_pipeline_bundle(NIPOPPY)


def test_nipoppy_has_the_descriptor_of_this_version():
    assert json.loads((NIPOPPY / "descriptor.json").read_text()) == json.loads(DESCRIPTOR.read_text())
    assert (
        json.loads((NIPOPPY / "config.json").read_text())["VERSION"]
        == json.loads(DESCRIPTOR.read_text())["tool-version"]
    )


@pytest.mark.parametrize("file", ["participant_invocation.json", "group_invocation.json"])
def test_nipoppy_asks_for_options_that_there_are(file):
    known = {given["id"] for given in json.loads(DESCRIPTOR.read_text())["inputs"]}
    assert json.loads((NIPOPPY / file).read_text()).keys() <= known


def test_babs_makes_a_job_script_of_the_configuration(tmp_path):
    container = pytest.importorskip("babs.container", reason="BABS is not installed")
    datasets = pytest.importorskip("babs.input_datasets", reason="BABS is not installed")
    app = container.Container("container", "predann-bids-0-1-0", str(BABS))
    inputs = datasets.InputDatasets("subject", app.config["input_datasets"])
    inputs.update_abs_paths(tmp_path)
    script = tmp_path / "predann-bids-0-1-0_zip.sh"
    app.generate_bash_run_bidsapp(str(script), inputs, "subject")
    written = script.read_text()
    assert 'participant-label "${subid}"' in " ".join(written.replace("\\\n", " ").split())
    assert "predann-bids-0-1-0" in written
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0


def test_babs_types_options_that_there_are():
    text = BABS.read_text()
    flags = {given.get("command-line-flag") for given in json.loads(DESCRIPTOR.read_text())["inputs"]}
    lines = text.split("bids_app_args:")[1].split("singularity_args:")[0].splitlines()
    typed = {line.split(":")[0].strip() for line in lines if line.strip().startswith("--")}
    assert len(typed) > 3
    assert typed <= flags
