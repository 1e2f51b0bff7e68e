"""Pictures in recall: a real endpoint process with a stand-in for a model, real Chroma, SQLite and embedder."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import Item, Recommender, Settings, cli
from agent.errors import ConfigError
from agent.path.stages import recall, searched
from agent.people.person import person_of
from agent.recall.where import parse_where
from agent.sections import ImageSettings
from tests.support.picture_server import asked, serving_pictures
from tests.support.pictures import BLUE, GREEN, ORANGE, RED, png

COLOURS = {"red": RED, "orange": ORANGE, "green": GREEN, "blue": BLUE}
ITEMS = [  # nothing but the picture tells them apart
    Item(
        item_id=f"{colour}{n}",
        title=f"Plate {n}{colour[:1]}",
        attributes={"year": 1990 + n},
        image=f"covers/{colour}{n}.png",
    )
    for colour in COLOURS
    for n in range(5)
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving_pictures() as found:
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")  # one cache for all, so that texts are embedded once


@pytest.fixture
def folder(shared: Path, request: pytest.FixtureRequest) -> Path:
    home = shared / request.node.name / "data"
    (home / "covers").mkdir(parents=True)
    for item in ITEMS:
        colour = COLOURS[item.item_id[:-1]]
        (home / str(item.image)).write_bytes(png(colour, comment=item.item_id))
    return home


def opened(folder: Path, address: str, **given: object) -> Recommender:
    images = {"source": "endpoint", "model": "colours", "base_url": address, **given}
    settings = Settings(folder=folder, cache_folder=folder.parents[1] / "cache", images=ImageSettings(**images))
    return Recommender.open(settings=settings)


def test_a_picture_finds_items_that_look_like_it(folder: Path, address: str) -> None:
    with opened(folder, address) as palate:
        palate.put_items(ITEMS)
        report = palate.sync_pictures()
        assert report is not None
        assert (report.rows, report.added, report.refused, report.problem) == (20, 20, {}, "")
        slate = palate.recommend("eve", image=png(BLUE), k=5, llm=False)
    assert {r.item.item_id for r in slate} == {f"blue{n}" for n in range(5)}
    assert not slate.degraded
    steps = [step for step in slate[0].path if step.stage == "picture"]
    assert len(steps) == 1
    assert steps[0].score > 0.9
    assert all(not r.rationale or "picture" not in r.rationale.sentence for r in slate)


def test_pictures_of_what_is_liked_are_a_source_of_recall(folder: Path, address: str) -> None:
    with opened(folder, address) as palate:
        palate.put_items(ITEMS)
        palate.sync_pictures()
        palate.tell("ada", likes=["red0", "red1"], dislikes=["green0"])
        person = person_of(palate.parts, "ada")
        found = {one.source: one for one in searched(palate.parts, person, None, None, 10)}
        assert [c.item_id for c in found["image"].candidates[:3]] == ["red2", "red3", "red4"]
        assert found["image"].weight == 0.5
        assert "picture" not in found
        assert recall(palate.parts, person, None, None, 5)
        late = searched(palate.parts, person, None, parse_where("year>=1994"), 10)
        (filtered,) = [one.candidates for one in late if one.source == "image"]
        assert {c.item_id for c in filtered} == {"red4", "orange4", "green4", "blue4"}
        assert filtered[0].item_id == "red4"


def test_weight_0_leaves_pictures_of_likes_out(folder: Path, address: str) -> None:
    with opened(folder, address, weight=0) as palate:
        palate.put_items(ITEMS)
        palate.sync_pictures()
        palate.tell("ada", likes=["red0"])
        sources = {one.source for one in searched(palate.parts, person_of(palate.parts, "ada"), None, None, 10)}
        assert "image" not in sources


def test_each_content_is_looked_at_once_ever(folder: Path, address: str) -> None:
    before = len(asked(address))
    with opened(folder, address, model="once") as palate:
        palate.put_items(ITEMS)
        palate.sync_pictures()
        first = len(asked(address)) - before
        assert first == 20
        report = palate.sync_pictures()
        assert (report.added, report.changed, report.removed) == (0, 0, 0)  # type: ignore[union-attr]
        palate.put_items([ITEMS[0].model_copy(update={"title": "Another"})])
        (folder / "covers" / "blue1.png").write_bytes(png(GREEN, comment="new"))
        report = palate.sync_pictures()
        assert report is not None
        assert report.changed == 2  # one has another title, one another picture
        palate.sync_pictures(rebuild=True)
    assert len(asked(address)) - before == 21


def test_what_cannot_be_used_is_named_and_the_rest_is_indexed(folder: Path, address: str) -> None:
    odd = [
        Item(item_id="gone", title="Gone", image="covers/gone.png"),
        Item(item_id="out", title="Out", image="../../etc/passwd"),
        Item(item_id="page", title="Page", image="page.png"),
        Item(item_id="web", title="Web", image="http://127.0.0.1:1/x.png"),
        Item(item_id="torn", title="Torn", image="torn.png"),
        Item(item_id="none", title="None"),
    ]
    (folder / "page.png").write_text("<html>", encoding="utf-8")
    (folder / "torn.png").write_bytes(png(RED)[:40])
    with opened(folder, address, fetch=True) as palate:
        palate.put_items([*ITEMS, *odd])
        report = palate.sync_pictures()
    assert report is not None
    assert report.rows == 20
    assert report.refused.keys() == {"gone", "out", "page", "web", "torn"}
    assert "private network" in report.refused["web"]
    assert "does not lie under" in report.refused["out"]
    assert "cannot read the image" in report.refused["torn"]


@pytest.mark.parametrize("shape", ["input", "messages"])
def test_both_shapes_of_requests_are_as_documented(folder: Path, address: str, shape: str) -> None:
    with opened(folder, address, shape=shape, model=f"of-{shape}") as palate:
        palate.put_items(ITEMS[:1])
        palate.sync_pictures()
    body = asked(address)[-1]
    assert (body["path"], body["model"], body["encoding_format"]) == ("/v1/embeddings", f"of-{shape}", "float")
    if shape == "input":
        assert body["input"][0]["image"].startswith("data:image/png;base64,")
    else:
        kinds = [part["type"] for part in body["messages"][0]["content"]]
        assert kinds == ["image_url", "text"]


def test_a_vision_model_describes_and_the_words_are_embedded_only(folder: Path, address: str) -> None:
    with opened(folder, address, source="describe", model="seer") as palate:
        palate.put_items(ITEMS)
        before = len(asked(address))
        report = palate.sync_pictures()
        assert report is not None
        assert report.rows == 20
        assert len(asked(address)) - before == 20
        slate = palate.recommend("eve", image=folder / "covers" / "green0.png", k=5, llm=False)
        assert len(asked(address)) - before == 20
        assert {r.item.item_id[:-1] for r in slate} == {"green"}
        palate.recommend("eve", image=png(COLOURS["red"], comment="eve's own"), k=5, llm=False)
        assert len(asked(address)) - before == 21  # looked at, and nothing of it kept
        assert all(item.text == "" for item in palate.store.items())
        rows = palate.parts.cache._rows("SELECT key, value FROM cached WHERE namespace LIKE ?", "descriptions/seer%")
    kept = [json.loads(value) for _, value in rows]
    assert len(kept) == 20
    assert all(one["generated"] is True for one in kept)
    assert {"text": "A plain green square, nothing but green.", "generated": True} in kept


def test_a_server_that_is_down_leaves_the_index_and_says_so(folder: Path, address: str) -> None:
    with opened(folder, address) as palate:
        palate.put_items(ITEMS)
        palate.sync_pictures()
    with serving_pictures() as gone:
        pass
    with opened(folder, gone) as palate:
        report = palate.sync_pictures()
        assert report is not None
        assert "refuses the connection" in report.problem
        slate = palate.recommend("eve", image=png(BLUE), k=3, llm=False)
    assert len(slate) == 3
    assert [d.stage for d in slate.degraded] == ["images"]
    assert "palate index" in slate.degraded[0].reason
    with opened(folder, address) as palate:
        assert palate.parts.pictures is not None
        assert palate.parts.pictures.index.health().ok


def test_a_query_that_cannot_be_looked_at_degrades_the_answer(folder: Path, address: str) -> None:
    with opened(folder, address) as palate:
        palate.put_items(ITEMS)
        palate.sync_pictures()
        slate = palate.recommend("eve", image=png(BLUE)[:40], k=3, llm=False)
        assert len(slate) == 3
        assert "cannot read the image" in slate.degraded[0].reason
        for shown in (b"<html>", folder / "none.png", "http://127.0.0.1/x.png"):
            with pytest.raises(ConfigError, match="the picture"):
                palate.recommend("eve", image=shown, llm=False)


def test_items_that_left_are_not_found_by_their_pictures(folder: Path, address: str) -> None:
    with opened(folder, address) as palate:
        palate.put_items(ITEMS)
        palate.sync_pictures()
        palate.store.remove_items(["blue0", "blue1"])
        palate.parts.catalogue_changed()
        slate = palate.recommend("eve", image=png(BLUE), k=5, llm=False)
        assert {"blue0", "blue1"}.isdisjoint(r.item.item_id for r in slate)
        assert {"blue2", "blue3", "blue4"} <= {r.item.item_id for r in slate}
        assert palate.sync_pictures().removed == 2  # type: ignore[union-attr]


def test_without_a_model_the_part_is_off(folder: Path) -> None:
    with Recommender.open(settings=Settings(folder=folder)) as palate:
        palate.put_items(ITEMS)
        assert palate.sync_pictures() is None
        with pytest.raises(ConfigError, match=r"images\.source is off"):
            palate.recommend("eve", image=png(RED), llm=False)
        assert not palate.recommend("eve", k=2, llm=False).degraded
    with (
        Recommender.open(settings=Settings(folder=folder, images=ImageSettings(source="endpoint"))) as palate,
        pytest.raises(ConfigError, match=r"no images\.model"),
    ):
        palate.sync_pictures()
    with Recommender.open(settings=Settings(folder=folder, images=ImageSettings(source="openclip"))) as palate:
        report = palate.sync_pictures()
        assert report is not None
        assert "pip install open-clip-torch" in report.problem


def test_an_evaluation_measures_what_pictures_add(
    folder: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"item_id": i.item_id, "title": i.title, "image": i.image} for i in ITEMS]
    cases = [
        {"case_id": c, "user_id": c, "history": [f"{c}0", f"{c}1"], "relevant": [f"{c}2"]} for c in ("red", "blue")
    ]
    for name, lines in (("items", rows), ("cases", cases)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    Path("palate.toml").write_text(
        f'cache_folder = "{folder.parents[1] / "cache"}"\n[images]\nsource = "endpoint"\nmodel = "colours"\n'
        f'base_url = "{address}"\n',
        encoding="utf-8",
    )
    assert cli.run(["eval", "recall", "--data", str(folder), "--json"]) == 0
    assert "image" in json.loads(capsys.readouterr().out)["sources"]


def test_the_commands_index_pictures_and_take_one_as_a_query(
    folder: Path, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"id": i.item_id, "title": i.title, "image": i.image, "year": 1990} for i in ITEMS]
    lines = [json.dumps(row) for row in [*rows, {"id": "odd", "title": "Odd", "image": "covers/none.png"}]]
    (tmp_path / "items.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "palate.toml").write_text(
        f'folder = "{folder}"\ncache_folder = "{folder.parents[1] / "cache"}"\n[images]\nsource = "endpoint"\n'
        f'model = "commands"\nbase_url = "{address}"\n',
        encoding="utf-8",
    )

    def palate(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(arguments)
        return code, *capsys.readouterr()

    assert palate("load", "items.jsonl")[0] == 0
    code, out, err = palate("index")
    assert code == 0
    assert "pictures: 20 rows; 20 added" in out
    assert "the picture of odd is no file" in err
    shape = json.loads(palate("index", "--json")[1])["images"]
    assert shape == {
        **{"source": "endpoint", "rows": 20, "added": 0, "changed": 0, "removed": 0},
        **{"refused": {"odd": "is no file"}, "problem": None},
    }
    code, out, _ = palate("recommend", "eve", "--image", str(folder / "covers/red0.png"), "--no-llm", "--json")
    assert {row["item_id"][:-1] for row in json.loads(out)["recommendations"]} == {"red"}
    code, _, err = palate("recommend", "eve", "--image", "items.jsonl", "--no-llm")
    assert code == 2
    assert err.strip().count("\n") == 0
    assert "is no PNG, JPEG, GIF or WebP picture" in err
