"""How answers look: JSON, tables and bars on stdout; notes and progress on stderr.

Text from catalogues and people is made plain first (`plain`), so no title can move the cursor or recolour a terminal.
"""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from agent.errors import ModelUnavailable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress as Drawn
    from rich.table import Table

    from agent.types import Degradation, Evidence, Rationale, Recommendation, Slate, Step

QUIET_S = 10.0
_UNDRAWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINER = "\u200d"  # holds the parts of one sign together
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def plain(text: object) -> str:
    """The text on one line, without characters that a terminal obeys (escapes, controls, direction overrides)."""
    return " ".join(harmless(text).split())


def harmless(text: object) -> str:
    """The text without characters that a terminal obeys; line ends stay, other white space becomes blanks."""
    drawn = (char if char == "\n" else " " if char.isspace() else char for char in str(text))
    return "".join(char for char in drawn if char in "\n" + _JOINER or unicodedata.category(char) not in _UNDRAWN)


def out() -> Console:
    """The console of results: stdout, 80 columns where it is not a terminal; `NO_COLOR` is obeyed."""
    return _console(sys.stdout)


def err() -> Console:
    """The console of everything that is not a result: stderr."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, highlight=False, emoji=False, markup=False, soft_wrap=False)


def write_json(value: object, *, indent: int | None = 2) -> None:
    """Write one JSON value on stdout, on one line for `indent=None`; letters are escaped unless stdout speaks UTF-8."""
    speaks_utf8 = (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.write(json.dumps(value, indent=indent, ensure_ascii=not speaks_utf8, allow_nan=False) + "\n")
    sys.stdout.flush()


def note(line: str) -> None:
    """One line on stderr that is neither a result nor an error."""
    from rich.text import Text

    err().print(Text.assemble(("! ", "yellow"), plain(line)), soft_wrap=True)


def told(line: str) -> None:
    """One line on stderr about a slow step that begins or ends."""
    from rich.text import Text

    err().print(Text(plain(line), style="dim"), soft_wrap=True)


def bar(share: float, width: int) -> str:
    """A bar of at most `width` columns, filled to `share` in [0, 1] in eighths; a sliver for the smallest."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def count(n: int, noun: str) -> str:
    """`1 item`, `3,000 items`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def facts(rows: Mapping[str, object] | Sequence[tuple[str, object]]) -> Table:
    """A two-column table: names dim on the left, values on the right; values may be rich text."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items() if isinstance(rows, Mapping) else rows:
        table.add_row(name, value if isinstance(value, Text) else plain(value))
    return table


def draw_slate(slate: Slate, heading: str) -> None:
    """Draw a slate: a heading, one block a recommendation, the time it took; what degraded goes to stderr as notes."""
    from rich.text import Text

    console = out()
    console.print(Text.assemble((plain(heading), "bold"), (f"  “{plain(slate.wish)}”", "italic") if slate.wish else ""))
    console.print()
    for recommendation in slate:
        console.print(_block(recommendation))
    if slate.timings_ms:
        console.print(Text(timings_line(slate.timings_ms), style="dim"))
    note_degraded(slate.degraded)


def _block(recommendation: Recommendation) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(expand=True, padding=(0, 1))
    head.add_column(width=3, justify="right")
    head.add_column(ratio=1)
    head.add_column(justify="right", no_wrap=True)
    name = Text(plain(recommendation.item.name), style="bold cyan")
    score = f"{recommendation.score:+.2f}" if recommendation.path else ""
    head.add_row(Text(f"{recommendation.rank}", style="bold"), name, Text(score, style="dim"))
    lines: list[RenderableType] = [head]
    if recommendation.item.tags:
        lines.append(Padding(Text(plain(" · ".join(recommendation.item.tags[:6])), style="dim"), (0, 0, 0, 4)))
    if recommendation.explored:
        lines.append(Padding(Text("tried out: what you think of it tells more", style="dim"), (0, 0, 0, 4)))
    if recommendation.rationale is not None:
        lines.append(Padding(Text(plain(recommendation.rationale.sentence)), (0, 0, 0, 4)))
        lines.append(Padding(Text(_ground(recommendation.rationale), style="dim"), (0, 0, 0, 4)))
    return Group(*lines, "")


def _ground(rationale: Rationale) -> str:
    return f"{evidence_line(rationale.evidence)} ({rationale.source})"


def evidence_line(evidence: Sequence[Evidence]) -> str:
    """The evidence on one line: what the person did, then what the item says, each once."""
    events = dict.fromkeys(plain(e.value) for e in evidence if e.kind == "event")
    fields: dict[str, list[str]] = {}
    for e in evidence:
        if e.kind == "item" and plain(e.value) not in fields.setdefault(e.ref, []):
            fields[e.ref].append(plain(e.value))
    parts = [", ".join(events)] if events else []
    parts += [f"{plain(name)}: {', '.join(values)}" for name, values in fields.items()]
    return "rests on " + " · ".join(parts) if parts else "rests on nothing stored"


def timings_line(timings_ms: Mapping[str, float]) -> str:
    """`recall 12 ms · rerank 640 ms · total 1.2 s`, in the order given."""
    return " · ".join(f"{plain(name)} {duration(value)}".replace(" ", "\u00a0") for name, value in timings_ms.items())


def duration(milliseconds: float) -> str:
    """A length of time a person can read: `8 ms`, `1.2 s`, `3 min 20 s`."""
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1_000
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"


def note_degraded(degraded: Sequence[Degradation]) -> None:
    """One note on stderr for each stage that did less than asked; a model that is not there is `require_model`'s."""
    for stage in (d for d in degraded if d.stage != "model"):
        note(f"{stage.stage}: {stage.reason}")


def require_model(slate: Slate) -> None:
    """Do nothing where the model could be opened. Raises ModelUnavailable otherwise: call it once the answer is out."""
    for stage in (d for d in slate.degraded if d.stage == "model"):
        raise ModelUnavailable(f"answered without the language model: {stage.reason}")


def draw_why(slate: Slate) -> None:
    """Draw the whole path of each item; what degraded goes to stderr as notes."""
    console = out()
    for block in why_blocks(slate):
        console.print(block)
    note_degraded(slate.degraded)


def why_blocks(slate: Slate) -> Iterator[RenderableType]:
    """The whole path of each item: its ranks from stage to stage, every step, its reason, the prompts used."""
    from rich.text import Text

    for recommendation in slate:
        title = (plain(recommendation.item.name), "bold cyan")
        yield Text.assemble(title, f"  for {plain(slate.user_id)}", f"  “{plain(slate.wish)}”" if slate.wish else "")
        yield Text(rank_line(recommendation.path), style="dim")
        yield _steps(recommendation.path)
        if recommendation.rationale is not None:
            yield Text(plain(recommendation.rationale.sentence))
            yield Text(f"{_ground(recommendation.rationale)}\n", style="dim")
    if slate.prompts:
        yield facts([(f"prompt {plain(name)}", mark[:16]) for name, mark in slate.prompts.items()])


def rank_line(path: Sequence[Step]) -> str:
    """The item's rank at each stage that ranked it: `rank: recall 4 → prior 3 → rerank 1`."""
    ranks: dict[str, int] = {}
    for step in path:
        if step.rank is not None:
            ranks.setdefault(plain(step.stage), step.rank)
    return "rank: " + (" → ".join(f"{stage} {rank}" for stage, rank in ranks.items()) or "none")


def _steps(path: Sequence[Step]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("stage")
    table.add_column("source", overflow="fold")
    table.add_column("score", justify="right")
    table.add_column("rank", justify="right")
    for step in path:
        rank = "" if step.rank is None else str(step.rank)
        table.add_row(plain(step.stage), plain(step.source), f"{step.score:.4g}", rank)
    return table


class Meter:
    """Shows how far a piece of work is, on stderr: called with `(done, total)`, from the first call on.

    On a terminal a bar with the time left is drawn, and wiped when the work is done. Elsewhere no bar: a plain line at
    most every ten seconds. `total` 0 or less means that the end is not known. `close` may be called at any time.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._drawn: Drawn | None = None
        self._began = self._said = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` is done."""
        if sys.stderr.isatty():
            self._draw(done, total)
        else:
            self._say(done, total)

    def close(self) -> None:
        """Wipe the bar, if one is drawn."""
        if self._drawn:
            self._drawn.stop()
            self._drawn = None

    def _draw(self, done: int, total: int) -> None:
        if self._drawn is None:
            self._drawn = _bar_with_eta()
            self._drawn.add_task(self._doing, total=None)
            self._drawn.start()
        self._drawn.update(self._drawn.task_ids[0], completed=done, total=total if total > 0 else None)
        if 0 < total <= done:
            self.close()

    def _say(self, done: int, total: int) -> None:
        now = time.monotonic()
        self._began = self._began or now
        self._said = self._said or now
        if now - self._said >= QUIET_S:
            self._said = now
            sys.stderr.write(progress_line(self._doing, done, total, now - self._began) + "\n")


def _bar_with_eta() -> Drawn:
    from rich import progress

    columns: Sequence[progress.ProgressColumn] = (
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=30),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    return progress.Progress(*columns, console=err(), transient=True)


def progress_line(doing: str, done: int, total: int, elapsed_s: float) -> str:
    """How far the work is, in words: `Indexing: 1,200 of 3,000, about 33 s left`."""
    if total <= 0 or done <= 0:
        return f"{doing}: {done:,}"
    left = duration(1_000 * elapsed_s * max(0, total - done) / done)
    return f"{doing}: {done:,} of {total:,}, about {left} left"
