import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from predann_bids.console import plain_console, say
from predann_bids.progress import Progress

ROOT = str(Path(__file__).parents[1])
FULL = Path("/dev/full")
SAY = "from predann_bids.console import *; use_utf8(); steady_streams(); "


def printed(code, **environment):
    finished = subprocess.run(
        [sys.executable, "-c", SAY + code], capture_output=True, env={**os.environ, **environment}, check=False
    )
    return finished.returncode, finished.stdout, finished.stderr


def test_names_that_look_like_markup_are_printed_as_they_are(capsys):
    say("[bold]songs[/bold] :cat: sub-01")
    assert capsys.readouterr().out == "[bold]songs[/bold] :cat: sub-01\n"


def test_long_lines_and_long_names_in_tables_are_not_cut_in_a_pipe(capsys):
    say("x" * 500, stderr=True)
    table = Table("name", "audio")
    table.add_row("y" * 90, "z" * 90)
    plain_console().print(table)
    captured = capsys.readouterr()
    assert captured.err == "x" * 500 + "\n"
    assert "y" * 90 in captured.out
    assert "z" * 90 in captured.out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_what_a_stream_has_no_code_for_is_replaced(encoding):
    code, out, err = printed("say('caf\\udce9 \u221211.7 \u2026 \u7eaf')", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert (code, err) == (0, b"")
    text = out.decode(encoding)
    assert text.startswith("caf\\udce9 ")
    assert "-11.7 ..." in text or "\u221211.7 \u2026" in text


def test_tables_can_be_printed_in_ascii():
    table = (
        "from rich.table import Table; t = Table('a', 'b'); t.add_row('\u00e9', '\u2265 1'); plain_console().print(t)"
    )
    code, out, _ = printed(table, PYTHONIOENCODING="ascii")
    assert code == 0
    assert b">= 1" in out


def test_names_of_files_are_utf8_whatever_the_language_of_the_machine(tmp_path):
    # not with -c: what was typed is decoded before Python knows better
    file = tmp_path / "program.py"
    file.write_text("import sys\nfrom predann_bids.console import use_utf8\nuse_utf8()\nprint(ascii(sys.argv[1]))\n")
    words = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": ROOT}
    out = subprocess.run([sys.executable, file, "é"], capture_output=True, env={**os.environ, **words}, check=True)
    assert out.stdout.strip() == rb"'\xe9'"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_work_goes_on_when_nobody_reads_what_is_printed(tmp_path, stream, unbuffered):
    work = f"[say('x' * 99, stderr={stream == 'stderr'}) for _ in range(999)]; open('done', 'w').close()"
    reading, writing = os.pipe()
    os.close(reading)
    finished = subprocess.run(
        [sys.executable, "-c", SAY + work],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONPATH": ROOT},
        check=False,
        **{stream: writing},
    )
    os.close(writing)
    assert finished.returncode == 0
    assert (tmp_path / "done").is_file()


def test_a_program_without_standard_streams_works():
    code, _, err = printed("say('x'); say('y', stderr=True); sys.exit(0)", PYTHONUTF8="1")
    assert (code, err) == (0, b"y\n")
    closed = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" >&- 2>&-', sys.executable, SAY + "say('x'); say('y', stderr=True)"],
        check=False,
    )
    assert closed.returncode == 0


def test_a_full_disk_under_the_output_is_named_once():
    code = "from predann_bids.cli import run; import click; c = click.command()(lambda: say('x')); sys.exit(run(c, []))"
    with FULL.open("w") as full:
        finished = subprocess.run(
            [sys.executable, "-c", SAY + code], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert finished.returncode == 75
    assert finished.stderr == "Error: The standard output cannot be read or written: No space left on device.\n"


def test_progress_takes_no_name_for_markup(monkeypatch):
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    with Progress("Reading [/audio]", 1) as progress:
        progress.advance(note="live [/1] [red]take.wav")
    assert "Reading [/audio]: 1/1" in err.getvalue()
    assert "live [/1] [red]take.wav" in err.getvalue()
