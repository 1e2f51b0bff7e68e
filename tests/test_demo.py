"""The demo's films and likes; the rest of its path is that of `recommend`."""

from pathlib import Path

from agent import Recommender, Settings
from agent.commands.demo import LIKES, USER, films_file, prepare


def test_the_films_are_loaded_and_the_likes_recorded_once(tmp_path: Path) -> None:
    assert films_file().is_file()
    with Recommender.open(settings=Settings(folder=tmp_path, noun="films")) as palate:
        prepare(palate)
        items = palate.store.count_items()
        liked = [palate.find(r.item_id).name for r in palate.profile(USER).liked]
        prepare(palate)
        assert palate.store.count_items() == items == 3000
        assert len(palate.store.events_of(USER)) == len(LIKES)
    assert liked == [
        "The Big Lebowski (1998)",
        "Groundhog Day (1993)",
        "Ratatouille (2007)",
        "The Grand Budapest Hotel (2014)",
        "Toy Story (1995)",
    ]
