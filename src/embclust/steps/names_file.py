"""names.json: the names of a collection's clusters, which people may edit by hand.

    {"schema": 1, "names": {"3": {"name": "Watches", "proposed": "Watch", "source": "keywords",
                                  "evidence_ids": ["1163", "1164"]}}}

`proposed` is what the namer said. A name that differs from it was edited, and wins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from embclust.errors import UsageError
from embclust.names import clean_name
from embclust.workspace import Workspace, json_bytes

__all__ = ["EDITED", "NAMES_FILE", "StoredName", "read", "to_bytes"]

NAMES_FILE: Final = "names.json"
EDITED: Final = "edited"


@dataclass(frozen=True, slots=True)
class StoredName:
    """One entry of the file."""

    name: str
    source: str
    proposed: str | None
    evidence_ids: list[str] = field(default_factory=list)

    @property
    def edited(self) -> bool:
        """True when somebody changed the name, or wrote it in the first place."""
        return self.name != self.proposed


def read(workspace: Workspace, collection: str) -> dict[int, StoredName]:
    """Return cluster number -> entry; empty when there is no file.

    Raises UsageError when the file is not what it should be: what somebody wrote into it is
    not thrown away in silence.
    """
    path = workspace.collection_folder(collection) / NAMES_FILE
    try:
        raw = path.read_bytes()
    except OSError:
        return {}
    hint = "Correct it, or delete the file to have the clusters named anew."
    try:
        content = json.loads(raw)
    except ValueError as error:
        raise UsageError(f"{path} is not valid JSON: {error}.", hint) from error
    names = content.get("names") if isinstance(content, dict) else None
    if not isinstance(names, dict):
        raise UsageError(f"{path} has no 'names'.", hint)
    entries = ((number, _entry(value)) for number, value in names.items())
    try:
        return {int(number): entry for number, entry in entries if entry is not None}
    except ValueError as error:
        raise UsageError(f"{path}: a cluster's number is expected: {error}.", hint) from error


def to_bytes(names: Iterable[tuple[int, StoredName]]) -> bytes:
    """Return the file's content."""
    entries = {
        str(number): {
            "evidence_ids": stored.evidence_ids,
            "name": stored.name,
            "proposed": stored.proposed,
            "source": stored.source,
        }
        for number, stored in names
    }
    return json_bytes({"schema": 1, "names": entries})


def _entry(value: Any) -> StoredName | None:
    """Read an entry; a bare string will do. None when there is no name in it."""
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict):
        return None
    name, proposed, evidence = (value.get(key) for key in ("name", "proposed", "evidence_ids"))
    if not isinstance(name, str) or clean_name(name) is None:
        return None
    return StoredName(
        name=name,
        source=str(value.get("source", EDITED)),
        proposed=proposed if isinstance(proposed, str) else None,
        evidence_ids=[str(item) for item in evidence] if isinstance(evidence, list) else [],
    )
