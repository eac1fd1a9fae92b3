"""The `handful` command: reads arguments, calls a task, prints what it found. No logic of its own."""

from __future__ import annotations

import errno
import io
import sys
from typing import Annotated, Any

import typer

from handful.cli import augment, cache, check, compare, demo, evaluate, fit, generate, predict, pretrain
from handful.cli import map as map_
from handful.cli.output import say
from handful.core.errors import HandfulError

# typer brings a click of its own from version 0.26 on; its exceptions are reached through the one that is public
_Misuse: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")

INTERRUPTED = 130  # what typer makes of Ctrl-C

app = typer.Typer(
    help="From a handful of labelled examples to a small model you can trust.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        from handful.core.versions import versions

        print(f"handful {versions()['handful']}")  # noqa: T201 - the face speaks here
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """From a handful of labelled examples to a small model you can trust."""


for verb in (fit, evaluate, predict, compare, check, augment, pretrain, map_, generate, cache, demo):
    name = verb.__name__.rpartition(".")[2]
    app.command(name)(getattr(verb, name))


def run() -> None:
    """Entry point: every failure is one line on standard error and an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be no text
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    try:
        code = app(prog_name="handful", standalone_mode=False)
        if code == INTERRUPTED:
            code = _failed("interrupted; nothing was written", 1)
    except HandfulError as failure:
        code = _failed(_as_typed(failure), failure.exit_code)
    except _Misuse as misuse:
        verb = " ".join(word for word in sys.argv[1:2] if not word.startswith("-"))
        code = _failed(f"{misuse.format_message().rstrip('.')}; see handful {verb} --help".replace("  ", " "), 2)
    except (KeyboardInterrupt, typer.Abort):
        code = _failed("interrupted; nothing was written", 1)
    except BrokenPipeError:
        code = 1  # whoever read our output has gone
    except OSError as failure:
        if failure.errno == errno.ENAMETOOLONG:
            code = _failed(f"no such file or folder: the name is too long; {failure.filename}; check the path", 2)
        else:
            code = _failed(f"{failure}; nothing was written", 1)
    except ImportError as failure:
        if not isinstance(failure.__cause__ or failure.__context__, KeyboardInterrupt):
            raise
        code = _failed("interrupted; nothing was written", 1)  # in the middle of importing a library
    except MemoryError:
        code = _failed("out of memory; nothing was written; close other programs, or give smaller photos", 1)
    sys.exit(code or 0)


def _as_typed(failure: HandfulError) -> str:
    """The error as text; an argument at fault is called what was typed, `--metric` for `metric`."""
    option = f"--{failure.where}"
    where = option if any(word.partition("=")[0] == option for word in sys.argv) else failure.where
    return str(HandfulError(failure.what, where, failure.remedy))


def _failed(message: str, code: int) -> int:
    say("error: " + " ".join(message.split()))
    return code
