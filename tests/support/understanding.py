"""A small catalogue of well-known films and a reader over it, for tests of what messages mean."""

from __future__ import annotations

from agent.converse.state import State
from agent.converse.understand.reader import Reader
from agent.converse.understand.vocabulary import Vocabulary
from agent.embed.base import Embedder
from agent.titles import Titles
from agent.types import Item
from tests.support.vectors import HashEmbedder


def film(item_id: str, title: str, year: int, tags: str, **more: object) -> Item:
    """A film; `director`, `cast` and `country` are tuples, `runtime` is in minutes."""
    language = more.pop("language", "English")
    attributes = {"year": year, "runtime": 110, **more}
    return Item.model_validate(
        {"item_id": item_id, "title": title, "tags": tags.split(", "), "language": language, "attributes": attributes}
        | {"popularity": 3000 - year}
    )


FILMS = [
    film("alien", "Alien", 1979, "Horror, Sci-Fi", director=("Ridley Scott",), cast=("Sigourney Weaver",), runtime=117),
    film("aliens", "Aliens", 1986, "Action, Sci-Fi", director=("James Cameron",), cast=("Sigourney Weaver",)),
    film("toy", "Toy Story", 1995, "Animation, Comedy, Family", cast=("Tom Hanks", "Tim Allen"), runtime=81),
    film("toy2", "Toy Story 2", 1999, "Animation, Comedy", cast=("Tom Hanks",), runtime=92),
    film("heat", "Heat", 1995, "Crime, Drama", director=("Michael Mann",), cast=("Al Pacino",), runtime=170),
    film("her", "Her", 2013, "Romance, Drama", director=("Spike Jonze",), runtime=126),
    film("up", "Up", 2009, "Animation, Adventure", runtime=96),
    film("it", "It", 2017, "Horror", runtime=135),
    film("godfather", "The Godfather", 1972, "Crime, Drama", director=("Francis Ford Coppola",), cast=("Al Pacino",)),
    film("hamlet48", "Hamlet", 1948, "Drama", director=("Laurence Olivier",), country=("United Kingdom",)),
    film("hamlet96", "Hamlet", 1996, "Drama", director=("Kenneth Branagh",), country=("United Kingdom",)),
    film("cleo", "Cleo from 5 to 7", 1962, "Drama", director=("Agnès Varda",), language="French", country=("France",)),
    film("amelie", "Amélie", 2001, "Comedy, Romance", language="French", country=("France", "Germany")),
    film("host", "The Host", 2006, "Horror, Thriller", language="Korean", country=("South Korea",)),
    film("spirited", "千与千寻", 2001, "Animation, Fantasy", language="Japanese", country=("Japan",)),
    film("inception", "Inception", 2010, "Thriller, Sci-Fi", director=("Christopher Nolan",), runtime=148),
    film("memento", "Memento", 2000, "Thriller, Mystery", director=("Christopher Nolan",), runtime=113),
    film("sw4", "Star Wars: A New Hope", 1977, "Sci-Fi, Adventure", director=("George Lucas",)),
    film("sw5", "Star Wars: The Empire Strikes Back", 1980, "Sci-Fi, Adventure"),
    film("gump", "Forrest Gump", 1994, "Drama, Romance", cast=("Tom Hanks",), runtime=142),
    film("singin", "Singin' in the Rain", 1952, "Musical, Comedy", runtime=103),
    film("apollo", "Apollo 13", 1995, "Drama, History", cast=("Tom Hanks",), runtime=140),
    film("300", "300", 2006, "Action, War", runtime=117),
    film("hard", "Die Hard", 1988, "Action, Thriller", runtime=132),
    film("new", "Yesterday's News", 2020, "Documentary", runtime=88),
]
TITLES = Titles(FILMS)
SLATE = ("alien", "toy", "heat", "gump", "amelie")


def reader(embedder: Embedder | None = None) -> Reader:
    """A reader over the films; without an embedder, one whose vectors mean nothing, so that only rules do."""
    return Reader(embedder or HashEmbedder(), TITLES, Vocabulary.of(FILMS))


def state(*slate: str, focus: str | None = None) -> State:
    """A conversation that has shown these items; SLATE for none."""
    return State(conversation_id="c", user_id="u", slate=slate or SLATE, focus=focus)


NOTHING_SHOWN = State(conversation_id="c", user_id="u")
