from pathlib import Path

import pytest

from predann_bids.workflows import execution
from predann_bids.workflows.control_groups import ControlGroups
from predann_bids.workflows.execution import Execution, available_gb, processors, total_gb


@pytest.mark.parametrize(("mem_gb", "peak_gb", "processes"), [(8, 2, 4), (8, 1, 6), (8, 20, 1), (8, 0, 6)])
def test_as_many_processes_run_as_fit_the_memory(mem_gb, peak_gb, processes):
    assert Execution(n_procs=6, mem_gb=mem_gb).processes_for(peak_gb) == processes


def test_without_a_limit_what_is_free_is_the_limit(monkeypatch):
    monkeypatch.setattr(execution, "available_gb", lambda: 3.0)
    assert Execution(n_procs=6).processes_for(1.0) == 3
    monkeypatch.setattr(execution, "available_gb", lambda: None)
    assert Execution(n_procs=6).processes_for(1.0) == 6


@pytest.fixture
def groups(tmp_path):
    """Make control groups: `where` is the line of /proc/self/cgroup, `files` their files below the mount."""

    def groups(where, files):
        (tmp_path / "membership").write_text(where + "\n")
        for name, text in files.items():
            path = tmp_path / "mount" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return ControlGroups(tmp_path / "membership", tmp_path / "mount")

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


def test_what_only_caches_files_is_free(groups):
    made = groups(
        "0::/a", {"a/memory.max": GB, "a/memory.current": GB, "a/memory.stat": f"anon 5\ninactive_file {GB // 2}"}
    )
    assert available_gb(made) == pytest.approx(0.5)


@pytest.mark.parametrize(("where", "files"), [
    ("0::/a", {"a/memory.max": "max", "a/memory.current": GB}), ("0::/gone", {}), ("", {}), ("7:cpu:/a", {}),
])  # fmt: skip
def test_without_a_limit_the_memory_is_the_machine_s(groups, where, files):
    assert total_gb(groups(where, files)) == total_gb(ControlGroups(Path("/nowhere"), Path("/nowhere")))


@pytest.mark.parametrize(("files", "limit"), [
    ({"a/cpu.max": "200000 100000"}, 2), ({"a/cpu.max": "50000 100000"}, 1), ({"a/cpu.max": "max 100000"}, 8),
    ({"a/cpu.max": "max 100000", "cpu.max": "300000 100000"}, 3),
    ({"cpu/a/cpu.cfs_quota_us": "400000", "cpu/a/cpu.cfs_period_us": "100000"}, 4), ({}, 8),
])  # fmt: skip
def test_the_processors_that_a_container_or_job_was_granted_count(groups, monkeypatch, files, limit):
    monkeypatch.setattr(execution.os, "sched_getaffinity", lambda _: set(range(8)))
    assert processors(groups("0::/a\n3:cpu,cpuacct:/a", files)) == limit
