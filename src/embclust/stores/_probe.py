"""Reads a whole embedded store in a child process: a torn index can crash whoever opens it.

`python -m embclust.stores._probe FOLDER [COLLECTION]` prints one line of JSON:
{"reason": null}, or what is wrong.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from embclust.stores._client import close_client, open_embedded

__all__ = ["probe"]

_PAGE: Final = 5000
_PAGE_VALUES: Final = 4_000_000
_UNIT_TOLERANCE: Final = 1e-3


def probe(folder: Path, collection: str | None = None, timeout: float = 600) -> str | None:
    """Return why a store cannot be trusted, as 'has ...' or 'crashes ...', or None.

    Opens it in place, in a child process, which may write Chroma's queue into the index: only
    for a store of embclust's own, that nobody has open. Reads every row of every collection
    (or of the one named), counts them and makes one query. Takes about 2 s, and 5 s for each
    100,000 rows of 512 dimensions. `timeout` in seconds.
    """
    command = [sys.executable, "-P", "-m", "embclust.stores._probe", str(folder.absolute())]
    if collection is not None:
        command.append(collection)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            # Ctrl-C goes to the whole group: an interrupted probe would look like a crash.
            process_group=0,
        )
    except subprocess.TimeoutExpired:
        return f"cannot be read within {timeout:g} s"
    if done.returncode < 0:
        return f"crashes the program that opens it (signal {-done.returncode})"
    try:
        answer: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
        return answer["reason"]
    except (ValueError, IndexError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return f"cannot be opened ({last[:200]})"


def _examine(folder: Path, collection: str | None) -> str | None:
    client = open_embedded(folder, "default_tenant", "default_database")
    try:
        for found in client.list_collections():
            if collection in (None, found.name):
                handle = client.get_collection(found.name, embedding_function=None)
                reason = _read(handle)
                if reason:
                    return f"{reason} in collection '{found.name}'"
        return None
    finally:
        close_client(client)


def _read(handle: Any) -> str | None:
    count = handle.count()
    own = bool((handle.metadata or {}).get("embclust:encoder_id"))
    read, page, first = 0, 100, None
    while read < count:
        result = handle.get(limit=page, offset=read, include=["embeddings", "metadatas"])
        vectors = np.asarray(result["embeddings"], dtype=np.float32)
        if not len(result["ids"]) or len(vectors) != len(result["ids"]):
            return f"has {read} readable rows of {count}"
        lengths = np.linalg.norm(vectors, axis=1)
        if own and not (np.abs(lengths - 1) < _UNIT_TOLERANCE).all():
            return "has changed vectors"
        first = vectors[0] if first is None else first
        read += len(vectors)
        page = max(1, min(_PAGE, _PAGE_VALUES // vectors.shape[1]))
    if first is not None:
        found = handle.query(query_embeddings=[first], n_results=min(10, count), include=[])
        if not found["ids"][0]:
            return "finds nothing"
    return None


def main(arguments: list[str]) -> int:
    """Examine FOLDER [COLLECTION] and print the answer."""
    collection = arguments[1] if len(arguments) > 1 else None
    reason: str | None
    try:
        reason = _examine(Path(arguments[0]), collection)
    except Exception as error:  # noqa: BLE001 - whatever it is, the store cannot be read
        reason = f"cannot be read ({str(error)[:200] or type(error).__name__})"
    sys.stdout.write(json.dumps({"reason": reason}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
