"""Talking over real sockets: the page's stream of events, OpenAI's own client, and the reranker's shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from agent.converse.pieces import Heard, Mention, Piece, Reasoned, Slated, Words
from agent.converse.state import Intent, Understood
from agent.serve.routes.rerank import relevance
from agent.serve.texts import RunningText, named
from agent.types import Item, Rationale, Recommendation, Slate
from tests.support.serving import Server, films_in, palate, serving

WISH = "a clever animated film for the whole family"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("talked")
    films_in(folder)
    return folder


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    """The key of one person, and so a server that asks for keys."""
    return palate(folder, "serve", "keys", "add", "ada-phone", "--user", "ada").stdout.strip()


@pytest.fixture(scope="module")
def server(folder: Path, key: str) -> Iterator[Server]:
    assert key
    with serving(folder, "--no-llm") as server:
        yield server
        assert server.noted == ""


@pytest.fixture(scope="module")
def client(server: Server, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.address}/v1", api_key=key, max_retries=0) as client:
        yield client


def converse(server: Server, key: str, message: str, **more: object) -> list[tuple[str, dict[str, object]]]:
    got = server.ask("POST", "/v1/converse", {"message": message, **more}, authorization=f"Bearer {key}")
    assert got.headers["content-type"] == "text/event-stream; charset=utf-8"
    return got.events()


def test_a_reply_comes_as_events_in_their_order(server: Server, key: str) -> None:
    events = converse(server, key, WISH, k=3)
    names = [name for name, _ in events]
    assert names[0] == "heard"
    assert names[-1] == "done"
    assert names.index("slate") < names.index("reason")
    assert names.count("reason") == 3
    assert all(payload["piece"] == name for name, payload in events)
    done = events[-1][1]
    assert done["user_id"] == "ada"
    assert len(done["slate"]["recommendations"]) == 3
    assert {"understood", "first_word", "slate", "total"} <= set(done["timings_ms"])


def test_a_conversation_goes_on_is_listed_and_taken_back(server: Server, key: str) -> None:
    ada = {"authorization": f"Bearer {key}"}
    talk = converse(server, key, WISH)[-1][1]["conversation_id"]
    after = converse(server, key, "nothing older than 2000", conversation_id=talk)[-1][1]
    assert after["conversation_id"] == talk
    years = [r["item"]["attributes"]["year"] for r in after["slate"]["recommendations"]]
    assert years
    assert min(years) >= 2000
    listed = server.ask("GET", "/v1/conversations", **ada).json["conversations"]
    assert listed[0]["id"] == talk
    assert listed[0]["first_words"] == WISH
    whole = server.ask("GET", f"/v1/conversations/{talk}", **ada).json
    assert [turn["role"] for turn in whole["turns"]] == ["user", "assistant"] * 2
    assert whole["state"]["turn"] == 2
    back = server.ask("POST", f"/v1/conversations/{talk}/undo", **ada).json["state"]
    assert back["turn"] == 1
    assert "year" not in str(back["constraints"])
    assert len(server.ask("GET", f"/v1/conversations/{talk}", **ada).json["turns"]) == 2
    assert server.ask("GET", "/v1/conversations/unknown", **ada).status == 404


def test_what_was_wished_for_is_in_the_profile_at_once(server: Server, key: str) -> None:
    converse(server, key, "a film about the sea")
    wishes = server.ask("GET", "/v1/profile", authorization=f"Bearer {key}").json["wishes"]
    assert "a film about the sea" in [wish["text"] for wish in wishes]


def test_openais_client_sees_a_model_and_gets_an_answer(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["palate"]
    assert client.models.retrieve("palate").owned_by == "palate"
    got = client.chat.completions.create(
        model="palate",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": WISH}],
        temperature=0.2,
        max_tokens=100,
        extra_body={"top_k": 3},
    )
    (choice,) = got.choices
    assert (got.object, choice.finish_reason, choice.message.role) == ("chat.completion", "stop", "assistant")
    lines = (choice.message.content or "").splitlines()
    assert [line[:3] for line in lines if line[:1].isdigit()] == ["1. ", "2. ", "3. ", "4. ", "5. "]
    assert got.usage is not None
    assert got.usage.total_tokens == got.usage.prompt_tokens + got.usage.completion_tokens


def test_the_conversation_is_what_the_client_sends(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(model="palate", messages=[{"role": "user", "content": WISH}])
    said = first.choices[0].message.content or ""
    more = client.chat.completions.create(
        model="palate",
        messages=[
            {"role": "user", "content": [{"type": "text", "text": WISH}]},
            {"role": "assistant", "content": said},
            {"role": "user", "content": "nothing older than 2000"},
        ],
    )
    shown = [line for line in (more.choices[0].message.content or "").splitlines() if line[:1].isdigit()]
    assert shown
    assert not [line for line in shown if "(19" in line]


def test_a_stream_has_the_same_words_and_says_what_it_cost_where_asked(client: openai.OpenAI) -> None:
    asked = {"model": "palate", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    chunks = list(client.chat.completions.create(**asked, stream_options={"include_usage": True}))  # type: ignore[call-overload]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert (chunks[-1].choices, chunks[-1].usage is None) == ([], False)
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1
    plain = list(client.chat.completions.create(**asked))  # type: ignore[call-overload]
    assert all(chunk.choices and chunk.usage is None for chunk in plain)


def test_openais_client_meets_its_own_errors(client: openai.OpenAI, server: Server) -> None:
    hello = [{"role": "user", "content": "hello"}]
    with pytest.raises(openai.NotFoundError, match="gpt-5"):
        client.chat.completions.create(model="gpt-5", messages=hello)  # type: ignore[arg-type]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="palate", messages=hello, n=2)  # type: ignore[arg-type]
    assert refused.value.param == "n"
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="palate", messages=hello, user="bob")  # type: ignore[arg-type]
    stranger = openai.OpenAI(base_url=f"{server.address}/v1", api_key="wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError) as unknown:
        stranger.models.list()
    assert unknown.value.code == "invalid_api_key"


def test_a_stream_that_is_left_leaves_the_server_well(client: openai.OpenAI) -> None:
    for _ in range(3):
        with client.chat.completions.create(
            model="palate", messages=[{"role": "user", "content": WISH}], stream=True
        ) as stream:
            next(iter(stream))
    assert client.chat.completions.create(model="palate", messages=[{"role": "user", "content": "hello"}]).choices


def test_documents_are_put_in_order(server: Server, key: str) -> None:
    documents = ["Soldiers in a long war", {"text": "Toys that come to life"}, "A cook in Paris", {"title": "Toys"}]
    body = {"model": "any", "query": "a story about living toys", "documents": documents, "return_documents": True}
    got, again = (server.ask("POST", "/v1/rerank", body, authorization=f"Bearer {key}").json for _ in range(2))
    assert got["results"] == again["results"]
    assert sorted(row["index"] for row in got["results"]) == [0, 1, 2, 3]
    assert got["results"][0]["index"] in (1, 3)
    scores = [row["relevance_score"] for row in got["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    texts = {row["index"]: row["document"]["text"] for row in got["results"]}
    assert texts[1] == "Toys that come to life"
    first = server.ask("POST", "/v1/rerank", {**body, "top_n": 1}, authorization=f"Bearer {key}").json["results"]
    assert first == got["results"][:1]


def test_a_relevance_is_a_share_that_grows_with_the_score() -> None:
    assert relevance(0) == 0.5
    assert 0 < relevance(-1e9) < relevance(-1) < relevance(2) < relevance(1e9) <= 1


def slate_of(*titles: str, reasons: bool = False) -> Slate:
    items = [Item(item_id=f"{n}", title=title, attributes={"year": 1990 + n}) for n, title in enumerate(titles)]
    why = Rationale(sentence="So said.", evidence=(), source="composed") if reasons else None
    made = [Recommendation(item=item, rank=n, score=1.0, rationale=why) for n, item in enumerate(items, start=1)]
    return Slate(user_id="ada", recommendations=tuple(made))


def reason(place: int, sentence: str) -> Reasoned:
    return Reasoned(place=place, rationale=Rationale(sentence=sentence, evidence=(), source="composed"))


def heard() -> Heard:
    return Heard(understood=Understood(message="x", language="en", intent=Intent.WISH, intents={Intent.WISH: 1.0}))


@pytest.mark.parametrize(
    ("pieces", "parts"),
    [
        ([heard(), Words(text="Hello "), Words(text="you.")], ["", "Hello ", "you."]),
        (
            [Words(text="S"), Slated(slate=slate_of("A", "B")), reason(2, "Two."), reason(1, "One."), Words(text=" ?")],
            ["S", "\n\n1. A (1990)", "", ": One.\n2. B (1991): Two.\n", "\n?"],
        ),
        (
            [Slated(slate=slate_of("A", "B", reasons=True)), Words(text="Ok?")],
            ["1. A (1990): So said.\n2. B (1991): So said.\n", "\nOk?"],
        ),
        ([Slated(slate=slate_of("A")), Words(text="Ok?")], ["1. A (1990)", "\n\nOk?"]),
        ([Slated(slate=slate_of()), Words(text="None.")], ["", "None."]),
        ([Words(text="See "), Mention(item=Item(item_id="1", title="A"))], ["See ", "A"]),
    ],
)  # fmt: skip
def test_pieces_become_running_text(pieces: list[Piece], parts: list[str]) -> None:
    text = RunningText()
    assert [text.add(piece) for piece in pieces] == parts


def test_titles_cannot_act_as_markup() -> None:
    hostile = Item(item_id="1", title="![x](http://evil.example/a.png)\n# <b>*Hi*</b> `x` |")
    assert named(hostile) == r"!\[x\](http://evil.example/a.png) \# \<b\>\*Hi\*\</b\> \`x\` \|"
