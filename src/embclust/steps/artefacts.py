"""What the steps leave in a collection's folder, and how it is known what each was made from.

    clusters.parquet  layout-3d.parquet  layout-2d.parquet  names.json  named.parquet
    manifest.json     per artefact: what it was made from, with which settings and versions
    runs/0001/        the last cluster runs, each with its clusters.parquet and run.json

An artefact is written first and the manifest after it, both whole. The manifest carries the
sha256 of the artefact, so one without the other (a kill in between, a file that was changed or
lost) is recognised and counts as not there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from embclust import __version__, plugins
from embclust.redact import redact
from embclust.workspace import (
    Workspace,
    created_at,
    json_bytes,
    make_folder,
    remove_leftovers,
    write_whole,
)

if TYPE_CHECKING:
    from embclust.config import PluginSettings
    from embclust.data import Clustering, Embeddings

__all__ = [
    "clustering_signature",
    "collections_with_results",
    "difference",
    "entry",
    "latest_run",
    "option_values",
    "prune_runs",
    "read_artefact",
    "read_manifest",
    "read_run",
    "run_folder",
    "runs",
    "save",
    "save_run",
    "signature",
    "text_hashes",
    "texts_signature",
]

SCHEMA: Final = 1


def signature(embeddings: Embeddings) -> str:
    """Return a hash of the ids and the vectors; other fields do not count."""
    digest = hashlib.sha256()
    vectors = np.ascontiguousarray(embeddings.vectors, dtype="<f4")
    digest.update(f"{vectors.shape}".encode())
    _add_texts(digest, embeddings.ids)
    digest.update(vectors.reshape(-1).data)
    return digest.hexdigest()


def texts_signature(embeddings: Embeddings, fields: Sequence[str]) -> str:
    """Return a hash of the ids and the values of some fields."""
    digest = hashlib.sha256()
    _add_texts(digest, fields)
    _add_texts(digest, embeddings.ids)
    for row in embeddings.fields:
        _add_texts(digest, [repr(row.get(name)) for name in fields])
    return digest.hexdigest()


def clustering_signature(clustering: Clustering) -> str:
    """Return a hash of which row is in which cluster."""
    digest = hashlib.sha256()
    _add_texts(digest, clustering.ids)
    digest.update(np.ascontiguousarray(clustering.clusters, dtype="<i4").tobytes())
    return digest.hexdigest()


def text_hashes(texts: Sequence[str]) -> list[int]:
    """Return a 63-bit hash of each text."""
    digests = (hashlib.sha256(text.encode(errors="surrogatepass")).digest() for text in texts)
    return [int.from_bytes(digest[:8], "little") >> 1 for digest in digests]


def _add_texts(digest: Any, texts: Sequence[str]) -> None:
    # Lengths first, so that ("ab", "c") and ("a", "bc") differ.
    raw = [text.encode(errors="surrogatepass") for text in texts]
    digest.update(f"{len(raw)}:{','.join(str(len(text)) for text in raw)};".encode())
    digest.update(b"".join(raw))


def option_values(family: str, section: PluginSettings) -> dict[str, Any]:
    """Return `kind` and the kind's options as JSON values, defaults filled in, secrets left out."""
    model = plugins.options_of(family, section.kind)
    known = section.options()
    values = model(**known).model_dump(mode="json")
    fields = model.model_fields
    public = {
        name: redact(value) if isinstance(value, str) else value
        for name, value in values.items()
        if name not in fields or "SecretStr" not in str(fields[name].annotation)
    }
    return {"kind": section.kind, **public}


def difference(section: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Return the first difference in words ('cluster.k was 8, is 10'), None when there is none."""
    names = ["kind", *sorted((set(was) | set(now)) - {"kind"})]
    for name in names:
        if was.get(name) != now.get(name):
            before, after = (_shown(options.get(name)) for options in (was, now))
            return f"{section}.{name} was {before}, is {after}"
    return None


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)


def entry(
    data: bytes,
    *,
    made_from: str,
    settings: Mapping[str, Any],
    libraries: Sequence[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """Return the manifest's entry of an artefact with this content."""
    return {
        "created": created_at(),
        "embclust": __version__,
        "libraries": {name: _version(name) for name in libraries},
        "made_from": made_from,
        "seed": settings.get("seed"),
        "settings": dict(settings),
        "sha256": hashlib.sha256(data).hexdigest(),
        **more,
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


def read_manifest(workspace: Workspace, collection: str) -> dict[str, Any]:
    """Return the manifest; an empty one when there is none, or none that can be read."""
    path = workspace.collection_folder(collection) / "manifest.json"
    manifest = _read_json(path)
    # On a file system that ignores case two collections may share a folder.
    if manifest.get("schema") != SCHEMA or manifest.get("collection") != collection:
        return {"schema": SCHEMA, "collection": collection, "artefacts": {}}
    return manifest


def collections_with_results(workspace: Workspace) -> list[str]:
    """Return the names of the collections that have a manifest, sorted."""
    manifests = workspace.root.glob("collections/*/manifest.json")
    names = {_read_json(path).get("collection") for path in manifests}
    return sorted(name for name in names if isinstance(name, str))


def read_artefact(
    workspace: Workspace, collection: str, file: str
) -> tuple[bytes, dict[str, Any]] | None:
    """Return an artefact's content and its entry; None when the two do not belong together."""
    recorded = read_manifest(workspace, collection)["artefacts"].get(file)
    return _verified(workspace.collection_folder(collection) / file, recorded)


def save(
    workspace: Workspace,
    collection: str,
    files: Mapping[str, tuple[bytes, dict[str, Any]]],
) -> None:
    """Write artefacts (file name -> content, entry), in this order, and then the manifest.

    One that is there already, made from the same with the same settings, is left as it is.
    Raises DiskFullError, or UsageError when the workspace cannot be written to.
    """
    folder = workspace.collection_folder(collection)
    make_folder(folder)
    remove_leftovers(folder)
    manifest = read_manifest(workspace, collection)
    changed = False
    for name, (data, recorded) in files.items():
        before = manifest["artefacts"].get(name)
        if _same(before, recorded) and _verified(folder / name, before):
            continue
        write_whole(folder / name, data)
        manifest["artefacts"][name] = recorded
        changed = True
    if changed:
        write_whole(folder / "manifest.json", json_bytes(manifest))


def _same(before: dict[str, Any] | None, now: dict[str, Any]) -> bool:
    keys = set(now) - {"created", "embclust", "libraries"}
    return before is not None and all(before.get(key) == now[key] for key in keys)


def run_folder(workspace: Workspace, collection: str, run: int) -> Path:
    """Return the folder of one cluster run."""
    return workspace.collection_folder(collection) / "runs" / f"{run:04d}"


def runs(workspace: Workspace, collection: str) -> list[int]:
    """Return the numbers of the runs that are kept, oldest first."""
    folder = workspace.collection_folder(collection) / "runs"
    return sorted(int(path.parent.name) for path in folder.glob("[0-9]*/run.json"))


def save_run(
    workspace: Workspace, collection: str, run: int, data: bytes, recorded: dict[str, Any]
) -> None:
    """Keep a cluster run, with the content and the entry of its clusters.parquet."""
    folder = run_folder(workspace, collection, run)
    before = _read_json(folder / "run.json")
    if _same(before, recorded) and _verified(folder / "clusters.parquet", before):
        return
    make_folder(folder)
    remove_leftovers(folder)
    write_whole(folder / "clusters.parquet", data)
    write_whole(folder / "run.json", json_bytes(recorded))


def read_run(
    workspace: Workspace, collection: str, run: int
) -> tuple[bytes, dict[str, Any]] | None:
    """Return content and entry of one run; None when it is not whole."""
    folder = run_folder(workspace, collection, run)
    return _verified(folder / "clusters.parquet", _read_json(folder / "run.json"))


def latest_run(workspace: Workspace, collection: str) -> tuple[bytes, dict[str, Any]] | None:
    """Return content and entry of the newest run that is whole."""
    for run in reversed(runs(workspace, collection)):
        found = read_run(workspace, collection, run)
        if found is not None:
            return found
    return None


def prune_runs(workspace: Workspace, collection: str, keep: int) -> None:
    """Delete all but the newest `keep` runs."""
    for run in runs(workspace, collection)[:-keep]:
        folder = run_folder(workspace, collection, run)
        (folder / "run.json").unlink(missing_ok=True)  # first: half a folder is no run
        shutil.rmtree(folder, ignore_errors=True)


def _verified(path: Path, recorded: dict[str, Any] | None) -> tuple[bytes, dict[str, Any]] | None:
    if not recorded:
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(data).hexdigest() != recorded.get("sha256"):
        return None
    return data, recorded


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
