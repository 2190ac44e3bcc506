"""Splits texts of any script into words, and folds the forms of one word onto one key."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["STOP_WORDS", "fold", "is_unspaced", "tokens"]

_ENGLISH: Final = """
    a about above after again all also am an and any are as at be because been before being
    below between both but by can could did do does doing down during each etc few for from
    further had has have having he her here hers him his how i if in into is it its itself just
    me more most my no nor not now of off on once only or other our ours out over own per same
    she should so some such than that the their theirs them then there these they this those
    through to too under until up upon us very via was we were what when where which while who
    whom why will with within without would you your yours www http https com html jpg jpeg png
    gif webp img image photo picture nbsp amp null none nan na unknown untitled
"""
STOP_WORDS: Final = frozenset(_ENGLISH.split())
"""English function words, and what is left of addresses, file names and empty cells."""

# Everything but white space, ASCII marks and Unicode's punctuation and symbol blocks. `\w` would
# not do: it leaves out the vowel signs of Devanagari, Thai and others and tears words apart.
_TOKEN: Final = re.compile(
    "[^\\s\x00-\x1f!-&(-,./:-@\\[-`{-\x9f\u00a0-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb-\u00bf"
    "\u00d7\u00f7\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965"
    "\u2000-\u200b\u200e-\u2018\u201a-\u206f\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f"
    "\u3000-\u303f\u30fb\ufe00-\ufe6f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
    "\U0001f000-\U0001faff]+"
)
_HAN: Final = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_KATAKANA: Final = re.compile("[\u30a1-\u30fa\u30fc]+")
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_NUMBER: Final = re.compile(r"[\d.,'-]+(?:st|nd|rd|th|s|x|cm|mm|ml|kg|g|l|m|in|oz)?")
_IRREGULAR: Final = {
    "men": "man",
    "women": "woman",
    "children": "child",
    "people": "person",
    "feet": "foot",
    "teeth": "tooth",
    "geese": "goose",
    "mice": "mouse",
}
_LONGEST_HAN_WORD = 4


def tokens(text: str) -> list[list[str]]:
    """Return the words of a text as written, in order, in runs between punctuation.

    Numbers without a letter are left out, so are single Latin letters. Chinese and Japanese,
    which have no spaces, are cut into all pieces of two to four ideographs and whole katakana
    words; which of these are words shows when they are counted.
    """
    runs = []
    for part in re.split(r"[,;:|/()\[\]{}!?\n\t\u3001\u3002\uff0c]+|\s[-\u2013\u2014]\s", text):
        run: list[str] = []
        for found in _TOKEN.findall(part):
            word = found.strip("-'\u2019")
            if not word or _NUMBER.fullmatch(word) or (len(word) == 1 and word.isascii()):
                continue
            run.extend(_pieces(word) if _UNSPACED.search(word) else [word])
        if run:
            runs.append(run)
    return runs


def is_unspaced(word: str) -> bool:
    """Whether the word is of a script that is written without spaces."""
    return _UNSPACED.search(word) is not None


def _pieces(word: str) -> list[str]:
    pieces = _KATAKANA.findall(word)
    for run in _HAN.findall(word):
        if len(run) == 1:
            pieces.append(run)
        for length in range(2, min(_LONGEST_HAN_WORD, len(run)) + 1):
            pieces.extend(run[i : i + length] for i in range(len(run) - length + 1))
    return pieces


def fold(word: str) -> str:
    """Return one key for all forms of a word: 'Watches' and 'watch', "Men's" and 'men'.

    Simple rules of English plurals; the key itself need not be a word ('shoes' -> 'sho').
    """
    key = word.casefold().replace("\u2019", "'")
    key = key.removesuffix("'s").replace("'", "").replace("-", "")
    if key in _IRREGULAR:
        return _IRREGULAR[key]
    if len(key) <= 3 or not key.isascii() or key.endswith(("ss", "us", "is")):
        return key
    if key.endswith(("sses", "shes", "ches", "xes", "zzes")):
        key = key[:-2]
    elif key.endswith("s"):
        key = key[:-1]
    # Both numbers end alike now but for these: cookie and party, shoe and tomato, glove and scarf.
    for ending, stem in (("ie", "y"), ("oe", "o"), ("ve", "f"), ("fe", "f")):
        if len(key) > 3 and key.endswith(ending):
            return key.removesuffix(ending) + stem
    return key
