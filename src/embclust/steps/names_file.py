"""names.json: the names of a collection's clusters, which people may edit by hand.

    {"schema": 1, "names": {"3": {"name": "Watches", "proposed": "Watch", "source": "keywords",
                                  "evidence_ids": ["1163", "1164"]}}}

`proposed` is what the namer said. A name that differs from it was edited, and wins.
"""

from __future__ import annotations

import json
import re
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
    hint = "Correct it, or delete the file to have the clusters named anew."
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=_unique)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", hint) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{path} is no UTF-8 in line {line}.", hint) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid JSON: {error}.", hint) from error
    names = content.get("names") if isinstance(content, dict) else None
    if not isinstance(names, dict):
        raise UsageError(f"{path} has no 'names'.", hint)
    found = {}
    for number, value in names.items():
        if not re.fullmatch(r"[0-9]{1,9}", number):
            raise UsageError(f"{path}: a cluster's number is expected, not '{number}'.", hint)
        try:
            entry = _entry(value)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{path}, cluster {number}: {error}.", hint) from error
        if entry is not None:
            found[int(number)] = entry
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON takes the last of two equal keys; the other may be the one somebody cares for."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"'{twice}' is there twice")
    return found


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
    """Read an entry; a bare string will do. None when the name was emptied.

    Raises TypeError or ValueError for anything else.
    """
    if isinstance(value, str):
        value = {"name": value}
    if value is None:
        return None
    if not isinstance(value, dict):
        raise TypeError('a name in quotes, or {"name": "..."}, is expected')
    name, proposed, evidence = (value.get(key) for key in ("name", "proposed", "evidence_ids"))
    if name is not None and not isinstance(name, str):
        raise TypeError("a name is text in quotes")
    if name is None or clean_name(name) is None:
        return None
    return StoredName(
        name=name,
        source=str(value.get("source", EDITED)),
        proposed=proposed if isinstance(proposed, str) else None,
        evidence_ids=[str(item) for item in evidence] if isinstance(evidence, list) else [],
    )
