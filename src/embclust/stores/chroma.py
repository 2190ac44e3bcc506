"""Vectors in Chroma: embedded in a folder, or on a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from embclust.data import CollectionInfo, EmbeddedBatch, Item
from embclust.errors import CollectionNotFoundError, RefusedError
from embclust.stores import _folder
from embclust.stores._client import chromadb_version
from embclust.stores._errors import AbsentError
from embclust.stores._index_files import quick_check
from embclust.stores._metadata import from_chroma
from embclust.stores._place import Place, check_folder, open_folder, open_url
from embclust.stores._probe import probe
from embclust.stores._records import (
    check_same,
    collection_metadata,
    dim_of,
    exact_nearest,
    info_of,
    is_own,
    space_of,
)
from embclust.stores._writing import MAX_ROWS, chunks, send

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["ChromaStore"]

_PAGE_VALUES: Final = 4_000_000
"""Numbers read at once, at most: chromadb holds them as float64 beside our float32."""


class ChromaStore:
    """One collection in Chroma, cosine space, with the encoder recorded in its metadata.

    The place is opened by the first method that needs it. Reading never creates anything. A
    folder that embclust did not make is read from a copy and never written to; collections of
    other programs on a server are read as well, and never written to or dropped.
    """

    class Options(BaseModel):
        """Where the store is. Neither `path` nor `url`: in the workspace."""

        model_config = ConfigDict(extra="forbid")

        path: Path | None = Field(None, description="Folder of an embedded store.")
        url: str | None = Field(
            None, pattern=r"^https?://", description="Address of a Chroma server."
        )
        token: SecretStr | None = Field(
            None, description="Token for the server, sent as Authorization and X-Chroma-Token."
        )
        headers: dict[str, SecretStr] = Field(
            default_factory=dict, description="Further headers for the server."
        )
        tenant: str = Field("default_tenant", description="Chroma's tenant.")
        database: str = Field("default_database", description="Chroma's database.")
        timeout: float = Field(60.0, gt=0, description="Seconds for one request to the server.")
        retries: int = Field(4, ge=0, le=20, description="Further attempts when a server fails.")

        @model_validator(mode="after")
        def _one_place(self) -> Self:
            if self.path is not None and self.url is not None:
                raise ValueError("set path or url, not both")
            return self

        def all_headers(self) -> dict[str, str]:
            """Return the headers with the secrets in them."""
            headers = {name: value.get_secret_value() for name, value in self.headers.items()}
            if self.token is not None:
                token = self.token.get_secret_value()
                headers = {"Authorization": f"Bearer {token}", "X-Chroma-Token": token, **headers}
            return headers

    def __init__(self, options: Options, *, collection: str, folder: Path) -> None:
        self._options = options
        self._name = collection
        self._folder = None if options.url else (options.path or folder).expanduser().absolute()
        self._place: Place | None = None
        self._handle: Any = None
        self._closed = False

    @property
    def warnings(self) -> list[str]:
        """What a person should know about how the place was opened; filled by then."""
        return list(self._place.warnings) if self._place else []

    def info(self) -> CollectionInfo:
        """See `Store.info`. `encoder_id` and `field` are '' when another program made it."""
        handle = self._existing()
        return info_of(handle, self._name, self._call)

    def check(self) -> None:
        """See `Store.check`. Another chromadb's store passes: it is made anew from the ledger."""
        if self._folder is not None:
            check_folder(self._folder)

    def create(self, info: CollectionInfo) -> None:
        """See `Store.create`. Raises RefusedError where another program's collection is."""
        place = self._writable()
        handle = self._get(place)
        if handle is None:
            handle = place.call(
                place.client.get_or_create_collection,
                name=self._name,
                configuration={"hnsw": {"space": "cosine"}},
                metadata=collection_metadata(info),
                embedding_function=None,
            )
        check_same(handle, info, place.name)
        self._handle = handle

    def upsert(self, batch: EmbeddedBatch) -> None:
        """See `Store.upsert`. One call to Chroma is all or nothing.

        A batch beyond 5,000 rows or 32 MB takes several calls, each of them all or nothing;
        everything that can be wrong with the rows is found before the first.
        """
        handle = self._own()
        place = self._writable()
        for part in chunks(batch, handle, place):
            send(part, handle, place)

    def scan(self, batch_size: int = 2000) -> Iterator[EmbeddedBatch]:
        """See `Store.scan`. In the order of insertion; lists in the metadata become JSON text."""
        handle = self._existing()
        include = ["embeddings", "metadatas"] + ([] if is_own(handle) else ["documents"])
        dim = dim_of(handle, self._call)
        page = max(1, min(batch_size, MAX_ROWS, _PAGE_VALUES // max(dim, 1)))
        offset = 0
        while True:
            found = self._call(handle.get, limit=page, offset=offset, include=include)
            ids = found["ids"]
            if not ids:
                return
            vectors = np.asarray(found["embeddings"], dtype=np.float32)
            documents = found.get("documents") or [None] * len(ids)
            metadatas = found["metadatas"] or [None] * len(ids)
            items = [
                Item(item_id, from_chroma(metadata, document))
                for item_id, metadata, document in zip(ids, metadatas, documents, strict=True)
            ]
            yield EmbeddedBatch(items, vectors)
            offset += len(ids)

    def query(self, vector: NDArray[np.float32], n: int) -> list[tuple[str, float]]:
        """See `Store.query`. Approximate, by Chroma's graph.

        In a collection of another space than cosine every row is compared instead: the graph
        orders by another distance there.
        """
        handle = self._existing()
        if n <= 0:
            return []
        if space_of(handle) != "cosine":
            return exact_nearest(self.scan(MAX_ROWS), vector, n)
        found = self._call(
            handle.query,
            query_embeddings=[np.asarray(vector, dtype=np.float32)],
            n_results=n,
            include=["distances"],
        )
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return [(item_id, max(0.0, float(distance))) for item_id, distance in pairs]

    def delete(self, ids: Sequence[str]) -> None:
        """See `Store.delete`."""
        handle = self._own()
        self._writable()
        distinct = list(dict.fromkeys(ids))
        for start in range(0, len(distinct), MAX_ROWS):
            self._call(handle.delete, ids=distinct[start : start + MAX_ROWS])

    def drop(self) -> None:
        """See `Store.drop`. Raises RefusedError when another program made the collection."""
        self._own()
        place = self._writable()
        self._handle = None
        self._call(place.client.delete_collection, name=self._name)
        if place.folder is not None:
            _folder.remove_orphans(place.folder)

    def collections(self) -> list[str]:
        """See `Store.collections`. [] where nothing is."""
        place = self._open(write=False)
        if place is None:
            return []
        names: list[str] = []
        while True:
            page = place.call(place.client.list_collections, limit=1000, offset=len(names))
            names += [found.name for found in page]
            if len(page) < 1000:
                return sorted(names)

    def fingerprint(self) -> str:
        """See `Store.fingerprint`. 'absent' when the store is gone; '' for a server."""
        return "" if self._folder is None else _folder.fingerprint(self._folder)

    def damage(self, *, deep: bool) -> str | None:
        """See `Store.damage`. Files are looked at here, all vectors read in a child process.

        Only for a store that nobody has open. A store of another program is never suspected.
        """
        if self._folder is None or _folder.owner(self._folder) in {"other program", "no store"}:
            return None
        made_by = _folder.made_by(self._folder)
        if made_by is not None and made_by != chromadb_version():
            return f"was made by chromadb {made_by or '(unknown)'}, not {chromadb_version()}"
        reason = quick_check(self._folder)
        if reason is None and deep:
            reason = probe(self._folder)
        return reason

    def set_aside(self) -> str | None:
        """See `Store.set_aside`. Raises RefusedError for another program's folder."""
        if self._folder is None:
            return None
        if _folder.owner(self._folder) in {"other program", "no store"}:
            raise RefusedError(f"{self._folder} was not made by embclust and is left as it is.")
        self._release()
        aside = _folder.set_aside(self._folder)
        return None if aside is None else str(aside)

    def made_by(self) -> str | None:
        """Return the chromadb version that made embclust's own folder; None for any other."""
        return None if self._folder is None else _folder.made_by(self._folder)

    def close(self) -> None:
        """See `Store.close`. The same place can be opened again afterwards."""
        self._closed = True
        self._release()

    def _release(self) -> None:
        place, self._place, self._handle = self._place, None, None
        if place is not None:
            place.close()

    def _open(self, *, write: bool) -> Place | None:
        if self._closed:
            raise RuntimeError("this store is closed")
        if self._place is None:
            options = self._options
            names = (options.tenant, options.database)
            if self._folder is None:
                self._place = open_url(
                    str(options.url),
                    options.all_headers(),
                    *names,
                    options.timeout,
                    options.retries + 1,
                )
            else:
                self._place = open_folder(self._folder, self._name, *names, write=write)
        return self._place

    def _writable(self) -> Place:
        place = self._open(write=True)
        if place is None:
            raise AssertionError("a place opened to be written to exists")
        if place.read_only is not None:
            raise place.read_only
        return place

    def _call(self, function: Any, /, *arguments: Any, **keywords: Any) -> Any:
        place = self._open(write=False)
        try:
            return function() if place is None else place.call(function, *arguments, **keywords)
        except AbsentError as error:
            self._handle = None
            raise CollectionNotFoundError(self._name, self.collections()) from error

    def _get(self, place: Place) -> Any:
        if self._handle is None:
            try:
                self._handle = place.call(
                    place.client.get_collection, name=self._name, embedding_function=None
                )
            except AbsentError:
                return None
        return self._handle

    def _existing(self) -> Any:
        place = self._open(write=False)
        handle = None if place is None else self._get(place)
        if handle is not None:
            return handle
        error = CollectionNotFoundError(self._name, [] if place is None else self.collections())
        if place is None:
            error.hint = f"There is no store at {self._folder}."
        raise error

    def _own(self) -> Any:
        handle = self._existing()
        if not is_own(handle):
            raise RefusedError(
                f"Collection '{self._name}' was made by another program: embclust only reads it.",
                "Choose another store.collection_prefix.",
            )
        return handle
