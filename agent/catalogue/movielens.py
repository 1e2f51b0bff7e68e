"""The MovieLens folders as GroupLens gives them out: 100k, 1m (and 10m), and the csv sets ("latest", 20m, 25m, 32m).

Items carry `popularity` = the number of ratings in the folder, and those of the csv sets `keywords`: up to ten tags
that at least two people gave the film, most given first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from agent.catalogue.delimited import Dialect, read_delimited
from agent.catalogue.lines import Decoder, decode_utf8_or_latin1, decoder, read_lines
from agent.catalogue.rows import BrokenOffError, Refusal, Row, Table
from agent.catalogue.seen import Tally
from agent.errors import CatalogueError

GENRES_100K = (
    *(
        "unknown",
        "Action",
        "Adventure",
        "Animation",
        "Children's",
        "Comedy",
        "Crime",
        "Documentary",
        "Drama",
        "Fantasy",
    ),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
KEYWORDS = 10
_NO_GENRE = frozenset({"unknown", "(no genres listed)", ""})
_RATED = ("user_id", "item_id", "value", "timestamp")

Rows = Iterator[Row | Refusal]


@dataclass(frozen=True, slots=True)
class Edition:
    """One form of MovieLens: its name and its files."""

    name: str
    items: str
    events: str


EDITIONS = (
    Edition("MovieLens 100k", "u.item", "u.data"),
    Edition("MovieLens 1m", "movies.dat", "ratings.dat"),
    Edition("MovieLens latest", "movies.csv", "ratings.csv"),
)


def edition_of(folder: Path) -> Edition | None:
    """The edition whose files lie in a folder; None when it is not a MovieLens folder."""
    return next((each for each in EDITIONS if (folder / each.items).exists() or (folder / each.events).exists()), None)


def edition_of_file(path: Path) -> Edition | None:
    """The edition a single file belongs to by its name (u.item, u.data, movies.dat, ratings.dat); never for csv."""
    return next((each for each in EDITIONS[:2] if path.name in (each.items, each.events)), None)


def read_films(path: Path, edition: Edition) -> Table:
    """The items of an edition; `path` is its file of films. Counts the ratings that lie beside it."""
    read = {"u.item": _films_100k, "movies.dat": _films_1m, "movies.csv": _films_csv}[edition.items]
    table = read(path)
    table.rows = _with_counts(table.rows, path.parent / edition.events, edition, path.parent / "tags.csv")
    table.format, table.film_titles = edition.name, True
    return table


def read_ratings(path: Path, edition: Edition) -> Table:
    """The ratings of an edition; `path` is its file of ratings. Values keep the file's scale."""
    if edition.events == "ratings.csv":
        table = read_delimited(path, read_lines(path), Dialect(",", decoder()), edition.name)
    else:
        delimiter = "\t" if edition.events == "u.data" else "::"
        table = _unquoted(path, delimiter, _RATED)
    table.format = edition.name
    return table


def _unquoted(path: Path, delimiter: str, header: tuple[str, ...], decode: Decoder = decode_utf8_or_latin1) -> Table:
    return read_delimited(path, read_lines(path), Dialect(delimiter, decode, quoting=False), "", header)


def _films_100k(path: Path) -> Table:
    genres = _genres(path.parent / "u.genre")
    plain = ("item_id", "title", "release_date", "video_release_date", "imdb_url")
    table = _unquoted(path, "|", (*plain, *(f"flag {genre}" for genre in genres)))
    return _changed(table, lambda row: _with_tags(row, [g for g in genres if row.cells.get(f"flag {g}") == "1"], plain))


def _genres(path: Path) -> tuple[str, ...]:
    """The genres in the order of their flags: from u.genre, else the ones of 1998."""
    if not path.exists():
        return GENRES_100K
    pairs = [decode_utf8_or_latin1(line.raw).split("|") for line in read_lines(path) if not line.blank]
    numbered = sorted((int(pair[1]), pair[0]) for pair in pairs if len(pair) == 2 and pair[1].strip().isdecimal())
    if not numbered:
        raise CatalogueError(f"{path} lists no genres", "Each line reads name|number")
    return tuple(dict.fromkeys(name for _, name in numbered))


def _films_1m(path: Path) -> Table:
    table = _unquoted(path, "::", ("item_id", "title", "genres"))
    return _changed(table, _genres_to_tags)


def _films_csv(path: Path) -> Table:
    table = read_delimited(path, read_lines(path), Dialect(",", decoder()), "")
    return _changed(table, _genres_to_tags)


def _genres_to_tags(row: Row) -> Row:
    genres = str(row.cells.get("genres", "")).split("|")
    return _with_tags(row, genres, tuple(name for name in row.cells if name != "genres"))


def _with_tags(row: Row, tags: list[str], kept: tuple[str, ...]) -> Row:
    known = [tag for tag in tags if tag not in _NO_GENRE]
    return replace(row, cells={**{name: row.cells[name] for name in kept if name in row.cells}, "tags": known})


def _changed(table: Table, change: Callable[[Row], Row]) -> Table:
    rows = table.rows
    table.rows = (row if isinstance(row, Refusal) else change(row) for row in rows)
    table.header = None
    return table


def _with_counts(rows: Rows, ratings: Path, edition: Edition, tags: Path) -> Rows:
    with closing(Tally()) as rated, closing(Tally()) as tagged:
        known = ratings.exists()
        _count(rated, _beside(ratings, lambda: read_ratings(ratings, edition)), "")
        _count(tagged, _beside(tags, lambda: _tags(tags)), "tag")
        for row in rows:
            yield row if isinstance(row, Refusal) else _counted(row, rated if known else None, tagged)


def _tags(path: Path) -> Table:
    return read_delimited(path, read_lines(path), Dialect(",", decoder()), "")


def _beside(path: Path, read: Callable[[], Table]) -> Rows:
    """The rows of a file that enriches the films, none when it is missing or unreadable; it may break off anywhere."""
    if not path.exists():
        return
    try:
        yield from read().rows
    except (BrokenOffError, CatalogueError):
        return


def _count(tally: Tally, rows: Rows, name: str) -> None:
    for row in rows:
        if isinstance(row, Row):
            film = row.cells.get("item_id") or row.cells.get("movieId")
            tally.add(str(film), str(row.cells.get(name, "")).strip().lower() if name else "")


def _counted(row: Row, rated: Tally | None, tagged: Tally) -> Row:
    film = str(row.cells.get("item_id") or row.cells.get("movieId"))
    extra: dict[str, object] = {} if rated is None else {"popularity": rated.count(film)}
    if keywords := [tag for tag in tagged.top(film, KEYWORDS, at_least=2) if tag]:
        extra["keywords"] = keywords
    return replace(row, cells={**row.cells, **extra})
