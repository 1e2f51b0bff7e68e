"""The same items from every format, and what becomes of columns."""

from __future__ import annotations

import gzip
import json
import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agent.catalogue import Columns, Refusal, read_items
from agent.catalogue.columns import attribute_name, unique_names
from agent.catalogue.guesses import EVENT_GUESSES, ITEM_GUESSES
from agent.errors import CatalogueError, ConfigError
from agent.types import Item

FILMS: list[dict[str, Any]] = [
    {
        "item_id": "1",
        "title": "Toy Story",
        "genres": "Animation|Comedy",
        "plot": 'A toy, "new".\nIt\'s jealous.',
        "year": 1995,
    },
    {"item_id": "2", "title": "Amélie; or", "genres": "Comedy", "plot": "Paris", "year": 2001},
    {"item_id": "3", "title": "七人の侍", "genres": "", "plot": "", "year": 1954},
]
WANTED = [
    Item(
        item_id="1", title="Toy Story", tags=("Animation", "Comedy"), text=FILMS[0]["plot"], attributes={"year": 1995}
    ),
    Item(item_id="2", title="Amélie; or", tags=("Comedy",), text="Paris", attributes={"year": 2001}),
    Item(item_id="3", title="七人の侍", attributes={"year": 1954}),
]


def csv_of(rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    def quoted(value: object) -> str:
        return '"' + str(value).replace('"', '""') + '"'

    lines = [delimiter.join(rows[0]), *(delimiter.join(map(quoted, row.values())) for row in rows)]
    return "\n".join(lines) + "\n"


def jsonl_of(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def database(path: Path, name: str = "films", rows: list[dict[str, Any]] | None = None) -> Path:
    rows = FILMS if rows is None else rows
    with sqlite3.connect(path) as connection:
        connection.execute(f'CREATE TABLE "{name}" ({", ".join(rows[0])})')
        places = ", ".join("?" * len(rows[0]))
        connection.executemany(f'INSERT INTO "{name}" VALUES ({places})', [tuple(row.values()) for row in rows])
    connection.close()
    return path


def written(folder: Path, name: str) -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(FILMS), path)
    elif name.endswith(".db"):
        database(path)
    else:
        plain = name.removesuffix(".gz")
        text = (
            jsonl_of(FILMS) if "json" in plain or plain == "films" else csv_of(FILMS, "\t" if "tsv" in plain else ",")
        )
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def only(path: Path, columns: Columns | None = None, **options: Any) -> Item:
    row = next(read_items(path, columns, **options))
    assert isinstance(row, Item), row
    return row


def from_json(folder: Path, **members: Any) -> Item:
    path = folder / "one.jsonl"
    path.write_text(json.dumps({"item_id": "1", "title": "t"} | members), encoding="utf-8")
    return only(path)


def from_csv(folder: Path, **cells: str) -> Item:
    path = folder / "one.csv"
    path.write_text(csv_of([{"item_id": "1", "title": "t"} | cells]), encoding="utf-8")
    return only(path)


NAMES = ["films.csv", "films.tsv", "films.jsonl", "films.ndjson", "films.json", "films.csv.gz", "films.tsv.gz"]
NAMES += ["films.jsonl.gz", "films", "films.txt", "FILMS.CSV", "films.parquet", "films.db"]


@pytest.mark.parametrize("name", NAMES)
def test_every_format_gives_the_same_items(tmp_path: Path, name: str) -> None:
    rows = read_items(written(tmp_path, name))
    assert list(rows) == WANTED
    assert rows.columns is not None
    assert rows.columns.fields == {"id": "item_id", "title": "title", "tags": "genres", "text": "plot"}
    assert rows.columns.guessed == {"id", "title", "tags", "text"}
    assert rows.columns.attributes == {"year": "year"}


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
def test_the_delimiter_of_a_csv_file_is_found(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "films.csv"
    path.write_text(csv_of(FILMS, delimiter), encoding="utf-8")
    assert list(read_items(path)) == WANTED


def test_limit_counts_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "films.csv")
    assert list(read_items(path, limit=2)) == WANTED[:2]
    assert list(read_items(path, limit=0)) == []


def test_a_reading_can_be_left_early(tmp_path: Path) -> None:
    with read_items(written(tmp_path, "films.csv")) as rows:
        next(rows)
    assert list(rows) == []


# Columns


def test_named_columns_win_and_an_empty_name_means_none(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    path.write_text("sku,title,label,kind,reviews,genre\n9,wrong,Lamp,light,4,home\n", encoding="utf-8")
    rows = read_items(path, Columns(title="Label", tags="kind", popularity=""))
    item = next(rows)
    assert isinstance(item, Item)
    assert (item.item_id, item.title, item.tags, item.popularity) == ("9", "Lamp", ("light",), None)
    assert item.attributes == {"title": "wrong", "reviews": 4, "genre": "home"}
    assert rows.columns is not None
    assert rows.columns.guessed == {"id"}
    assert "id = sku (guessed), title = label" in rows.columns.describe()
    assert json.loads(json.dumps(rows.columns.as_json()))["fields"]["tags"] == "kind"


def test_a_wrong_column_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    rows = read_items(written(tmp_path, "films.csv"), Columns(tags="genrs"))
    with pytest.raises(ConfigError, match="Did you mean 'genres'"):
        next(rows)


@pytest.mark.parametrize("guesses", [ITEM_GUESSES, EVENT_GUESSES])
def test_no_guess_is_written_twice(guesses: dict[str, tuple[str, ...]]) -> None:
    for names in guesses.values():
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("movieId,title,genres", {"id": "movieId", "title": "title", "tags": "genres"}),
        ("ID,Title,Genre,imdbVotes", {"id": "ID", "title": "Title", "tags": "Genre", "popularity": "imdbVotes"}),
        ("ISBN;Book-Title;Book-Author", {"id": "ISBN", "title": "Book-Title"}),
        ("parent_asin,asin,title,main_category", {"id": "parent_asin", "title": "title", "tags": "main_category"}),
        (
            "id,original_title,overview,poster_path,original_language",
            {
                "id": "id",
                "title": "original_title",
                "text": "overview",
                "language": "original_language",
                "image": "poster_path",
            },
        ),
        (
            "app_id,name,num_reviews,platform",
            {"id": "app_id", "title": "name", "popularity": "num_reviews", "platform": "platform"},
        ),
        ("编号,片名,类型,简介", {"id": "编号", "title": "片名", "tags": "类型", "text": "简介"}),
    ],
)
def test_headers_of_known_data_sets_are_guessed(tmp_path: Path, header: str, found: dict[str, str]) -> None:
    path = tmp_path / "films.csv"
    path.write_text(header + "\n" + ("1;" * 9 if ";" in header else "1," * 9)[: 2 * len(found) + 20], encoding="utf-8")
    rows = read_items(path)
    list(rows)
    assert rows.columns is not None
    assert rows.columns.fields == found


def test_reviews_in_words_are_not_popularity(tmp_path: Path) -> None:
    path = tmp_path / "books.jsonl"
    path.write_text(
        jsonl_of([{"id": "1", "title": "t", "reviews": ["good", "bad"], "votes": "1,234"}]), encoding="utf-8"
    )
    item = only(path)
    assert item.popularity == 1234
    assert item.attributes == {"reviews": ("good", "bad")}


def test_columns_that_appear_late_become_attributes(tmp_path: Path) -> None:
    path = tmp_path / "films.jsonl"
    plain = [{"id": n, "title": "t"} for n in range(300)]
    path.write_text(jsonl_of([*plain, {"id": 300, "title": "t", "Lead Actor": "B"}]), encoding="utf-8")
    assert list(read_items(path))[-1].attributes == {"lead_actor": "B"}  # type: ignore[union-attr]


def test_names_of_attributes() -> None:
    names = ["imdbRating", "IMDb Rating", "Book-Author", "ISBN", "releaseYear", "Year-Of-Publication", "!", "__x__"]
    wanted = ["imdb_rating", "imdb_rating", "book_author", "isbn", "year", "year", "column", "x"]
    assert [attribute_name(name) for name in names] == wanted
    assert unique_names(["a", "", "a", "a_2", " a "]) == ("a", "column_2", "a_2", "a_2_2", "a_3")


def test_columns_that_share_a_name_are_all_kept(tmp_path: Path) -> None:
    item = from_json(tmp_path, **{"published_year": 1, "year": 2, "Note": "x", "note": "y", "note ": "z"})
    assert item.attributes == {"year_2": 1, "year": 2, "note": "x", "note_2": "y", "note_3": "z"}


# Values


def test_attributes_of_json_keep_their_types(tmp_path: Path) -> None:
    item = from_json(
        tmp_path,
        rating=7.5, pages=90.0, isbn="0306406152", series="24", director="A, B", stars=["C", "D", "C", ""], seen=True,
        none=None, empty=[], details={"Brand": "Acme", "size": {"w": 1}, "year": "1995"},
        parts=[{"name": "x"}, {"n": 1}, 2, True],
    )  # fmt: skip
    assert item.attributes == {
        "rating": 7.5,
        "pages": 90,
        "isbn": "0306406152",
        "series": "24",
        "director": ("A", "B"),
        "stars": ("C", "D"),
        "seen": "true",
        "details_brand": "Acme",
        "details_size": '{"w": 1}',
        "details_year": "1995",
        "parts": ("x", '{"n": 1}', "2", "true"),
    }


def test_attributes_of_csv_are_numbers_where_they_plainly_are(tmp_path: Path) -> None:
    item = from_csv(
        tmp_path,
        a="12",
        b="-0.5",
        c="90.0",
        d="007",
        e="1e5",
        f="9" * 18,
        isbn="123",
        imdb_id="5",
        g=" x ",
        h="N/A",
        i="\\N",
        j="1,5",
    )
    assert item.attributes == {
        "a": 12, "b": -0.5, "c": 90, "d": "007", "e": "1e5", "f": "9" * 18, "isbn": "123", "imdb_id": "5", "g": "x",
        "j": "1,5",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ("Drama|War| Drama |", ("Drama", "War")),
        ("Drama; Film, noir", ("Drama", "Film, noir")),
        ("Action, Comedy,Sci-Fi", ("Action", "Comedy", "Sci-Fi")),
        ('["a", "b, c"]', ("a", "b, c")),
        ("['Movies & TV', \"Kid's\"]", ("Movies & TV", "Kid's")),
        ("'Movies & TV', 'Movies'", ("Movies & TV", "Movies")),
        ('[{"id": 28, "name": "Action"}, {"id": 12, "name": "Adventure"}]', ("Action", "Adventure")),
        ("[{'id': 16, 'name': 'Animation'}, {'id': 35, 'name': \"Children's\"}]", ("Animation", "Children's")),
        ("'60s, '70s", ("'60s", "'70s")),
        ("[]", ()),
        ("", ()),
        ("nan", ()),
    ],
)
def test_tags_in_one_text(tmp_path: Path, tags: str, wanted: tuple[str, ...]) -> None:
    assert from_csv(tmp_path, tags=tags).tags == wanted
    assert from_json(tmp_path, tags=tags).tags == wanted


def test_tags_in_lists(tmp_path: Path) -> None:
    assert from_json(tmp_path, tags=["a, b", " a, b", 3, None, {"name": "c"}]).tags == ("a, b", "3", "c")
    assert from_json(tmp_path, tags=7).tags == ("7",)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("cast", "Robert Downey, Jr., Gwyneth Paltrow", ("Robert Downey, Jr.", "Gwyneth Paltrow")),
        ("director", "Lana Wachowski, Lilly Wachowski", ("Lana Wachowski", "Lilly Wachowski")),
        ("director", "Cher", ("Cher",)),
        ("author", "King, Stephen", ("King, Stephen",)),
        ("authors", "J.K. Rowling/Mary GrandPré", ("J.K. Rowling", "Mary GrandPré")),
        ("author", "Neil Gaiman, Terry Pratchett", ("Neil Gaiman", "Terry Pratchett")),
        ("country", "France, Germany", ("France", "Germany")),
        ("cast", "[{'name': 'A, B'}]", ("A, B",)),
        ("publisher", "Simon & Schuster, Inc.", "Simon & Schuster, Inc."),
    ],
)
def test_people_and_countries(tmp_path: Path, name: str, text: str, wanted: object) -> None:
    assert from_csv(tmp_path, **{name: text}).attributes == {name: wanted}


def test_languages(tmp_path: Path) -> None:
    item = from_csv(tmp_path, Language="English, French")
    assert (item.language, item.attributes) == ("English", {"languages": ("English", "French")})
    assert from_csv(tmp_path, Language="English").attributes == {}


@pytest.mark.parametrize("released", ["1995-11-22", "22-Nov-1995", "November 22, 1995", "1995"])
def test_the_year_of_a_release_date(tmp_path: Path, released: str) -> None:
    assert from_json(tmp_path, release_date=released).year == 1995
    assert from_json(tmp_path, release_date=released, year="1994").year == 1994


def test_text_in_parts_is_joined(tmp_path: Path) -> None:
    item = from_json(tmp_path, title=1984, description=["One.", None, "Two."], image=None)
    assert (item.title, item.text, item.image) == ("1984", "One. Two.", None)


# Parquet


def test_parquet_types(tmp_path: Path) -> None:
    moment = datetime(1995, 11, 22, 12, 30, tzinfo=UTC)
    table = pa.table({
        "item_id": pa.array([7, None], pa.int64()),
        "title": pa.array(["t", "u"]).dictionary_encode(),
        "tags": pa.array([["a", "b"], None]),
        "popularity": pa.array([float("nan"), 1.0]),
        "released": pa.array([moment, None], pa.timestamp("ns", "UTC")),
        "seen": pa.array([date(2020, 1, 2), None]),
        "price": pa.array([Decimal("9.90"), None]),
        "cast": pa.array([["A", None], []]),
        "raw": pa.array([b"plain", b""]),
        "more": pa.array([{"brand": "Acme"}, None]),
    })  # fmt: skip
    path = tmp_path / "films.parquet"
    pq.write_table(table, path)
    item, refusal = list(read_items(path))
    assert isinstance(item, Item)
    assert item.attributes == {
        "released": "1995-11-22T12:30:00+00:00", "seen": "2020-01-02", "price": 9.9, "cast": ("A",), "raw": "plain",
        "more_brand": "Acme", "year": 1995,
    }  # fmt: skip
    assert (item.item_id, item.tags, item.popularity) == ("7", ("a", "b"), None)
    assert isinstance(refusal, Refusal)
    assert (refusal.line, refusal.reason) == (2, "item_id is empty")


def test_parquet_text_that_is_not_utf8_costs_one_row(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"\xe9", b"fine"], pa.binary())
    titles = pa.StringArray.from_buffers(3, raw.buffers()[1], raw.buffers()[2])
    path = tmp_path / "films.parquet"
    pq.write_table(pa.table({"item_id": ["1", "2", "3"], "title": titles}), path)
    rows = list(read_items(path))
    assert [row.item_id for row in rows if isinstance(row, Item)] == ["1", "3"]
    assert [row.line for row in rows if isinstance(row, Refusal)] == [2]


def test_a_cut_parquet_file(tmp_path: Path) -> None:
    path = written(tmp_path, "films.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CatalogueError, match="not a readable Parquet file"):
        read_items(path)


# SQLite


def test_one_of_several_tables_must_be_chosen(tmp_path: Path) -> None:
    path = database(database(tmp_path / "shop.db"), "more films")
    with pytest.raises(ConfigError, match="2 tables: films, more films"):
        read_items(path)
    with pytest.raises(ConfigError, match="Did you mean 'films'"):
        read_items(path, table="film")
    assert list(read_items(path, table="more films")) == WANTED


def test_a_join(tmp_path: Path) -> None:
    path = database(tmp_path / "shop.db")
    database(path, "sales", [{"film": "2", "sold": 70}, {"film": "1", "sold": 50}])
    sql = "SELECT f.*, s.sold AS votes FROM films f JOIN sales s ON s.film = f.item_id ORDER BY s.sold DESC"
    items = list(read_items(path, sql=sql))
    assert [(item.item_id, item.popularity) for item in items if isinstance(item, Item)] == [("2", 70), ("1", 50)]
    both = read_items(path, sql="SELECT f.title, f.* FROM films f")
    next(both)
    assert both.columns is not None
    assert both.columns.attributes == {"title_2": "title_2", "year": "year"}


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM films", "DROP TABLE films", "INSERT INTO films VALUES (1, 2, 3, 4, 5)", "PRAGMA user_version = 3",
        "ATTACH 'other.db' AS o", "SELECT 1; DELETE FROM films", "SELECT", "", "SELECT * FROM nothing",
        "VACUUM INTO 'copy.db'", "SELECT load_extension('x')", "UPDATE films SET title = 'x' RETURNING item_id, title",
        "SELECT '\0'", "SELECT '\ud800'",
    ],
)  # fmt: skip
def test_only_one_select_is_run(tmp_path: Path, sql: str) -> None:
    path = database(tmp_path / "shop.db")
    before = path.read_bytes()
    with pytest.raises(ConfigError):
        list(read_items(path, sql=sql))
    assert path.read_bytes() == before
    assert sorted(child.name for child in tmp_path.iterdir()) == ["shop.db"]


def test_a_table_and_a_select_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both"):
        read_items(database(tmp_path / "shop.db"), table="films", sql="SELECT * FROM films")


def test_odd_values_in_a_database(tmp_path: Path) -> None:
    path = tmp_path / "odd name?#%.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (id, title, cover)")
        connection.execute("INSERT INTO t VALUES (1, CAST(x'e9' AS TEXT), NULL), (2, 'b', x'00ff'), (3, 'c', x'6869')")
        connection.execute("INSERT INTO t VALUES (NULL, 'd', NULL), (5, 6, 7)")
    connection.close()
    rows = list(read_items(path, Columns(image="")))
    assert [row.item_id for row in rows if isinstance(row, Item)] == ["3", "5"]
    reasons = [row.reason for row in rows if isinstance(row, Refusal)]
    assert reasons == ["title is binary or not UTF-8 text", "cover is binary or not UTF-8 text", "id is empty"]


def test_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with pytest.raises(CatalogueError, match="holds no table"):
        read_items(path)
