"""The app and its one error boundary."""

from __future__ import annotations

import io
import os
import sys
import traceback
from typing import Annotated

import typer

from embclust import __version__
from embclust.cli import cluster, demo, diff, index, manage, name, plot, upkeep
from embclust.cli.console import clean, print_json, reader_gone, say
from embclust.cli.signals import leave_at_once
from embclust.errors import EmbclustError, InterruptedRun

__all__ = ["app", "main"]

_BUG = 70
# typer carries click inside; its error base is not exported under a name of its own.
_UsageProblem: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="embclust",
    help="Turn a table of pictures and texts into named clusters on an interactive map.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("index")(index.index)
app.command("cluster")(cluster.cluster)
app.command("name")(name.name)
app.command("plot")(plot.plot)
app.command("diff")(diff.diff)
app.command("list")(manage.list_collections)
app.command("drop")(manage.drop)
app.command("check")(upkeep.check)
app.command("rebuild-store")(upkeep.rebuild_store)
app.command("gc")(upkeep.gc)
app.command("init")(manage.init)
app.command("demo")(demo.demo)
app.add_typer(manage.config_app, name="config")


def _version(value: bool) -> None:
    if value:
        print(f"embclust {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = None,
    debug: Annotated[
        bool | None, typer.Option("--debug", help="Show tracebacks and the libraries' messages.")
    ] = None,
) -> None:
    """Turn a table of pictures and texts into named clusters on an interactive map."""


def main(arguments: list[str] | None = None) -> int:  # noqa: C901, PLR0911 - one branch per exit
    """Run the command line; returns the exit code. The console script exits with it."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a name that the terminal's encoding lacks
    if debug:
        given.remove("--debug")
        given.insert(0, "--debug")
    try:
        with leave_at_once():
            # `demo` runs other commands, through this function.
            code = app(given, prog_name="embclust", standalone_mode=False, obj=main)
        sys.stdout.flush()
        return int(code or 0)
    except EmbclustError as error:
        if debug:
            traceback.print_exc()
        code = error.code if isinstance(error, InterruptedRun) else error.exit_code
        return _fail(given, type(error).__name__, error.message, error.hint, code)
    except typer.Exit as error:
        return error.exit_code
    except _UsageProblem as error:
        message = str(getattr(error, "format_message", error.__str__)()).rstrip(".")
        if message.startswith("Usage:"):  # a command that needs a word behind it: its help
            say(message)
            return 2
        message += "" if message.endswith("?") else "."
        hint = "`embclust --help` lists commands, `embclust COMMAND --help` their options."
        return _fail(given, "UsageError", message, hint, 2)
    except (BrokenPipeError, SystemExit):  # typer makes the second of the first
        if not reader_gone():
            message = "A connection was closed by the other side."
            return _fail(given, "BrokenPipeError", message, "Run the same command again.", 1)
        # Our output goes to `| head`: nothing is wrong, nobody is listening.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, typer.Abort):
        return _fail(given, "InterruptedRun", "Stopped.", "", 130)
    except Exception as error:  # noqa: BLE001 - the boundary: a bug shows itself here
        traceback.print_exc()
        hint = "This is a bug in embclust; what was committed is kept. Please report it."
        return _fail(given, type(error).__name__, f"{type(error).__name__}: {error}", hint, _BUG)


def _fail(given: list[str], kind: str, message: str, hint: str, code: int) -> int:
    if "--json" in given:
        error = {"type": kind, "message": message, "hint": hint}
        print_json({"error": error, "exit_code": code})
    say(f"Error: {clean(f'{message} {hint}'.strip())}")
    return code
