"""Which files a data set is built from: the events, the items, and what else the readers look at beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.catalogue import read_events
from agent.catalogue.columns import squashed
from agent.catalogue.formats import suffix_of
from agent.catalogue.movielens import edition_of
from agent.errors import CatalogueError, ConfigError, PalateError
from eval.building.titled import names_titles

AUTO = "auto"
_TEXTS = {".json", ".jsonl", ".ndjson", ".csv", ".tsv"}
_AMAZON_ITEMS = {"asin", "parentasin"}
_BESIDE = ("items.jsonl", "items.jsonl.gz", "items.csv", "items.tsv")
_ENRICHING = ("u.genre", "tags.csv")


@dataclass(frozen=True)
class Sources:
    """The paths that the readers are given, and all files behind them, events first.

    A file of events that names its items' titles is the file of items too, where there is no other.
    """

    form: str
    events: Path
    items: Path
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Found:
    """The same before it is known whether there are items."""

    form: str
    events: Path
    items: Path | None
    files: tuple[Path, ...]


def sources_of(source: Path, items: Path | None, form: str = AUTO) -> Sources:
    """What stands behind a file or folder; `items` takes the place of the items found beside the events.

    Raises ConfigError: nothing there, a form nobody knows, no items; CatalogueError: the source is not in that form.
    """
    if form not in FORMATS:
        raise ConfigError(f"there is no format {form!r}", f"Formats: {', '.join(FORMATS)}")
    if not source.exists():
        raise ConfigError(f"there is no file or folder {source}", "Check the path")
    if items is not None and not items.is_file():
        raise ConfigError(f"there is no file of items {items}", "Check the path given to --items")
    wanted = _FINDERS if form == AUTO else {form: _FINDERS[form]}
    found = next((each for find in wanted.values() if (each := find(source)) is not None), None)
    if found is None:
        known = "of a form known here" if form == AUTO else f"in the form {form}"
        raise CatalogueError(f"{source} holds no events {known}", f"Formats: {', '.join(FORMATS)}")
    return _with_items(found, items)


def _with_items(found: _Found, items: Path | None) -> Sources:
    if items is not None:
        return Sources(found.form, found.events, items, (found.files[0], items))
    if found.items is None and names_titles(found.events):
        return Sources(found.form, found.events, found.events, found.files)
    if found.items is None:
        told = "Name it with --items FILE, or give the events a column title"
        raise ConfigError(f"no one file of items lies beside {found.events}", told)
    return Sources(found.form, found.events, found.items, found.files)


def _movielens(source: Path) -> _Found | None:
    folder = source if source.is_dir() else source.parent
    edition = edition_of(folder)
    if edition is None or not (folder / edition.events).exists():
        return None
    items = folder / edition.items
    if not source.is_dir() and not (source.name == edition.events and items.exists()):
        return None
    beside = [path for name in _ENRICHING if (path := folder / name).exists()] if items.exists() else []
    files = (folder / edition.events, *([items] if items.exists() else []), *beside)
    return _Found("movielens", folder, folder if items.exists() else None, files)


def _recbole(source: Path) -> _Found | None:
    if source.is_dir():
        acts = _ending(source, {".inter"})
        if len(acts) > 1:
            raise CatalogueError(f"{source} has {len(acts)} .inter files", "Name one of them")
        return _recbole(acts[0]) if acts else None
    if suffix_of(source) != ".inter":
        return None
    near = [path for path in _ending(source.parent, {".item"}) if path.name.split(".")[0] == source.name.split(".")[0]]
    return _pair("recbole", source, near or _ending(source.parent, {".item"}))


def _amazon(source: Path) -> _Found | None:
    """Reviews, and the items in `meta_*` beside them; told by the column that names the item."""
    folder = source if source.is_dir() else source.parent
    texts = _ending(folder, _TEXTS)
    items = [path for path in texts if path.name.startswith("meta_")]
    acts = [path for path in texts if path not in items] if source.is_dir() else [source]
    if len(acts) != 1 or not _names_asins(acts[0]):
        return None
    return _pair("amazon", acts[0], items)


def _events(source: Path) -> _Found | None:
    folder = source if source.is_dir() else source.parent
    acts = [path for name in ("events.jsonl", "events.jsonl.gz") if (path := folder / name).exists()]
    acts = acts if source.is_dir() else [source]
    items = [path for name in _BESIDE if (path := folder / name).exists() and path not in acts]
    return _pair("events", acts[0], items[:1]) if acts else None


def _pair(form: str, acts: Path, items: Sequence[Path]) -> _Found:
    """Events with the one file of items beside them; with none where there are several to choose from."""
    one = items[0] if len(items) == 1 else None
    return _Found(form, acts, one, (acts, *([one] if one else [])))


def _names_asins(path: Path) -> bool:
    try:
        with read_events(path, limit=1) as rows:
            next(rows, None)
            found = rows.columns.fields.get("id", "") if rows.columns else ""
    except PalateError:
        return False
    return squashed(found) in _AMAZON_ITEMS


def _ending(folder: Path, suffixes: set[str]) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and suffix_of(path) in suffixes)


_FINDERS: Mapping[str, Callable[[Path], _Found | None]] = {
    "movielens": _movielens,
    "recbole": _recbole,
    "amazon": _amazon,
    "events": _events,
}
FORMATS = (AUTO, *_FINDERS)
