"""What a model was asked and what it answered, in words a person can read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.llm.base import Completion, Score

MAX_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model: the method, all that it read, all that it answered."""

    method: str
    prompt: str
    reply: str

    def as_row(self) -> dict[str, object]:
        """The call as plain JSON values; texts are cut at 20,000 characters, and say so."""
        return {"method": self.method, "prompt": cut(self.prompt), "reply": cut(self.reply)}


def scored(prefix: str, continuations: Sequence[str], scores: Sequence[Score]) -> Call:
    """A call of `score`: each continuation with its log-probability in nats."""
    lines = [f"{score.logprob:9.3f} {text}" for text, score in zip(continuations, scores, strict=True)]
    return Call("score", _asked(prefix, continuations), "\n".join(lines))


def chosen(
    prefix: str, suffixes: Sequence[str], options: Sequence[Sequence[str]], rows: Sequence[Sequence[float]]
) -> Call:
    """A call of `choose`: after each suffix, the log-probability (nats) of each option, named by its first spelling."""
    names = [spellings[0] if spellings else "" for spellings in options]
    lines = ["  ".join(f"{name!r} {one:.3f}" for name, one in zip(names, row, strict=True)) for row in rows]
    return Call("choose", _asked(prefix, suffixes), "\n".join(lines))


def orders(prefix: str, suffixes: Sequence[str], labels: Sequence[str], rows: Sequence[Sequence[int]]) -> Call:
    """A call of `arrange`: after each suffix, the labels in the model's order."""
    lines = [" ".join(labels[n].strip() for n in row) for row in rows]
    return Call("arrange", _asked(prefix, suffixes), "\n".join(lines))


def completed(prefix: str, suffixes: Sequence[str], texts: Sequence[Completion]) -> Call:
    """A call of `complete`: what was written after each suffix, and why it ended where it did not just end."""
    parts = [one.text + ("" if one.finish_reason == "stop" else f" [{one.finish_reason}]") for one in texts]
    return Call("complete", _asked(prefix, suffixes), "\n---\n".join(parts))


def cut(text: str, most: int = MAX_CHARS) -> str:
    """The text, or its first `most` characters and how many more there were."""
    return text if len(text) <= most else f"{text[:most]} [{len(text) - most:,} more characters]"


def _asked(prefix: str, suffixes: Sequence[str]) -> str:
    """The prefix with its one suffix, or with all that it was asked with, each on a line that begins with >."""
    if len(suffixes) == 1:
        return prefix + suffixes[0]
    return prefix + "".join(f"\n> {suffix}" for suffix in suffixes)
