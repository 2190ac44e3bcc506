"""`embclust demo`: the whole path on real data, offline."""

from __future__ import annotations

import contextlib
import io
import json as json_module
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from embclust.cli.console import Console, print_json
from embclust.cli.options import Json

__all__ = ["demo"]

_K = 15  # of 10 to 18, the names make the most sense here
_FOLDER = Path("embclust-demo")


def demo(
    context: typer.Context,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help=f"Where everything goes: {_FOLDER} if unset."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=50, help="Only N emoji, evenly spread over their groups."),
    ] = None,
    open_: Annotated[
        bool | None, typer.Option("--open", help="Open the last page in the browser.")
    ] = None,
    json: Json = None,
) -> int:
    """Make a map of 1,021 emoji, offline: shows the commands it runs and ends on a page."""
    from embclust.steps.demo import build_demo

    folder = out or _FOLDER
    console = Console()
    data = build_demo(folder, console, limit)
    console.note(f"{data.rows:,} emoji with name, group and picture: {data.table}")
    if data.config_kept:
        console.warn(f"{data.config} was changed by hand and is used as it is.")
    names_page = folder / "names.html"
    commands = _commands(folder, data.config, names_page, open_=bool(open_))
    reports = []
    for command in commands:
        code, report = _run(context, command, as_json=bool(json))
        if code != 0:
            if json:
                print_json(report)
            return code
        reports.append(report)
    page = str(names_page.absolute())
    if json:
        index, pictures, names = reports
        shown = [_line(command) for command in commands]
        made = {"folder": str(folder), "rows": data.rows, "commands": shown, "page": page}
        print_json({**made, "index": index, "plots": [pictures, names]})
    else:
        print(f"\nThe map by picture: {(folder / 'pictures.html').absolute()}")
        print(f"The map by name, to open by double click: {page}")
    return 0


def _commands(folder: Path, config: Path, names_page: Path, *, open_: bool) -> list[list[str]]:
    """What is run, as a person would type it: all from the current folder."""
    place = ["--workspace", str(folder / ".embclust")]

    def plot(collection: str, page: Path) -> list[str]:
        chosen = ["--collection", collection, "--k", str(_K), "--out", str(page)]
        return ["plot", *chosen, *place]

    return [
        ["index", str(config), *place],
        plot("emoji_picture", folder / "pictures.html"),
        plot("emoji_name", names_page) + (["--open"] if open_ else []),
    ]


def _line(command: list[str]) -> str:
    return shlex.join(["embclust", *command])


def _run(
    context: typer.Context, command: list[str], *, as_json: bool
) -> tuple[int, dict[str, Any]]:
    """Show a command and run it in this process; returns its exit code and its JSON report."""
    run: Callable[[list[str]], int] = context.obj  # cli.main.main
    print(f"\n$ {_line(command)}", file=sys.stderr if as_json else sys.stdout, flush=True)
    debug = ["--debug"] if context.parent and context.parent.params.get("debug") else []
    if not as_json:
        return run([*debug, *command]), {}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = run([*debug, *command, "--json"])
    report: dict[str, Any] = json_module.loads(said.getvalue())
    return code, report
