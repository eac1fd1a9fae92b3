"""What the documents say can be typed, followed and read anywhere."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from handful.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
VERBS = typer.main.get_command(app).commands

OURS = ("src", "tests", "docs", "examples", "benchmarks", ".ci", ".github")
TEXT = {"", ".py", ".md", ".toml", ".txt", ".jinja", ".css", ".json", ".yml", ".yaml", ".sh", ".cfg"}
ELSEWHERE = ("/" + "work/", *(name + "." + end for name, end in (
    ("pypi", "org"), ("pythonhosted", "org"), ("anaconda", "org"), ("download.pytorch", "org"), ("npmjs", "org"),
)))  # fmt: skip


def shown_commands():
    """Every command in a fenced block that starts with `handful`, a prompt before it or not."""
    for page in PAGES:
        for block in re.findall(r"^```[^\n]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            for line in block.replace("\\\n", " ").splitlines():
                if match := re.match(r"(?:\$ )?handful (\S.*)", line):
                    yield pytest.param(match[1], id=f"{page.name}: {match[1]}")


def named_in_passing():
    """Every `handful verb ...` between single backticks: words such as PHOTO may stand for arguments."""
    for page in PAGES:
        for code in re.findall(r"`handful ([a-z][^`]*)`", page.read_text(encoding="utf-8")):
            yield pytest.param(code, id=f"{page.name}: {code}")


@pytest.mark.parametrize("line", list(shown_commands()))
def test_shown_commands_can_be_typed(line):
    words = shlex.split(line, comments=True)
    if words[0].startswith("-"):
        assert words == ["--help"]
        return
    assert words[0] in VERBS
    VERBS[words[0]].make_context(words[0], words[1:])  # raises for an unknown option or a missing argument


@pytest.mark.parametrize("code", list(named_in_passing()))
def test_named_verbs_and_options_exist(code):
    verb, *words = code.split()
    assert verb in VERBS
    known = {option for parameter in VERBS[verb].params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("--")} <= known


def test_readme_names_every_verb():
    named = set(re.findall(r"`handful ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named == set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    relative = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in relative if link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_named_in_code_exist(page):
    """Files of ours that a page names between backticks, from the root or from the package."""
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|md|jinja))`", page.read_text(encoding="utf-8")))
    assert [name for name in named if not any((base / name).exists() for base in (ROOT, ROOT / "src/handful"))] == []


def test_no_file_names_a_place_that_only_some_have():
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for folder in OURS for path in (ROOT / folder).rglob("*") if path.is_file()]
    texts = {
        path: path.read_text(encoding="utf-8") for path in files if path.suffix in TEXT and path.name != ".coverage"
    }
    assert {str(path): place for path, text in texts.items() for place in ELSEWHERE if place in text} == {}
