"""The command line, called from within and from without."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

from handful.cli.main import run


@dataclass
class Said:
    code: int
    out: str
    err: str

    def error(self, *parts):
        """One line on standard error that holds these parts in this order; exit code 2, silent standard output."""
        *before, last = self.err.splitlines()
        assert not any(line.startswith(("error", "Traceback")) for line in before)
        assert re.fullmatch(r"error: [^;].*", last)
        assert re.search(".*".join(map(re.escape, parts)), last), last
        assert "; " in last
        assert (self.code, self.out) == (2, "")

    def json(self):
        """The only object on the only line of standard output."""
        assert self.code == 0, self.err
        assert self.out.count("\n") == 1
        assert self.out.endswith("\n")
        return json.loads(self.out)


@pytest.fixture
def handful(tiny, monkeypatch, capfd):
    """The command line in this process, with the tiny network."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["handful", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            run()
        return Said(end.value.code, *capfd.readouterr())

    return call


@pytest.fixture
def really():
    """The command line in a process of its own."""

    def call(*arguments, **settings):
        command = [sys.executable, "-m", "handful", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **settings)
        return Said(done.returncode, done.stdout, done.stderr)

    return call
