"""`palate models`: which language models there are, which are here, and which one is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.commands import render
from agent.commands.options import JsonOption, options_of

if TYPE_CHECKING:
    from rich.progress import Progress as Drawn

    from agent.llm.files.cards import GGUF
    from agent.llm.files.fetch import Progress
    from agent.settings import Settings

app = typer.Typer(no_args_is_help=True, help="List, pull, inspect and choose language models.")

FORMS = "A name from `palate models list`, ./file.gguf, hf:org/repo:file-or-quant, or openai:MODEL"
ReferenceArgument = Annotated[str, typer.Argument(metavar="REF", help=f"{FORMS}.")]
ReferenceOrChosen = Annotated[
    str | None, typer.Argument(metavar="[REF]", help=f"{FORMS}; left out, the one that the settings name.")
]


@app.command("list")
def list_models(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the models known by name, and any other that the settings name."""
    from agent.llm.registry import known

    settings = options_of(ctx).load().settings
    rows = [
        {
            "reference": card.reference,
            "chosen": card.reference == settings.model.reference.lower(),
            "installed": card.installed is not None,
            "path": str(card.installed) if card.installed else None,
            "bytes": card.bytes,
            "sha256": card.sha256,
            "license": card.license,
            "about": card.about,
        }
        for card in known(settings)
    ]
    if as_json:
        render.write_json({"models": rows, "chosen": settings.model.reference})
    else:
        _draw_list(rows, settings.model.reference)


@app.command()
def pull(ctx: typer.Context, reference: ReferenceOrChosen = None, as_json: JsonOption = False) -> None:
    """Fetch a model file, check it, and make the quicker variant for a machine without a GPU."""
    from agent.llm.registry import prepare, resolve

    settings = options_of(ctx).load().settings
    with _shown() as progress:
        model = resolve(reference or settings.model.reference, settings, progress=progress)
        used = prepare(model, settings, progress=progress)
    _show(_described(model, used if used.variant else None, settings), as_json)


@app.command()
def info(ctx: typer.Context, reference: ReferenceOrChosen = None, as_json: JsonOption = False) -> None:
    """Show what a model is: path, size, hash, licence, source, variant. Nothing is fetched."""
    from agent.llm.files import variant
    from agent.llm.files.reference import EndpointReference, parse
    from agent.llm.registry import find, variant_kind

    settings = options_of(ctx).load().settings
    wanted = reference or settings.model.reference
    parsed = parse(wanted)
    if isinstance(parsed, EndpointReference):
        address = settings.endpoint.base_url
        _show({"reference": wanted, "kind": "endpoint", "model": parsed.model, "base_url": address}, as_json)
        return
    with _shown() as progress:
        model = find(wanted, settings, progress=progress)
    if model is None:
        _show(_absent(wanted), as_json)
        return
    kind = variant_kind(model, settings)
    _show(_described(model, variant.existing(model, settings, kind) if kind else None, settings), as_json)


@app.command()
def use(ctx: typer.Context, reference: ReferenceArgument, as_json: JsonOption = False) -> None:
    """Choose the model: write it into the settings file, whose other lines stay as they are."""
    from agent.settings import FILE_NAME, environment_name
    from agent.toml_file import write_value

    loaded = options_of(ctx).load()
    file = loaded.file or Path(FILE_NAME)
    written, here = _checked(reference.strip(), loaded.settings, file)
    write_value(file, "model", "reference", written)
    answer = {"reference": written, "file": str(file), "previous": loaded.settings.model.reference, "installed": here}
    if as_json:
        render.write_json(answer)
    else:
        render.out().print(render.plain(f"{file}: model.reference = {written}"), soft_wrap=True)
    if loaded.origins["model.reference"].startswith(("env", "flag")):
        render.note(f"{environment_name('model.reference')} or --model still decides where it is given")
    if loaded.settings.model.sha256 and written != loaded.settings.model.reference:
        render.note("model.sha256 is set: it must be the hash of the new model, or be taken out")
    if not here:
        render.note(f"the file is not here yet: palate models pull {reference.strip()}")


def _checked(reference: str, settings: Settings, file: Path) -> tuple[str, bool]:
    """The reference as the settings file shall have it, and whether its file is here. Raises as `find` does."""
    from agent.llm.files.reference import EndpointReference, FileReference, parse
    from agent.llm.registry import find

    parsed = parse(reference)
    if isinstance(parsed, EndpointReference):
        return reference, True
    with _shown() as progress:
        here = find(reference, settings, progress=progress) is not None
    if isinstance(parsed, FileReference) and file.parent.resolve() != Path.cwd():
        return str(parsed.path.resolve()), here
    return reference, here


def _absent(reference: str) -> dict[str, Any]:
    from agent.llm.files.cards import card_of

    card = card_of(reference)
    facts = {"bytes": card.bytes, "sha256": card.sha256, "license": card.license} if card else {}
    return {"reference": reference, "kind": "file", "installed": False, **facts}


def _described(model: GGUF, made: GGUF | None, settings: Settings) -> dict[str, Any]:
    """The documented JSON shape of `palate models info` and `pull`."""
    from agent.llm.files.gguf import read_header

    header = read_header(model.path)
    return {
        "reference": model.reference,
        "kind": "file",
        "installed": True,
        "path": str(model.path),
        "bytes": model.path.stat().st_size,
        "sha256": model.sha256,
        "license": model.license,
        "source": model.source,
        "file_type": header.file_type,
        "architecture": header.architecture,
        "context_tokens": header.context_tokens,
        "chat_template": header.chat_template,
        "variant": _variant(made) if made else None,
        "variant_note": "in use" if made else _why_no_variant(model, settings),
    }


def _variant(made: GGUF) -> dict[str, Any]:
    size = made.path.stat().st_size
    return {"file_type": made.file_type, "path": str(made.path), "bytes": size, "sha256": made.sha256}


def _why_no_variant(model: GGUF, settings: Settings) -> str:
    from agent.llm.files import variant
    from agent.llm.registry import variant_kind

    if variant_kind(model, settings):
        return "made on first use"
    if settings.model.requantise == "off":
        return "switched off (model.requantise)"
    none_made = settings.model.requantise != "auto" or model.file_type not in variant.WORTH_IT
    return f"none is made of {model.file_type or 'this kind'}" if none_made else "not needed: layers go to a GPU"


def _draw_list(rows: list[dict[str, Any]], chosen: str) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("model", no_wrap=True)
    table.add_column("MB", justify="right")
    for name in ("licence", "here", "what it is"):
        table.add_column(name, overflow="fold")
    for row in rows:
        mark = "→ " if row["chosen"] else "  "
        here = "yes" if row["installed"] else "no"
        table.add_row(mark + row["reference"], f"{row['bytes'] / 1e6:,.0f}", row["license"], here, row["about"])
    render.out().print(table)
    if not any(row["chosen"] for row in rows):
        render.out().print(f"→ {render.plain(chosen)}", soft_wrap=True)


def _show(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        render.write_json(answer)
        return
    rows = [(name, value) for name, value in answer.items() if name != "variant" and value is not None]
    rows += [(f"variant {name}", value) for name, value in (answer.get("variant") or {}).items()]
    for name, value in rows:  # not a table: a path or a hash is to be copied whole
        written = str(value).lower() if isinstance(value, bool) else f"{value:,}" if isinstance(value, int) else value
        render.out().print(f"{name.replace('_', ' '):<17} {render.plain(written)}", soft_wrap=True)
    if answer.get("installed") is False:
        render.note(f"not on this machine: palate models pull {answer['reference']}")


@contextmanager
def _shown() -> Iterator[Progress]:
    """A progress on stderr: a bar in bytes on a terminal, else one line for each step."""
    from agent.llm.registry import in_lines

    if not render.err().is_terminal:
        yield in_lines(render.told)
        return
    bars = _Bars()
    try:
        yield bars
    finally:
        bars.close()


@dataclass
class _Bars:
    """Draws one bar at a time, in bytes; a step without a size is a line."""

    doing: str = ""
    drawn: Drawn | None = field(default=None)

    def __call__(self, doing: str, done: int = 0, total: int = 0) -> None:
        if doing != self.doing:
            self.close()
            self.doing = doing
            if not total:
                render.told(doing)
        if total:
            self.drawn = self.drawn or _bar(doing)
            self.drawn.update(self.drawn.task_ids[0], completed=done, total=total)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self.drawn is not None:
            self.drawn.stop()
            self.drawn = None


def _bar(doing: str) -> Drawn:
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=24),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    bar = progress.Progress(*columns, console=render.err(), transient=not doing.startswith("downloading"))
    bar.add_task(render.plain(doing), total=None)
    bar.start()
    return bar
