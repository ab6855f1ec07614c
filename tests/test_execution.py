from pathlib import Path

import pytest

from predann_bids.workflows import execution, resources
from predann_bids.workflows.control_groups import ControlGroups
from predann_bids.workflows.execution import Execution, available_gb, processors, total_gb
from predann_bids.workflows.granted import Granted


@pytest.mark.parametrize(("mem_gb", "peak_gb", "processes"), [(8, 2, 4), (8, 1, 6), (8, 20, 1), (8, 0, 6)])
def test_as_many_processes_run_as_fit_the_memory(mem_gb, peak_gb, processes):
    assert Execution(n_procs=6, mem_gb=mem_gb).processes_for(peak_gb) == processes


def test_without_a_limit_what_is_free_is_the_limit(monkeypatch):
    monkeypatch.setattr(execution, "available_gb", lambda: 3.0)
    assert Execution(n_procs=6).processes_for(1.0) == 3
    monkeypatch.setattr(execution, "available_gb", lambda: None)
    assert Execution(n_procs=6).processes_for(1.0) == 6


@pytest.fixture(autouse=True)
def no_job(monkeypatch):
    for name in ("MEM_PER_NODE", "MEM_PER_CPU", "CPUS_PER_TASK", "CPUS_ON_NODE"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)


@pytest.fixture
def groups(tmp_path):
    """Make control groups: `where` is in /proc/self/cgroup, `mounts` in mountinfo, `files` are below the mount."""

    def groups(where, files, mounts=()):
        (tmp_path / "membership").write_text(where + "\n")
        (tmp_path / "mounts").write_text("".join(f"{line.format(tmp_path / 'mount')}\n" for line in mounts))
        for name, text in files.items():
            path = tmp_path / "mount" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return ControlGroups(tmp_path / "membership", tmp_path / "mount", tmp_path / "mounts")

    return groups


JOB = "system.slice/slurmstepd.scope/job_7"
GB = 10**9


@pytest.mark.parametrize(("where", "files"), [
    # a job of SLURM limits its own group, and the step within it has no limit of its own
    (f"0::/{JOB}/step_0/user/task_0", {f"{JOB}/memory.max": GB, f"{JOB}/memory.current": GB // 4,
                                       f"{JOB}/step_0/memory.max": "max", f"{JOB}/step_0/memory.current": GB // 4}),
    # a container sees its own group at the root
    ("0::/", {"memory.max": GB, "memory.current": GB // 4}),
    ("0::/../../docker/abc", {"memory.max": GB, "memory.current": GB // 4}),
    # version 1
    ("5:memory:/slurm/uid_1/job_7/step_0", {"memory/slurm/uid_1/job_7/memory.limit_in_bytes": GB,
                                            "memory/slurm/uid_1/job_7/memory.usage_in_bytes": GB // 4,
                                            "memory/memory.limit_in_bytes": 9223372036854771712,
                                            "memory/memory.usage_in_bytes": 2 * GB}),
    # the strictest of all counts
    ("0::/a/b", {"a/memory.max": 50 * GB, "a/memory.current": GB, "a/b/memory.max": GB, "a/b/memory.current": GB // 4}),
    ("0::/a/b", {"a/memory.max": GB, "a/memory.current": GB // 4, "a/b/memory.max": 50 * GB, "a/b/memory.current": 1}),
])  # fmt: skip
def test_the_memory_of_a_job_is_that_of_the_strictest_group_it_is_in(groups, where, files):
    made = groups(where, files)
    assert total_gb(made) == pytest.approx(1.0)
    assert available_gb(made) == pytest.approx(0.75)


UNIFIED = "41 31 0:38 {top} {{}}{point} rw,relatime - cgroup2 cgroup2 rw"
OF_MEMORY = "35 31 0:32 {top} {{}}{point} rw,relatime shared:9 - cgroup cgroup rw,memory"
MOST_1, USED_1 = "memory.limit_in_bytes", "memory.usage_in_bytes"


@pytest.mark.parametrize(("where", "top", "point", "group"), [
    # a container without a namespace: its own group is seen at the top, and a job within it below that
    ("/docker/abc", "/docker/abc", "", ""),
    ("/docker/abc/job_7/step_0", "/docker/abc", "", "job_7"),
    # a container with a namespace of its own, and one that was moved into the group of another
    ("/", "/", "", ""), ("/job_7/step_0", "/", "", "job_7"), ("/../def", "/", "", ""),
    # one that sees only a part of the tree, in which its group is not
    ("/slurm/job_7", "/docker/abc", "", ""),
    # somewhere else than usual
    ("/job_7", "/", "/dev/groups", "job_7"), ("/job_7", "/", "/my\\040groups", "job_7"),
])  # fmt: skip
@pytest.mark.parametrize("version", [1, 2])
def test_a_job_s_group_is_found_wherever_it_is_seen(groups, where, top, point, group, version):
    row, line, names = (
        (OF_MEMORY, f"4:memory:{where}\n0::/", (MOST_1, USED_1))
        if version == 1
        else (UNIFIED, f"0::{where}", ("memory.max", "memory.current"))
    )
    place = "/".join(part for part in (point.strip("/").replace("\\040", " "), group) if part)
    files = {f"{place}/{name}".lstrip("/"): number for name, number in zip(names, (GB, GB // 4), strict=True)}
    made = groups(line, files, [row.format(top=top, point=point)])
    assert total_gb(made) == pytest.approx(1.0)
    assert available_gb(made) == pytest.approx(0.75)


def test_where_both_versions_are_mounted_the_one_that_limits_memory_counts(groups):
    files = {f"memory/job/{MOST_1}": GB, f"memory/job/{USED_1}": GB // 4, "unified/other/memory.max": "max"}
    mounts = [OF_MEMORY.format(top="/", point="/memory"), UNIFIED.format(top="/", point="/unified")]
    assert total_gb(groups("4:memory:/job\n1:cpu:/\n0::/other", files, mounts)) == pytest.approx(1.0)


def test_the_groups_of_others_do_not_count(groups):
    files = {"job_8/memory.max": GB // 8, "job_8/memory.current": 0, "job_7/memory.max": GB, "job_7/memory.current": 0}
    assert total_gb(groups("0::/job_7", files, [UNIFIED.format(top="/", point="")])) == pytest.approx(1.0)


@pytest.mark.parametrize(("variables", "megabytes", "cores"), [
    ({"MEM_PER_NODE": "1500"}, 1500, None), ({"MEM_PER_NODE": "2G"}, 2048, None), ({"MEM_PER_NODE": "0"}, None, None),
    ({"MEM_PER_CPU": "500", "CPUS_PER_TASK": "3"}, 1500, 3), ({"MEM_PER_CPU": "500"}, 500, None),
    ({"MEM_PER_CPU": "500", "CPUS_PER_TASK": "3", "CPUS_ON_NODE": "6"}, 3000, 3),
    ({"CPUS_ON_NODE": "2"}, None, 2), ({"MEM_PER_NODE": "much", "CPUS_PER_TASK": "some"}, None, None), ({}, None, None),
])  # fmt: skip
def test_what_slurm_has_granted_is_read_from_its_variables(variables, megabytes, cores):
    job = Granted({f"SLURM_{name}": value for name, value in variables.items()})
    assert job.memory() == (megabytes * 2**20 if megabytes else None)
    assert job.processors() == cores


def test_a_job_that_no_control_group_holds_stays_within_what_slurm_has_granted(groups, monkeypatch):
    monkeypatch.setattr(execution.os, "sched_getaffinity", lambda _: set(range(8)))
    nowhere = groups("", {})
    job = Granted({"SLURM_MEM_PER_CPU": "250", "SLURM_CPUS_PER_TASK": "2"})
    assert total_gb(nowhere, job) == available_gb(nowhere, job) == pytest.approx(500 * 2**20 / 1e9)
    assert processors(nowhere, job) == 2
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "100")
    assert total_gb(nowhere) == pytest.approx(100 * 2**20 / 1e9)


def test_the_stricter_of_control_group_and_grant_counts(groups):
    made = groups("0::/a", {"a/memory.max": GB, "a/memory.current": 0})
    assert total_gb(made, Granted({"SLURM_MEM_PER_NODE": "4096"})) == pytest.approx(1.0)
    assert total_gb(made, Granted({"SLURM_MEM_PER_NODE": "100"})) == pytest.approx(0.1048576)


def test_what_only_caches_files_is_free(groups):
    made = groups(
        "0::/a", {"a/memory.max": GB, "a/memory.current": GB, "a/memory.stat": f"anon 5\ninactive_file {GB // 2}"}
    )
    assert available_gb(made) == pytest.approx(0.5)


@pytest.mark.parametrize(("where", "files"), [
    ("0::/a", {"a/memory.max": "max", "a/memory.current": GB}), ("0::/gone", {}), ("", {}), ("7:cpu:/a", {}),
])  # fmt: skip
def test_without_a_limit_the_memory_is_the_machine_s(groups, where, files):
    assert total_gb(groups(where, files)) == total_gb(ControlGroups(*[Path("/nowhere")] * 3))


@pytest.mark.parametrize(("files", "limit"), [
    ({"a/cpu.max": "200000 100000"}, 2), ({"a/cpu.max": "50000 100000"}, 1), ({"a/cpu.max": "max 100000"}, 8),
    ({"a/cpu.max": "max 100000", "cpu.max": "300000 100000"}, 3),
    ({"cpu/a/cpu.cfs_quota_us": "400000", "cpu/a/cpu.cfs_period_us": "100000"}, 4), ({}, 8),
])  # fmt: skip
def test_the_processors_that_a_container_or_job_was_granted_count(groups, monkeypatch, files, limit):
    monkeypatch.setattr(execution.os, "sched_getaffinity", lambda _: set(range(8)))
    assert processors(groups("0::/a\n3:cpu,cpuacct:/a", files)) == limit


def test_recordings_may_take_half_of_the_memory_of_a_processor_whatever_runs_and_is_free(monkeypatch):
    monkeypatch.setattr(resources, "processors", lambda: 4)
    monkeypatch.setattr(resources, "total_gb", lambda: 16.0)
    assert resources.room_for_recordings(Execution()) == 2.0
    assert resources.room_for_recordings(Execution(n_procs=1)) == 2.0
    assert resources.room_for_recordings(Execution(mem_gb=8.0)) == 1.0
    monkeypatch.setattr(resources, "total_gb", lambda: None)
    assert resources.room_for_recordings(Execution()) == 0.0
