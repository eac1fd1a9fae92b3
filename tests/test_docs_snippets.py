"""The Python in the guides runs as it is printed, from the top of the page to its end."""

import re
from pathlib import Path

import pytest

PAGES = [Path(__file__).parents[1] / "docs" / "augmentation.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_snippets_of_a_page_run_one_after_the_other(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 5
    names = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)  # noqa: S102 - ours
