"""Text tables as lines: encodings, byte order marks, gzip."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from embclust.errors import InputTableError, SettingsError

__all__ = ["MAX_LINE", "TextFile"]

MAX_LINE: Final = 64 * 2**20
"""Characters in a line, at most: a file without line ends must not fill the memory."""

_GZIP: Final = b"\x1f\x8b"
_MARKS: Final = (  # UTF-32 first: its mark begins like that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class TextFile:
    """A text file that is read line by line, as often as wanted."""

    def __init__(self, path: Path, encoding: str) -> None:
        """`encoding`: a codec's name, or 'auto' for byte order marks and else strict UTF-8."""
        self.path = path
        self.encoding = encoding
        if encoding == "auto":
            self.encoding = self._find_encoding()
        elif codecs.lookup(encoding).name == "utf-8":
            self.encoding = "utf-8-sig"

    def lines(self) -> Iterator[str]:
        """Yield the lines with their ends. Raises InputTableError where they cannot be read."""
        with self._open() as binary:
            try:
                text = io.TextIOWrapper(binary, encoding=self.encoding, newline="")
            except LookupError as error:
                raise SettingsError(
                    f"source.encoding: '{self.encoding}' is no text encoding.",
                    "Name one such as utf-8, utf-16-le or cp1252.",
                ) from error
            try:
                number = 0
                while line := text.readline(MAX_LINE):
                    number += 1
                    if len(line) >= MAX_LINE:
                        raise InputTableError(
                            f"{self.path}, line {number}: longer than {MAX_LINE:,} characters.",
                            "Is this a text table with one row per line?",
                        )
                    yield line
            except UnicodeError as error:
                raise self._not_text() from error

    def head(self, size: int) -> bytes:
        """Return the first bytes, unpacked."""
        with self._open() as binary:
            return binary.read(size)

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        try:
            with self.path.open("rb") as raw:
                packed = raw.peek(2)[:2] == _GZIP
                if packed:
                    with gzip.open(raw) as unpacked:
                        yield cast("BinaryIO", unpacked)
                else:
                    yield raw
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputTableError(
                f"{self.path} is damaged or cut short (gzip: {error}).", "Fetch or pack it again."
            ) from error
        except OSError as error:
            raise InputTableError(
                f"{self.path} cannot be read: {error.strerror or error}."
            ) from error

    def _find_encoding(self) -> str:
        head = self.head(4096)
        for mark, name in _MARKS:
            if head.startswith(mark):
                return name
        if head.count(0) > len(head) // 5:
            guess = "utf-16-be" if head[:1] == b"\0" else "utf-16-le"
            raise InputTableError(
                f"{self.path} looks like UTF-16 without a byte order mark.",
                f"Set source.encoding: {guess}.",
            )
        return "utf-8-sig"

    def _not_text(self) -> InputTableError:
        offset, bad = self._first_bad_byte()
        shown = "UTF-8" if self.encoding == "utf-8-sig" else self.encoding
        what = f"byte 0x{bad:02x} at offset {offset}" if bad is not None else "its end"
        return InputTableError(
            f"{self.path} is not {shown}: {what} does not decode.",
            "Name the real one with source.encoding, e.g. cp1252 or utf-16-le.",
        )

    def _first_bad_byte(self) -> tuple[int, int | None]:
        """Decode again, keeping count: the codec's own offset is relative to its buffer."""
        decoder = codecs.getincrementaldecoder(self.encoding)()
        done = 0
        with self._open() as binary:
            while True:
                block = binary.read(2**16)
                pending = len(decoder.getstate()[0])
                try:
                    decoder.decode(block, final=not block)
                except UnicodeDecodeError as error:
                    return done - pending + error.start, error.object[error.start]
                except UnicodeError:
                    return done, None
                if not block:
                    return done, None
                done += len(block)
