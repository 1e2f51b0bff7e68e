"""MovieLens folders, RecBole files, data-set folders, and film titles put right."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from agent.catalogue import Refusal, read_events, read_items
from agent.catalogue.titles import split_year, with_article_first
from agent.errors import CatalogueError, ConfigError
from agent.types import Event, Item

GENRES = [
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
]
GENRES += ["Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"]


def items(path: Path) -> list[Item]:
    return [row for row in read_items(path) if isinstance(row, Item)]


def ratings(path: Path) -> list[tuple[str, str | None, float | None, int]]:
    rows = read_events(path)
    return [(e.user_id, e.item_id, e.value, int(e.at.timestamp())) for e in rows if isinstance(e, Event)]


def film_100k(number: int, title: str, date: str, *genres: str) -> bytes:
    flags = "|".join("1" if genre in genres else "0" for genre in GENRES)
    return f"{number}|{title}|{date}||http://us.imdb.com/{number}|{flags}\n".encode("latin-1")


def folder_100k(folder: Path) -> Path:
    films = film_100k(1, "Toy Story (1995)", "01-Jan-1995", "Animation", "Children's", "Comedy")
    films += film_100k(543, "Misérables, Les (1995)", "01-Jan-1995", "Drama", "Musical")
    films += film_100k(267, "unknown", "", "unknown") + b"9|short\n"
    (folder / "u.item").write_bytes(films)
    (folder / "u.genre").write_text("".join(f"{g}|{n}\n" for n, g in enumerate(GENRES)) + "\n", encoding="latin-1")
    (folder / "u.data").write_text(
        "196\t1\t3\t881250949\n186\t1\t5\t891717742\n22\t543\t1\t878887116\n", encoding="ascii"
    )
    return folder


@pytest.mark.parametrize("with_genres", [True, False])
def test_movielens_100k(tmp_path: Path, with_genres: bool) -> None:
    folder = folder_100k(tmp_path)
    if not with_genres:
        (folder / "u.genre").unlink()
    rows = list(read_items(folder))
    story, miserables, unknown, refusal = rows
    assert isinstance(story, Item)
    assert (story.item_id, story.title, story.year, story.popularity) == ("1", "Toy Story", 1995, 2)
    assert story.tags == ("Animation", "Children's", "Comedy")
    assert story.attributes["release_date"] == "01-Jan-1995"
    assert isinstance(miserables, Item)
    assert (miserables.title, miserables.tags, miserables.popularity) == ("Les Misérables", ("Drama", "Musical"), 1)
    assert isinstance(unknown, Item)
    assert (unknown.title, unknown.tags, unknown.popularity) == ("unknown", (), 0)
    assert isinstance(refusal, Refusal)
    assert (refusal.line, refusal.reason) == (4, "2 fields where the header has 24")
    assert list(read_items(folder / "u.item")) == rows
    assert ratings(folder)[0] == ("196", "1", 3, 881250949)
    assert ratings(folder) == ratings(folder / "u.data")


def test_movielens_1m(tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_bytes(
        "1::Toy Story (1995)::Animation|Comedy\n73::Misérables, Les (1995)::Drama\n".encode("latin-1")
    )
    (tmp_path / "ratings.dat").write_text("1::1::5::978300760\n1::73::3.5::978302109\nbroken\n", encoding="ascii")
    first, second = items(tmp_path)
    assert (first.name, first.tags, first.popularity) == ("Toy Story (1995)", ("Animation", "Comedy"), 1)
    assert second.name == "Les Misérables (1995)"
    assert ratings(tmp_path) == [("1", "1", 5, 978300760), ("1", "73", 3.5, 978302109)]
    assert items(tmp_path / "movies.dat") == [first, second]


def test_movielens_10m_is_utf8(tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_bytes("73::Misérables, Les (1995)::(no genres listed)\n".encode())
    (film,) = items(tmp_path)
    assert (film.name, film.tags, film.popularity) == ("Les Misérables (1995)", (), None)


def test_movielens_latest(tmp_path: Path) -> None:
    films = 'movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n11,"American President, The (1995)",Comedy\n'
    (tmp_path / "movies.csv").write_text(films + "99,Babylon 5,(no genres listed)\n", encoding="utf-8")
    (tmp_path / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n2,1,0.5,964982931\n", encoding="utf-8"
    )
    tags = ["1,1,pixar", "2,1,Pixar", "1,1,fun", "3,1,fun", "4,1,fun", "5,1,alone", "6,11,politics"]
    (tmp_path / "tags.csv").write_text(
        "userId,movieId,tag,timestamp\n" + "".join(f"{t},1\n" for t in tags), encoding="utf-8"
    )
    story, president, babylon = items(tmp_path)
    assert (story.name, story.tags, story.popularity) == ("Toy Story (1995)", ("Adventure", "Animation"), 2)
    assert story.attributes == {"year": 1995, "keywords": ("fun", "pixar")}
    assert (president.name, president.popularity) == ("The American President (1995)", 0)
    assert (babylon.name, babylon.tags) == ("Babylon 5", ())
    assert ratings(tmp_path) == [("1", "1", 4.0, 964982703), ("2", "1", 0.5, 964982931)]
    assert ratings(tmp_path / "ratings.csv") == ratings(tmp_path)
    assert [film.name for film in items(tmp_path / "movies.csv")] == [film.name for film in (story, president, babylon)]


@pytest.mark.parametrize(
    ("title", "wanted", "year"),
    [
        ("Toy Story (1995)", "Toy Story", 1995),
        ("Matrix, The (1999)", "The Matrix", 1999),
        ("Lost City, The (Cité perdue, La) (1995)", "The Lost City (La Cité perdue)", 1995),
        ("Avventura, L' (a.k.a. Adventure, The) (1960)", "L'Avventura (a.k.a. The Adventure)", 1960),
        ("Good, the Bad and the Ugly, The (1966)", "The Good, the Bad and the Ugly", 1966),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", 1968),
        ("1984", "1984", None),
        ("Me, Myself and I", "Me, Myself and I", None),
        ("Babylon 5 (1994) (TV)", "Babylon 5 (1994) (TV)", None),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", 2009),
        ("(2001)", "(2001)", None),
        (", The", ", The", None),
        ("", "", None),
    ],
)  # fmt: skip
def test_titles(title: str, wanted: str, year: int | None) -> None:
    bare, found = split_year(title)
    assert found == year
    assert with_article_first(bare) == wanted


def recbole(folder: Path, name: str = "ml-100k") -> Path:
    header = (
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tscores:float_seq\tprice:float\n"
    )
    rows = "1\tToy Story\t1995\tAnimation Children's Comedy\t1.5 2\t3.50\n2\tMatrix, The\t1999\tSci-Fi\t\t\n"
    (folder / f"{name}.item").write_text(header + rows, encoding="utf-8")
    inter = (
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t1\t3\t881250949\n186\t2\t4.0\t891717742\n"
    )
    (folder / f"{name}.inter").write_text(inter, encoding="utf-8")
    (folder / f"{name}.user").write_text("user_id:token\tage:token\n1\t24\n", encoding="utf-8")
    return folder


def test_recbole(tmp_path: Path) -> None:
    folder = recbole(tmp_path)
    story, matrix = items(folder)
    assert (story.name, story.tags) == ("Toy Story (1995)", ("Animation", "Children's", "Comedy"))
    assert story.attributes == {"year": 1995, "scores": ("1.5", "2"), "price": 3.5}
    assert matrix.name == "The Matrix (1999)"
    assert items(folder / "ml-100k.item") == [story, matrix]
    assert ratings(folder) == [("196", "1", 3, 881250949), ("186", "2", 4, 891717742)]
    assert ratings(folder / "ml-100k.inter") == ratings(folder)
    with pytest.raises(ConfigError, match="facts about people"):
        read_items(folder / "ml-100k.user")


def test_recbole_lists_and_titles_of_other_sets(tmp_path: Path) -> None:
    header = "item_id:token\tname:token_seq\tgenre:token_seq\tstudio:token_seq\n"
    rows = "1\tMatrix, The\tDrama, Slice of Life\tA B\n2\tx  y\t'Movies & TV', 'Movies'\t\n3\tq \"r\t\t\n"
    path = tmp_path / "anime.item.gz"
    path.write_bytes(gzip.compress((header + rows).encode()))
    first, second, third = items(path)
    assert (first.title, first.tags, first.attributes) == (
        "Matrix, The",
        ("Drama", "Slice of Life"),
        {"studio": ("A", "B")},
    )
    assert (second.title, second.tags) == ("x  y", ("Movies & TV", "Movies"))
    assert third.title == 'q "r'


def test_recbole_headers_need_types(tmp_path: Path) -> None:
    path = tmp_path / "x.item"
    path.write_text("item_id:token\ttitle\n1\ta\n", encoding="utf-8")
    with pytest.raises(CatalogueError, match="'title' has no RecBole type"):
        read_items(path)


def test_several_recbole_sets_in_one_folder(tmp_path: Path) -> None:
    recbole(recbole(tmp_path), "other")
    with pytest.raises(CatalogueError, match=r"2 \.item files: name one"):
        read_items(tmp_path)


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_a_data_set_folder(tmp_path: Path, suffix: str) -> None:
    def put(name: str, rows: list[dict[str, object]]) -> None:
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        (tmp_path / f"{name}.{suffix}").write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)

    put(
        "items",
        [{"item_id": "1", "tags": ["Comedy"], "title": "Toy Story", "year": 1995, "director": ["John Lasseter"]}],
    )
    put("events", [{"at": 874965478, "item_id": "1", "kind": "rate", "user_id": "7", "value": 5}])
    (item,) = items(tmp_path)
    assert item == Item(
        item_id="1", title="Toy Story", tags=("Comedy",), attributes={"year": 1995, "director": ("John Lasseter",)}
    )
    assert ratings(tmp_path) == [("7", "1", 5, 874965478)]


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="holds no events in a form known here"):
        read_events(tmp_path)
    (tmp_path / "u.item").write_bytes(film_100k(1, "Toy Story (1995)", "01-Jan-1995"))
    with pytest.raises(CatalogueError, match=r"u\.data"):
        read_events(tmp_path)
