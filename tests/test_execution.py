import pytest

from predann_bids.workflows import execution
from predann_bids.workflows.execution import Execution, available_gb, processors


@pytest.mark.parametrize(("mem_gb", "peak_gb", "processes"), [(8, 2, 4), (8, 1, 6), (8, 20, 1), (8, 0, 6)])
def test_as_many_processes_run_as_fit_the_memory(mem_gb, peak_gb, processes):
    assert Execution(n_procs=6, mem_gb=mem_gb).processes_for(peak_gb) == processes


def test_without_a_limit_what_is_free_is_the_limit(monkeypatch):
    monkeypatch.setattr(execution, "available_gb", lambda: 3.0)
    assert Execution(n_procs=6).processes_for(1.0) == 3
    monkeypatch.setattr(execution, "available_gb", lambda: None)
    assert Execution(n_procs=6).processes_for(1.0) == 6


def test_the_limit_of_a_control_group_counts(tmp_path, monkeypatch):
    most, used = tmp_path / "memory.max", tmp_path / "memory.current"
    monkeypatch.setattr(execution, "CGROUP_FILES", ((most, used),))
    free = available_gb()
    most.write_text("max\n")
    used.write_text("1000000\n")
    assert available_gb() == pytest.approx(free, rel=0.5)
    most.write_text("101000000\n")
    assert available_gb() == pytest.approx(0.1)


@pytest.mark.parametrize(("quota", "limit"), [("200000 100000", 2), ("50000 100000", 1), ("max 100000", 10_000)])
def test_the_processors_that_a_container_was_granted_count(tmp_path, monkeypatch, quota, limit):
    monkeypatch.setattr(execution.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(execution, "CPU_QUOTA_FILE", tmp_path / "cpu.max")
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert processors() == min(8, limit)
