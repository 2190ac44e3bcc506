"""The options that several commands share. Each defaults to None: "not given"."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Collection",
    "ConfigFile",
    "Device",
    "Dims",
    "Frozen",
    "ImageField",
    "Json",
    "K",
    "Kind",
    "Seed",
    "Set",
    "TextFields",
    "Wait",
    "WorkspaceFolder",
    "WriteBack",
]

ConfigFile = Annotated[
    Path | None, typer.Argument(metavar="[CONFIG]", help="A YAML file with settings.")
]
Collection = Annotated[
    str | None,
    typer.Option("--collection", help="The collection; may be left out when there is only one."),
]
K = Annotated[
    str | None,
    typer.Option("--k", metavar="N|auto", help="Number of clusters; auto tries several."),
]
Kind = Annotated[str | None, typer.Option("--kind", help="Which plug-in does it.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of clusters and map.")]
Dims = Annotated[
    str | None,
    typer.Option(
        "--dims",
        metavar="2|3|both",
        help="Dimensions of the map; both up to 20,000 points, else 3, unless chosen.",
    ),
]
TextFields = Annotated[
    list[str] | None,
    typer.Option("--text-field", help="Field to show and to name from; may be repeated."),
]
ImageField = Annotated[
    str | None, typer.Option("--image-field", help="Field whose pictures are shown.")
]
Frozen = Annotated[
    bool | None,
    typer.Option("--frozen", help="Fail (exit 5) when something is missing or stale."),
]
Json = Annotated[
    bool | None, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set anything, e.g. cluster.k=20; repeatable."),
]
WorkspaceFolder = Annotated[
    Path | None, typer.Option("--workspace", help="Folder of ledger, store and results.")
]
Wait = Annotated[
    float | None,
    typer.Option("--wait", metavar="SECONDS", help="Wait this long for a locked workspace."),
]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or mps.")]
WriteBack = Annotated[
    bool | None,
    typer.Option("--write-back", help="Put cluster and cluster_name on the rows in the store."),
]
