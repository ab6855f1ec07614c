from rich.table import Table

from predann_bids.console import plain_console, say


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
