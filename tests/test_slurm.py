"""Jobs for SLURM: what is planned, what scripts say, what becomes of them. `sbatch` and `squeue` are played."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predann_bids.cli import run
from predann_bids.config import resolve
from predann_bids.errors import PredannError, UnusableData, WrongUsage
from predann_bids.tools.cli import tools
from predann_bids.tools.slurm import cluster
from predann_bids.tools.slurm.command import make_command
from predann_bids.tools.slurm.estimate import Load, estimate, learned, overridden
from predann_bids.tools.slurm.following import tasks_of
from predann_bids.tools.slurm.options import typed_words
from predann_bids.tools.slurm.plan import Needs, Size, make_stages, participants_per_job
from predann_bids.tools.slurm.site import minutes
from predann_bids.tools.slurm.status import DONE, FAILED, RUNNING, TO_DO, WAITING, Notes, judge, more_of, read_notes
from predann_bids.tools.slurm.survey import outermost
from predann_bids.tools.slurm.words import EXIT_CODES, Cause
from predann_bids.tools.slurm.write import Site, Study, render, write
from predann_bids.workflows.group.inputs.foreseen import foresee

ODD = 'it\'s "odd", a: $HOME'  # blanks, quotes, a comma, a colon, a dollar sign
NEEDS = dict.fromkeys(("participants", "folds", "points", "pool"), Needs(2, 3, 90))
SMALL = Load(1.0, 0.1, searches=False, windows=1000, trainings=150, parts=1, fit_gb=0.7, is_large=False)


def stages_of(parts=2, *, is_sweep=False, lines=None):
    return make_stages(Size(3, parts, 1, is_sweep), NEEDS, lines or {})


@pytest.fixture
def study(tmp_path):
    dataset, derivatives = tmp_path / ODD / "ds", tmp_path / "out put"
    derivatives.mkdir()
    (derivatives / "dataset_description.json").write_text("{}")
    return Study(
        dataset, derivatives, "predann", ("01", "02", "03"), ("--ica=auto",), (f"--config={tmp_path}/a b.toml",)
    )


@pytest.fixture
def jobs(study, tmp_path):
    """Scripts, written."""
    directory = tmp_path / "out put" / "code"
    stages = stages_of()
    write(directory, render(study, Site(venv=tmp_path / "my venv"), stages), stages, rewrite=False)
    return directory


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Programs in place of SLURM's; gives what `sbatch` was called with, and a file that `squeue` prints."""
    place = tmp_path / "bin"
    place.mkdir()
    queue, calls = place / "queue", place / "calls"
    queue.touch()
    calls.touch()
    programs = {
        "squeue": f"cat {queue}",
        "sbatch": f'echo "$*" >>{calls}; echo "$(wc -l <{calls});somewhere"',
        "scontrol": f'echo "scontrol $*" >>{calls}',
    }
    for name, text in programs.items():
        (place / name).write_text(f"#!/bin/bash\n{text}\n")
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    return calls, queue


# -- the plan ----------------------------------------------------------------------------------------------------------


def test_folds_need_all_participants_and_the_pool_comes_after_folds_however_they_ended():
    assert [(stage.name, stage.tasks, stage.after, stage.ended) for stage in stages_of()] == [
        ("participants", 3, (), ()),
        ("folds", 2, ("participants",), ()),
        ("pool", 1, ("participants",), ("folds",)),
    ]


def test_a_sweep_has_points_and_a_given_model_has_no_folds():
    assert [stage.name for stage in stages_of(4, is_sweep=True)] == ["participants", "points", "pool"]
    assert [(stage.name, stage.before) for stage in stages_of(0)] == [("participants", ()), ("pool", ("participants",))]


@given(st.integers(1, 5000))
def test_an_array_of_participants_stays_small_and_leaves_nobody_out(participants):
    each = participants_per_job(participants, None)
    tasks = make_stages(Size(participants, 4, each), NEEDS, {})[0].tasks
    assert tasks <= 200
    assert (tasks - 1) * each < participants <= tasks * each


def test_own_lines_of_a_stage_come_after_those_of_all():
    stages = stages_of(lines={"": ["--partition=cpu"], "folds": ["--partition=gpu"]})
    assert [stage.lines for stage in stages] == [
        ("--partition=cpu",),
        ("--partition=cpu", "--partition=gpu"),
        ("--partition=cpu",),
    ]


# -- estimates ---------------------------------------------------------------------------------------------------------


def test_more_work_asks_for_more():
    more = Load(8.0, 2.0, searches=True, windows=1e5, trainings=600, parts=1, fit_gb=20, is_large=True)
    little, much = (estimate(load, per_job=1, gpus=0) for load in (SMALL, more))
    for name in ("participants", "folds"):
        assert much[name].mem_gb > little[name].mem_gb
        assert much[name].minutes > little[name].minutes
    assert estimate(more, per_job=1, gpus=1)["folds"].minutes < much["folds"].minutes
    assert estimate(SMALL, per_job=50, gpus=0)["participants"].minutes > little["participants"].minutes


def test_what_finished_tasks_took_replaces_an_estimate_and_what_is_asked_for_replaces_both():
    assert learned(Needs(1, 9, 600), [600, 60], [2.0]) == Needs(1, 4, 30)
    assert learned(Needs(1, 9, 600), [], []) == Needs(1, 9, 600)
    asked = overridden({"pool": Needs(1, 9, 600)}, {"pool": {"mem_gb": 3, "minutes": None}})
    assert asked == {"pool": Needs(1, 3, 600)}


def test_times_are_read_as_hours_and_minutes():
    assert [minutes(text, "--x") for text in ("2", "1:30", "0:05:00", None)] == [120, 90, 5, None]
    for text in ("", "0:00", "soon", "1:x"):
        with pytest.raises(WrongUsage, match="--fold-time"):
            minutes(text, "--fold-time")


# -- the scripts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_sweep", [False, True])
def test_every_script_is_valid_bash_whatever_the_names(study, tmp_path, is_sweep):
    stages = stages_of(is_sweep=is_sweep, lines={"": ["--account=lab"]})
    site = Site(image=tmp_path / ODD / "a.sif", preamble=("module load apptainer",))
    study = Study(**{**vars(study), "vary": ("seed=0,1",) if is_sweep else ()})
    texts = render(study, site, stages)
    for name, text in texts.items():
        if name != "labels.txt":
            done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
            assert (done.returncode, done.stderr) == (0, ""), name
    assert "#SBATCH --account=lab\n" in texts["pool.sbatch"]
    assert "    module load apptainer\n" in texts["settings.sh"]


def test_scripts_hold_no_path_but_what_was_given(study, tmp_path):
    texts = render(study, Site(venv=tmp_path / "venv"), stages_of())
    for name, text in texts.items():
        assert name == "settings.sh" or str(tmp_path) not in text
        assert str(Path(cluster.__file__).parents[3]) not in text


def fake_program(venv, does="exit 0"):
    (venv / "bin").mkdir(parents=True, exist_ok=True)
    program = venv / "bin" / "predann-bids"
    program.write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" >{shlex.quote(str(venv))}/words\n{does}\n')
    program.chmod(0o755)


def run_job(jobs, script, number=1, **environment):
    array = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": str(number)} if script != "pool.sbatch" else {}
    place = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "4", **array}
    return subprocess.run(
        ["bash", script],
        cwd=jobs,
        env={**os.environ, **place, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_job_hands_everything_on_and_stays_within_what_it_was_granted(jobs, study, tmp_path, slurm):
    fake_program(tmp_path / "my venv")
    done = run_job(jobs, "folds.sbatch", 2, SLURM_MEM_PER_NODE="8192")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my venv" / "words").read_text().splitlines() == [
        str(study.dataset),
        str(study.derivatives),
        "group",
        "--label=predann",
        "--fold=2",
        f"--participant-label={jobs}/labels.txt",
        f"--config={tmp_path}/a b.toml",
        "--n-procs=4",
        "--mem-gb=8.5",
    ]


def test_a_job_of_participants_takes_its_lines_of_the_list(jobs, tmp_path, slurm):
    fake_program(tmp_path / "my venv")
    (jobs / "settings.sh").write_text(
        (jobs / "settings.sh").read_text().replace("PARTICIPANTS_PER_JOB=1", "PARTICIPANTS_PER_JOB=2")
    )
    run_job(jobs, "participants.sbatch", 2)
    words = (tmp_path / "my venv" / "words").read_text().splitlines()
    assert [word for word in words if "label" in word] == ["--participant-label=03"]


def test_participants_that_only_lost_presentations_do_not_stop_the_folds(jobs, study, tmp_path, slurm):
    fake_program(tmp_path / "my venv", "exit 1")
    assert run_job(jobs, "participants.sbatch").returncode == 0
    (study.derivatives / "logs").mkdir()
    (study.derivatives / "logs" / "sub-01_task-music.log").touch()
    assert run_job(jobs, "participants.sbatch").returncode == 1


@pytest.mark.parametrize("script", ["folds.sbatch", "pool.sbatch"])
def test_songs_that_were_left_out_do_not_stop_what_comes_next(jobs, tmp_path, slurm, script):
    fake_program(tmp_path / "my venv", "exit 1")
    assert run_job(jobs, script).returncode == 0


@pytest.mark.parametrize(("script", "number"), [("folds.sbatch", "7_1"), ("pool.sbatch", "7")])
def test_exit_75_goes_back_to_the_queue_three_times_alone(jobs, tmp_path, slurm, script, number):
    calls, _ = slurm
    fake_program(tmp_path / "my venv", "exit 75")
    for count in (0, 1, 2, 3):
        assert run_job(jobs, script, SLURM_RESTART_COUNT=str(count)).returncode == 75
    assert calls.read_text().splitlines() == [f"scontrol requeue {number}"] * 3


@pytest.mark.parametrize(("name", "comes_back"), [("USR1", True), ("TERM", False)])
def test_signals_reach_the_program_and_only_a_cancelled_job_stays_away(jobs, tmp_path, slurm, name, comes_back):
    calls, _ = slurm
    saves = f"trap 'echo saved {name}; exit 75' {name}; kill -{name} $PPID; while :; do sleep 0.05; done"
    fake_program(tmp_path / "my venv", saves)
    done = run_job(jobs, "folds.sbatch")
    assert done.returncode == 75
    assert f"saved {name}" in done.stdout
    assert bool(calls.read_text()) == comes_back


def test_in_a_container_every_directory_has_its_own_path(study, tmp_path, slurm):
    stages, image = stages_of(), tmp_path / ODD / "a.sif"
    study = Study(**{**vars(study), "read_only": (tmp_path / "songs",)})
    jobs = tmp_path / "jobs"
    write(jobs, render(study, Site(image=image), stages), stages, rewrite=False)
    (tmp_path / "bin" / "apptainer").write_text('#!/bin/bash\nprintf "%s\\n" "$@"; env | grep CUDA\n')
    (tmp_path / "bin" / "apptainer").chmod(0o755)
    words = run_job(jobs, "folds.sbatch", CUDA_VISIBLE_DEVICES="1,2").stdout.splitlines()
    row = str(study.dataset).replace('"', '""')
    assert f'type=bind,"source={row}","destination={row}",ro' in words
    assert f'type=bind,"source={study.derivatives}","destination={study.derivatives}"' in words
    assert f'type=bind,"source={tmp_path}/songs","destination={tmp_path}/songs",ro' in words
    assert {"--nv", "--cleanenv", "--containall", str(image), "APPTAINERENV_CUDA_VISIBLE_DEVICES=1,2"} <= set(words)
    assert words[words.index("--pwd") + 1] == "/"


def test_scripts_that_somebody_edited_are_kept(jobs, study, tmp_path):
    (jobs / "folds.sbatch").write_text("mine")
    texts = render(study, Site(venv=tmp_path / "my venv"), stages_of())
    with pytest.raises(WrongUsage, match=r"folds\.sbatch.*--rewrite"):
        write(jobs, texts, stages_of(), rewrite=False)
    write(jobs, texts, stages_of(), rewrite=True)
    assert (jobs / "folds.sbatch").read_text() != "mine"


# -- submitting --------------------------------------------------------------------------------------------------------


def finish(jobs, stage, number, code=0):
    command = ". ./settings.sh; . ./functions.sh; settings_sum"
    total = subprocess.run(["bash", "-c", command], cwd=jobs, capture_output=True, text=True, check=True).stdout.strip()
    state = jobs / "state" / stage
    state.mkdir(parents=True, exist_ok=True)
    (state / f"{number}.begun").write_text("job=7\n")
    (state / str(number)).write_text(f"exit={code} signal= seconds=60 job=7 settings={total}\n")
    return total


def test_all_is_submitted_with_dependencies_that_never_keep_jobs_for_ever(jobs, slurm):
    cluster.submit(jobs)
    assert slurm[0].read_text().splitlines() == [
        "--parsable --array=1,2,3%50 participants.sbatch",
        "--parsable --dependency=afterok:1 --kill-on-invalid-dep=yes --array=1,2%50 folds.sbatch",
        "--parsable --dependency=afterok:1,afterany:2 --kill-on-invalid-dep=yes pool.sbatch",
    ]


def test_the_pool_waits_for_folds_alone_when_participants_are_done(jobs, slurm):
    for number in (1, 2, 3):
        finish(jobs, "participants", number)
    finish(jobs, "folds", 1)
    cluster.submit(jobs)
    assert slurm[0].read_text().splitlines() == [
        "--parsable --array=2%50 folds.sbatch",
        "--parsable --dependency=afterany:1 --kill-on-invalid-dep=yes pool.sbatch",
    ]


@pytest.mark.parametrize(
    ("of_fold", "of_pool", "states"),
    [
        (65, 0, [DONE, DONE]),
        (65, 1, [DONE, DONE]),  # a song was left out
        (65, 66, [FAILED, DONE]),
        (0, 66, [TO_DO, TO_DO]),
        (0, 75, [DONE, DONE]),
    ],
)
def test_the_pooling_has_the_last_word_on_which_folds_are_done(jobs, tmp_path, slurm, of_fold, of_pool, states):
    for number in (1, 2, 3):
        finish(jobs, "participants", number)
    finish(jobs, "folds", 1, code=of_fold)
    finish(jobs, "folds", 2)
    fake_program(tmp_path / "my venv", f"exit {of_pool}")
    run_job(jobs, "pool.sbatch")
    assert [task.state for task in tasks_of(jobs, {"folds": 2})] == states
    cluster.submit(jobs)
    again = ",".join(str(number) for number, state in enumerate(states, start=1) if state != DONE)
    submitted = [f"--parsable --array={again}%50 folds.sbatch"] if again else []
    assert [call for call in slurm[0].read_text().splitlines() if call.endswith("folds.sbatch")] == submitted


def test_only_what_is_neither_done_nor_in_the_queue_is_submitted(jobs, slurm):
    calls, queue = slurm
    finish(jobs, "participants", 1)
    finish(jobs, "participants", 3, code=65)
    queue.write_text(
        f"predann-participants|2|40_2|None|{jobs}\n"
        f"predann-folds|1|41_1|DependencyNeverSatisfied|{jobs}\n"
        "predann-folds|2|42_2|None|/elsewhere\n"
    )
    cluster.submit(jobs)
    assert calls.read_text().splitlines()[:2] == [
        "--parsable --array=3%50 participants.sbatch",
        "--parsable --dependency=afterok:1:40_2 --kill-on-invalid-dep=yes --array=1,2%50 folds.sbatch",
    ]


def test_nothing_is_submitted_when_all_is_done_until_the_settings_change(jobs, slurm):
    for stage, tasks in (("participants", 3), ("folds", 2), ("pool", 1)):
        for number in range(1, tasks + 1):
            finish(jobs, stage, number)
    assert cluster.submit(jobs).count("nothing to submit") == 3
    with (jobs / "settings.sh").open("a") as file:
        file.write("GROUP_OPTIONS+=(--epochs=3)\n")
    assert "nothing" not in cluster.submit(jobs)


# -- how they stand ----------------------------------------------------------------------------------------------------


def stands(*, begun="7", ended=None, log="", queued="", accounts=None):
    notes = Notes(begun, ended and {"settings": "s", **ended}, log)
    return judge("folds", 1, notes, queued=queued, settings="s", accounts=accounts)


def test_each_state_has_its_evidence():
    assert stands(queued="RUNNING").state == RUNNING
    assert stands(queued="PENDING", ended={"exit": "75"}).state == WAITING
    assert stands(ended={"exit": "0", "seconds": "60"}).state == DONE
    assert stands(ended={"exit": "0", "settings": "others"}).state == TO_DO
    assert stands(begun="").state == TO_DO
    assert stands().state == FAILED


@pytest.mark.parametrize(
    ("evidence", "cause"),
    [
        ({"log": "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch."}, Cause.MEMORY),
        ({"log": "error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***"}, Cause.TIME),
        ({"log": "error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***"}, Cause.CANCELLED),
        ({"ended": {"exit": "75", "signal": "USR1"}}, Cause.TIME),
        ({"ended": {"exit": "75", "signal": "TERM"}}, Cause.CANCELLED),
        ({"ended": {"exit": "137"}}, Cause.MEMORY),
        ({"accounts": Cause.NODE}, Cause.NODE),
        ({}, None),
    ],
)
def test_why_a_job_was_ended_is_found_out(evidence, cause):
    status = stands(**evidence)
    assert status.state == FAILED
    assert status.cause is cause
    assert (cause.value if cause else "without a word") in status.reason


def test_an_exit_code_is_said_in_words_with_the_sentence_of_the_program():
    status = stands(ended={"exit": "65"}, log="Error: The file is broken.\n== exit code 65\n")
    assert status.reason == "exit code 65: the data cannot be used. The file is broken."


def test_every_exit_code_of_the_program_has_words():
    def codes(kind):
        return {kind.exit_code}.union(*(codes(one) for one in kind.__subclasses__()))

    assert codes(PredannError) <= set(EXIT_CODES)


def test_of_a_log_only_the_last_try_counts(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "folds_2.log").write_text("== job 1\nDUE TO TIME LIMIT\n== job 2\nfine\n")
    assert "LIMIT" not in read_notes(tmp_path, "folds", 2).log


def test_what_was_too_little_is_doubled_and_nothing_else_is_touched(jobs):
    script = (jobs / "folds.sbatch").read_text()
    more = more_of(script, [Cause.MEMORY, Cause.TIME])
    changed = [(a, b) for a, b in zip(script.splitlines(), more.splitlines(), strict=True) if a != b]
    assert changed == [
        ("#SBATCH --mem=3G", "#SBATCH --mem=6G"),
        ("#SBATCH --time=1:30:00", "#SBATCH --time=3:00:00"),
    ]
    assert more_of(script, [Cause.CANCELLED]) == script


# -- options, and the dataset ------------------------------------------------------------------------------------------


def words_of(level, *arguments):
    command = make_command()
    return typed_words(command.make_context("slurm", ["ds", "out", *arguments]), level)


def test_each_level_is_handed_its_own_options_as_they_were_typed():
    typed = [
        "--ica",
        "auto",
        "--epochs",
        "3",
        "--delay",
        "-0.1",
        "--no-baseline",
        "--task-label",
        "a",
        "b",
        "--no-report",
    ]
    shared = ("--skip-bids-validation", "--task-label=a", "--task-label=b")
    assert words_of("participant", *typed) == (*shared, "--ica=auto", "--no-report")
    assert set(words_of("group", *typed)) == {*shared, "--epochs=3", "--delay=-0.1", "--no-baseline", "--no-report"}


@given(st.text(st.characters(exclude_categories=["C"]), min_size=1).filter(lambda text: not text.startswith("-")))
@settings(max_examples=10, deadline=None)
def test_what_is_handed_on_means_the_same_to_the_program(text):
    words = words_of("group", "--task-label", text)
    assert make_command().make_context("slurm", ["ds", "out", *words]).params["task_label"] == (text,)


def test_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"--stimuli-dir={tmp_path}/songs" in words_of("participant", "--stimuli-dir", "songs")
    assert "--stimulus-map=ds003774" in words_of("participant", "--stimulus-map", "ds003774")
    Path("map.tsv").touch()
    assert f"--stimulus-map={tmp_path}/map.tsv" in words_of("participant", "--stimulus-map", "map.tsv")


def test_folders_inside_others_need_no_place_of_their_own():
    assert outermost([Path("/a/b"), Path("/a"), Path("/ab"), Path("/a")]) == [Path("/a"), Path("/ab")]


def slurm_tool(capsys, *arguments):
    code = run(tools, ["slurm", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_wrong_folds_are_refused_before_anything_is_written(dataset, tmp_path, capsys):
    fake_program(tmp_path / "venv")
    common = [dataset, tmp_path / "out", "--venv", tmp_path / "venv", "--skip-bids-validation"]
    code, _, error = slurm_tool(capsys, *common, "--n-folds", "9")
    assert code == 64
    assert "9" in error
    assert not (tmp_path / "out").exists()


def test_the_table_says_what_is_asked_for_and_nothing_is_submitted(dataset, tmp_path, capsys, slurm):
    fake_program(tmp_path / "venv")
    common = [dataset, tmp_path / "out", "--venv", tmp_path / "venv", "--skip-bids-validation"]
    code, out, error = slurm_tool(capsys, *common, "--fold-mem", "17", "--n-folds", "2")
    assert code == 0, error
    assert "17 GB" in out
    assert "Nothing was submitted" in out
    assert slurm[0].read_text() == ""
    jobs = tmp_path / "out" / "code" / "slurm" / "predann"
    assert (jobs / "labels.txt").read_text().split() == ["01", "02", "03", "04"]
    assert json.loads((jobs / "plan.json").read_text())["Stages"] == {"participants": 4, "folds": 2, "pool": 1}
    code, out, error = slurm_tool(capsys, dataset, tmp_path / "out", "--status")
    assert code == 75
    assert "to do" in out


def test_a_program_is_needed_and_only_one(dataset, tmp_path, capsys):
    assert slurm_tool(capsys, dataset, tmp_path / "out")[0] == 64
    code, _, error = slurm_tool(capsys, dataset, tmp_path / "out", "--venv", tmp_path)
    assert code == 66
    assert "bin/predann-bids" in error


def test_without_slurm_nothing_is_in_the_queue_and_submitting_says_where_to_go(jobs, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert cluster.queue(jobs) == {}
    with pytest.raises(PredannError, match=r"submit\.sh"):
        cluster.submit(jobs)


def test_a_split_that_does_not_fit_is_foreseen():
    with pytest.raises(UnusableData):
        foresee({}, resolve())


def test_the_command_has_no_option_twice():
    names = [name for option in make_command().params if isinstance(option, click.Option) for name in option.opts]
    assert len(names) == len(set(names))
