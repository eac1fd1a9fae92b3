import sys

from handful.cli.output import say, show

LONG = "error: no metric is called 'f2'; metric; use " + ", ".join(["accuracy", "balanced_accuracy", "macro_f1"] * 3)


def test_what_is_said_is_wrapped_for_a_terminal_and_one_line_for_a_program(capsys, monkeypatch):
    say(LONG)
    assert capsys.readouterr().err == LONG + "\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    say(LONG)
    first, *others = capsys.readouterr().err.splitlines()
    assert others
    assert all(len(line) <= 80 for line in (first, *others))
    assert all(line.startswith("  ") for line in others)
    assert " ".join([first, *(line.strip() for line in others)]) == LONG


def test_what_is_shown_keeps_its_own_indent(capsys):
    show("    " + "word " * 30, indent=6)
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert (first[:5], second[:7]) == ("    w", "      w")
    assert len(first) <= 80
