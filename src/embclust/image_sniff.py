"""What a body looks like when it cannot be decoded, so that the reason says something."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["cut_short", "looks_like", "unsupported"]

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"GIF8", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"8BPS", "PSD"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"%!PS", "EPS"),
    (b"%PDF", "PDF"),
    (b"\0\0\1\0", "ICO"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"SIMPLE  =", "FITS"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "ZIP"),
    (b"BM", "BMP"),
)
_PICTURES: Final = frozenset(
    {"SVG", "PSD", "EPS", "ICO", "JPEG XL", "JPEG 2000", "FITS", "DDS", "QOI", "HEIC"}
)
_HTML: Final = re.compile(
    rb"<(!doctype\s+html|html|head|body|script|title|h1|p|div)\b", re.IGNORECASE
)
_SVG: Final = re.compile(rb"<(!doctype\s+)?svg\b", re.IGNORECASE)
_TEXT: Final = re.compile(rb"[\t\n\r\f\x20-\x7e\x80-\xff]+")


def looks_like(body: bytes) -> str:
    """Name the kind of a body by its first bytes."""
    for signature, name in _SIGNATURES:
        if body.startswith(signature):
            return name
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "WEBP"
    if body[4:8] == b"ftyp":
        brand = body[8:12]
        return "AVIF" if brand in (b"avif", b"avis") else _heif(brand)
    return _text(body[:2048])


def unsupported(kind: str) -> bool:
    """True for a picture format that is not read; False for what is no picture at all."""
    return kind in _PICTURES


def cut_short(body: bytes, kind: str) -> bool:
    """True when a picture of a known format lacks its end."""
    end_marks = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b"\x3b"}
    if kind in end_marks:
        return end_marks[kind] not in body[-64:]
    lengths = {
        "WEBP": lambda: int.from_bytes(body[4:8], "little") + 8,
        "BMP": lambda: int.from_bytes(body[2:6], "little"),
        "AVIF": lambda: _boxes_end(body),
    }
    return kind in lengths and lengths[kind]() > len(body)


def _boxes_end(body: bytes) -> int:
    """Where the last box of an ISO media file says it ends."""
    at = 0
    while at + 8 <= len(body):
        size = int.from_bytes(body[at : at + 4], "big")
        if size < 8:  # 0: up to the end; 1: a 64 bit length follows, not used by pictures
            return len(body)
        at += size
    return at


def _heif(brand: bytes) -> str:
    return "HEIC" if brand in (b"heic", b"heix", b"mif1", b"msf1", b"hevc") else "a video"


def _text(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        return "white space"
    if not _TEXT.fullmatch(text):
        return "unknown data"
    if _SVG.search(text) and not _HTML.match(text):
        return "SVG"
    if _HTML.search(text):
        return "HTML"
    return {b"<": "XML", b"{": "JSON", b"[": "JSON"}.get(text[:1], "text")
