"""Texts to the token ids of a SentencePiece unigram vocabulary. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

_BLANK = "\N{LOWER ONE EIGHTH BLOCK}"  # stands for a space, at the beginning of a piece alone
_UNKNOWN_PENALTY = 10.0
_MAX_WORDS_KEPT = 100_000


class Tokeniser:
    """The likeliest split of a text into pieces (Kudo 2018), begin and end marked.

    No piece holds a space but at its beginning, so words are split one by one and kept. Equal texts give equal ids.
    """

    def __init__(
        self,
        pieces: Sequence[str],
        scores: Sequence[float],
        replacements: Mapping[int, str],
        *,
        begin: int,
        end: int,
        unknown: int,
    ) -> None:
        backwards = zip(scores[::-1], range(len(pieces) - 1, -1, -1), strict=True)
        self._known = dict(zip(pieces[::-1], backwards, strict=True))  # of equal pieces the first counts
        for nothing in ("", pieces[unknown]):
            self._known.pop(nothing, None)
        self._replacements = replacements
        self._begin, self._end, self._unknown = begin, end, unknown
        self._unknown_score = min(scores) - _UNKNOWN_PENALTY
        self._longest = max(map(len, pieces))
        self._words: dict[str, list[int]] = {}

    def ids(self, text: str) -> list[int]:
        """The ids of the text's pieces between those that mark begin and end."""
        return [self._begin, *(piece for word in self._words_of(text) for piece in self._split(word)), self._end]

    def _words_of(self, text: str) -> Iterator[str]:
        line = re.sub("  +", " ", text.translate(self._replacements))
        line = line if line.startswith(" ") else f" {line}"
        return (word.replace(" ", _BLANK) for word in re.findall(" [^ ]*", line))

    def _split(self, word: str) -> list[int]:
        found = self._words.get(word)
        if found is None:
            if len(self._words) >= _MAX_WORDS_KEPT:
                self._words.clear()
            found = self._words[word] = self._likeliest(word)
        return found

    def _likeliest(self, word: str) -> list[int]:
        """Viterbi's algorithm; a character of no piece counts as unknown, at a score below that of every piece."""
        best = [0.0] + [-float("inf")] * len(word)
        back = [(self._unknown, 0)] * (len(word) + 1)
        for start in range(len(word)):
            score = best[start]
            for stop in range(start + 1, min(len(word), start + self._longest) + 1):
                gain, piece = self._known.get(word[start:stop], (-float("inf"), self._unknown))
                if score + gain > best[stop]:
                    best[stop], back[stop] = score + gain, (piece, start)
            if score + self._unknown_score > best[start + 1]:
                best[start + 1], back[start + 1] = score + self._unknown_score, (self._unknown, start)
        ids, at = [], len(word)
        while at:
            piece, at = back[at]
            ids.append(piece)
        return ids[::-1]
