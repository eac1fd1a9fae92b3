"""`handful cache`: how full the feature cache is."""

from __future__ import annotations

from typing import Annotated

import typer

from handful.cli.output import AsJson, Seed, show, show_json


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Drop everything.")] = False,
    seed: Seed = 0,  # noqa: ARG001 - every verb has it; nothing here is random
    as_json: AsJson = False,
) -> None:
    """Show or clear the features that are kept so that a second fit is quick."""
    from handful.data.cache import FeatureCache

    features = FeatureCache()
    state = features.clear() if clear else features.state()
    if as_json:
        show_json(
            {
                "folder": str(state.folder),
                "entries": state.n_entries,
                "bytes": state.n_bytes,
                "limit": state.limit,
                "cleared": clear,
            }
        )
        return
    verb = "cleared" if clear else "holds"
    show(f"{state.folder} {verb} {state.n_entries} entries, {state.n_bytes / 1e6:.1f} of {state.limit / 1e6:.0f} MB")
