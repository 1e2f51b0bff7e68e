"""`palate demo`: the whole path once, on real films."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands import render
from agent.commands.options import JsonOption, meter_of, options_of
from agent.errors import ConfigError

if TYPE_CHECKING:
    from agent.recommender import Recommender

USER = "demo"
LIKES = ("tt0118715", "tt0107048", "tt0382932", "tt2278388", "tt0114709")  # from The Big Lebowski to Toy Story
WISH = "something clever and funny for a family evening"
FOLDER = Path("data/demo")

# The films of the database, the most reviewed first, with what Wikidata knows of each; the demo takes 3,000 of them.
EVERY_FILM = """
SELECT o.imdbID AS item_id, o.Title AS title, o.Genre AS genres, o.Year AS year, o.Director AS director,
       o."Cast" AS "cast", o.Language AS language, o.Country AS country, o.Awards AS awards, o.Runtime AS runtime,
       t.Meter AS tomatometer, t.Reviews AS popularity
FROM omdb AS o JOIN tomatoes AS t ON t.ID = o.ID
WHERE o.imdbID IS NOT NULL AND o.Title <> '' AND t.Reviews IS NOT NULL
GROUP BY o.imdbID
ORDER BY t.Reviews DESC, o.imdbID
"""
FILMS = f"{EVERY_FILM}LIMIT 3000"


def demo(
    ctx: typer.Context,
    wish: Annotated[str, typer.Argument(metavar="WISH", help="What the person is in the mood for.")] = WISH,
    as_json: JsonOption = False,
) -> None:
    """Try Palate on 3,000 real films: load, index, tell, recommend.

    The first run reads the films of the package bokeh-sampledata and computes their vectors, about a minute; later runs
    answer in seconds. Everything lies in data/demo.
    """
    from agent.recommender import Recommender

    options = options_of(ctx).with_defaults({"folder": FOLDER, "noun": "films"})
    with Recommender.open(
        settings=options.load().settings, progress=meter_of(ctx, "Embedding and indexing"), told=render.told
    ) as recommender:
        prepare(recommender)
        slate = recommender.recommend(USER, wish)
    if as_json:
        render.write_json(slate.as_json())
    else:
        render.draw_slate(slate, f"For {USER}, who likes five films:")
        render.require_model(slate)
        render.told(f"go on with: palate --folder {FOLDER} recommend {USER} 'a wish of your own'")


def prepare(recommender: Recommender) -> None:
    """Load the films and record the likes, where that has not been done. Raises ConfigError without the films."""
    from agent.catalogue import load_items, read_items

    store = recommender.store
    if not store.count_items():
        refused = recommender.settings.folder / "refused-items.jsonl"
        with read_items(films_file(), sql=FILMS) as rows:
            report = load_items(rows, recommender.put_items, refused)
        render.told(f"loaded {report.accepted:,} films, refused {report.refused:,}")
    if not store.events_of(USER):
        recommender.tell(USER, likes=LIKES)


def films_file() -> Path:
    """The films' database in the installed package bokeh-sampledata, which is not imported. Raises ConfigError."""
    found = find_spec("bokeh_sampledata")
    for folder in found.submodule_search_locations or () if found else ():
        path = Path(folder) / "_data" / "movies.db"
        if path.is_file():
            return path
    raise ConfigError("the demo's films are not installed", "Install them with: pip install 'palate[demo]'")
