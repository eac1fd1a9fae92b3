"""A text whose words are coloured by what they speak for: one page that loads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

FULL = 1.0  # log-odds that are coloured in full where nothing is stronger

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style>
:root {{ color-scheme: light dark; --paper: #fff; --ink: #1a1c1e; --for: 255 140 40; --against: 60 140 255; }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #131517; --ink: #e9ebec; }} }}
body {{ margin: 3rem auto; max-width: 40rem; padding: 0 1.25rem; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.8 system-ui, sans-serif; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.3rem; }}
h2 {{ font-size: 1rem; margin-top: 2rem; }}
.quiet {{ font-size: .875rem; opacity: .75; line-height: 1.5; }}
.text span, .key {{ border-radius: 3px; padding: .1em .15em; box-decoration-break: clone; }}
.for {{ background: rgb(var(--for) / var(--s)); }}
.against {{ background: rgb(var(--against) / var(--s)); }}
li {{ line-height: 1.5; margin-bottom: .4rem; }}
</style></head><body>
<h1>{title}</h1>
<p class="text">{words}</p>
<p class="quiet"><span class="key for" style="--s:.6">Orange</span> speaks for this answer,
<span class="key against" style="--s:.6">blue</span> against it: the model was asked again with each of these parts left
out. It says what the model goes by, not whether that is right.</p>
{nearest}</body></html>
"""


def page(title: str, words: Sequence[tuple[str, float]], nearest: Sequence[Mapping[str, Any]]) -> str:
    """The page; everything on it is escaped.

    Args:
        title: The answer.
        words: With their weights in log-odds.
        nearest: Training examples: `name` and `label`.
    """
    strongest = max([FULL, *(abs(weight) for _, weight in words)])
    spans = [_span(word, weight / strongest) for word, weight in words]
    alone = '<span class="quiet">One word alone: there is nothing to leave out.</span>'
    items = "".join(f"<li>{escape(row['name'])} <b>{escape(row['label'])}</b></li>" for row in nearest)
    known = f"<h2>Most alike in training</h2><ol>{items}</ol>\n" if items else ""
    return _PAGE.format(title=escape(title), words=" ".join(spans) or alone, nearest=known)


def _span(word: str, share: float) -> str:
    kind = "for" if share > 0 else "against"
    return f'<span class="{kind}" style="--s:{0.7 * abs(share):.2f}" title="{share:+.2f}">{escape(word)}</span>'
