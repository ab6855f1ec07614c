import errno
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from predann_bids.errors import ReadOrWriteFailed, TryAgain
from predann_bids.workflows import locks
from predann_bids.workflows.locks import exclusive, host

ERRORS = [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EIO, errno.EINVAL]


@pytest.fixture(params=ERRORS, ids=errno.errorcode.get)
def any_error(request, monkeypatch):
    return without_locks(monkeypatch, request.param)


@pytest.fixture
def no_locks(monkeypatch):
    return without_locks(monkeypatch, errno.ENOLCK)


def without_locks(monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)


def left_behind(lock, text, age_s=0.0):
    lock.write_text(text)
    os.utime(lock, (time.time() - age_s,) * 2)


def gone():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.usefixtures("any_error")
def test_without_locks_a_file_stands_for_one_while_it_is_held(tmp_path):
    lock = tmp_path / "logs" / "sub-01.lock"
    with exclusive(lock):
        assert lock.read_text().splitlines()[:2] == [str(os.getpid()), host()]
        with pytest.raises(TryAgain, match=r"Another process is working on sub-01 .*remove .*sub-01\.lock"):
            exclusive(lock).__enter__()
    assert list(lock.parent.iterdir()) == []


def test_with_locks_another_process_is_told_too_and_no_probe_stays(tmp_path):
    lock = tmp_path / "sub-01.lock"
    with (
        exclusive(lock),
        pytest.raises(TryAgain, match=r"Another process is working on sub-01;.*remove .*sub-01\.lock"),
    ):
        exclusive(lock).__enter__()
    assert [path.name for path in tmp_path.iterdir()] in ([], ["sub-01.lock.flock"])


@pytest.mark.usefixtures("no_locks")
def test_an_error_gives_the_lock_back(tmp_path):
    with pytest.raises(RuntimeError), exclusive(tmp_path / "x.lock"):
        raise RuntimeError
    with exclusive(tmp_path / "x.lock"):
        pass


@pytest.mark.usefixtures("no_locks")
def test_the_lock_of_a_killed_process_of_this_machine_is_taken_at_once(tmp_path):
    lock = tmp_path / "x.lock"
    left_behind(lock, f"{gone()}\n{host()}\n")
    with exclusive(lock):
        assert lock.read_text().startswith(f"{os.getpid()}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("name", ["node17", "node17?pidns-f0000001", "elsewhere.example.org"])
@pytest.mark.parametrize("more", ["", "5732808530423858558361905481797342920801190446037853237077\n"])
def test_the_lock_of_another_machine_is_kept_while_it_gives_signs_of_life(tmp_path, name, more):
    lock = tmp_path / "x.lock"
    left_behind(lock, f"4242\n{name}\n{more}", age_s=60)
    with pytest.raises(TryAgain) as refused:
        exclusive(lock).__enter__()
    assert f"process 4242 on {name}" in str(refused.value)
    assert f"remove {lock}" in str(refused.value)
    assert lock.read_text() == f"4242\n{name}\n{more}"
    left_behind(lock, f"4242\n{name}\n{more}", age_s=3 * 24 * 3600)
    with exclusive(lock):
        assert lock.read_text().startswith(f"{os.getpid()}\n")


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize("text", ["", "4242", "x\nnode17\n", "-1\nnode17\n", "é\n", "99999999999999999999\nnode17\n"])
def test_a_file_that_names_no_process_is_no_lock(tmp_path, text):
    left_behind(tmp_path / "x.lock", text, age_s=10)
    with exclusive(tmp_path / "x.lock"):
        pass


@pytest.mark.usefixtures("no_locks")
def test_a_lock_that_is_just_being_written_is_waited_for(tmp_path):
    lock = tmp_path / "x.lock"
    lock.touch()
    threading.Timer(0.3, lock.write_text, ["4242\nnode17\n"]).start()
    with pytest.raises(TryAgain, match="node17"):
        exclusive(lock).__enter__()


@pytest.mark.usefixtures("no_locks")
def test_a_process_waits_for_as_long_as_it_is_told(tmp_path):
    lock = tmp_path / "x.lock"
    held = exclusive(lock)
    held.__enter__()
    threading.Timer(0.3, held.__exit__, (None, None, None)).start()
    with exclusive(lock, wait_s=5):
        assert lock.is_file()


@pytest.mark.usefixtures("no_locks")
def test_the_holder_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "BEAT_S", 0.02)
    lock = tmp_path / "x.lock"
    with exclusive(lock):
        os.utime(lock, (0, 0))
        until = time.monotonic() + 5
        while lock.stat().st_mtime == 0 and time.monotonic() < until:
            time.sleep(0.01)
        assert time.time() - lock.stat().st_mtime < 60


@pytest.mark.usefixtures("no_locks")
def test_a_holder_that_was_taken_for_gone_leaves_the_next_ones_lock_alone(tmp_path):
    lock = tmp_path / "x.lock"
    with exclusive(lock):
        lock.write_text("4242\nnode17\n")
    assert lock.read_text() == "4242\nnode17\n"


@pytest.mark.usefixtures("no_locks")
def test_a_lock_that_has_changed_hands_meanwhile_is_put_back(tmp_path):
    lock = tmp_path / "x.lock"
    left_behind(lock, "4242\nnode17\n", age_s=1e6)
    found = locks._Found.read(lock)
    lock.write_text("4243\nnode18\n")
    found.remove()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x.lock", "4243\nnode18\n")]


# -- machines of which some see no locks, or not those of others -------------------------------------------------------


def test_a_machine_with_locks_leaves_the_work_of_one_without_alone(tmp_path, monkeypatch):
    lock = tmp_path / "x.lock"
    with exclusive_without_locks(monkeypatch, lock):
        text = lock.read_text()
        os.utime(lock, (time.time() - 200,) * 2)
        with pytest.raises(TryAgain, match="Another process is working on x"):
            exclusive(lock).__enter__()
        assert lock.read_text() == text
    with exclusive(lock):
        pass


def test_a_machine_without_locks_leaves_the_work_of_one_with_alone(tmp_path, monkeypatch):
    lock = tmp_path / "x.lock"
    with exclusive(lock):
        os.utime(lock, (time.time() - 200,) * 2)
        with pytest.raises(TryAgain, match="Another process is working on x"):
            exclusive_without_locks(monkeypatch, lock).__enter__()
    with exclusive_without_locks(monkeypatch, lock):
        pass


@contextmanager
def exclusive_without_locks(monkeypatch, lock):
    with monkeypatch.context() as patch:
        without_locks(patch, errno.ENOLCK)
        held = exclusive(lock)
        held.__enter__()
    yield
    held.__exit__(None, None, None)


def test_where_a_lock_is_free_its_holder_on_another_machine_is_waited_for_until_it_would_have_given_a_sign(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(locks, "UNLOCKED_S", 60.0)
    lock = tmp_path / "x.lock"
    left_behind(lock, f"4242\nnode17\n1\n{locks.LOCKED}", age_s=59.5)
    begun = time.monotonic()
    with exclusive(lock):
        assert lock.read_text().startswith(f"{os.getpid()}\n")
    assert time.monotonic() - begun > 0.2


def test_where_a_lock_is_free_a_holder_on_another_machine_that_gives_signs_of_life_keeps_its_work(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(locks, "UNLOCKED_S", 0.3)
    lock = tmp_path / "x.lock"
    left_behind(lock, f"4242\nnode17\n1\n{locks.LOCKED}")
    monkeypatch.setattr(locks.time, "sleep", lambda _: os.utime(lock))  # its lock is not seen here
    with pytest.raises(TryAgain, match="process 4242 on node17"):
        exclusive(lock).__enter__()


def test_where_a_lock_is_free_its_holder_on_this_machine_is_gone(tmp_path):
    lock = tmp_path / "x.lock"
    left_behind(lock, f"{os.getppid()}\n{host()}\n1\n{locks.LOCKED}")  # the number may be another process's by now
    with exclusive(lock):
        assert lock.read_text().startswith(f"{os.getpid()}\n")


@pytest.mark.usefixtures("no_locks")
def test_where_there_are_no_locks_nothing_is_known_of_one(tmp_path):
    lock = tmp_path / "x.lock"
    left_behind(lock, f"4242\nnode17\n1\n{locks.LOCKED}", 200)
    with pytest.raises(TryAgain, match="process 4242 on node17"):
        exclusive(lock).__enter__()


def test_a_lock_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ReadOrWriteFailed, match=r"file/x\.lock cannot be written"):
        exclusive(tmp_path / "file" / "x.lock").__enter__()


@pytest.mark.parametrize("name", ["a b", "ä", "x\ny", ""])
def test_the_name_of_a_host_is_one_printable_word(monkeypatch, name):
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert host().isascii()
    assert len(host().split()) == 1
