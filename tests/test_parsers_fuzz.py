"""Whatever is read, it is read or refused in words: every parser against made-up texts and bytes, and what it keeps."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import prompts
from agent.converse.kept import kept_in
from agent.deadline import Deadline
from agent.errors import ModelReplyInvalid, PalateError
from agent.llm.files.gguf import read_header, read_sizes
from agent.llm.remote.answer import Answer
from agent.llm.remote.lane import Broken
from agent.llm.remote.stream import ErrorEvent, Hearing
from agent.llm.scripted import Scripted
from agent.recall.where import parse_where
from agent.rerank.arranged import Arranged
from agent.rerank.listwise import Listwise
from agent.rerank.pairwise import Pairwise
from agent.rerank.reply import permutation_from
from agent.rerank.setwise import Setwise
from agent.serve.bodies import ConverseBody, EventsBody, InterestsBody, RecommendBody
from agent.settings import Settings, load_settings
from agent.store.stored import Turn
from agent.titles import Titles
from agent.toml_file import read_toml, write_value
from agent.types import Event, Item
from eval.plan.config import checked
from eval.plan.yaml_file import keys_in
from tests.rerank_contract import CANDIDATES, HISTORY
from tests.support.gguf_files import tiny_gguf
from tests.support.promises import Say
from tests.support.understanding import FILMS, NOTHING_SHOWN, reader, state
from tests.test_catalogue_promises import outcome

ALL = list(HealthCheck)
SIZES = [30, pytest.param(300, marks=pytest.mark.thorough)]
AT = datetime(2026, 1, 31, tzinfo=UTC)


def of(*pieces: str) -> st.SearchStrategy[str]:
    """Texts of these pieces in any order, and texts of anything."""
    return st.lists(st.sampled_from(pieces), max_size=25).map("".join) | st.text(st.characters(), max_size=60)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def bodies(*fields: str) -> st.SearchStrategy[dict[str, object]]:
    """Objects with these fields, and with anything in them."""
    return st.dictionaries(st.sampled_from(fields), ANYTHING | st.just("ada"), max_size=len(fields))


REPLIES = of(
    "[",
    "]",
    "{",
    '"order":',
    ">",
    ",",
    " ",
    "\n",
    "1",
    "2",
    "7",
    "12",
    "-1",
    "0",
    "٣",
    "3.5",
    "<think>",
    "</think>",
    "```",
    "label ",
    "1. ",
)
FILTERS = of(
    "year",
    "tags",
    ">=",
    "<",
    "=",
    "!=",
    " in ",
    "(",
    ")",
    ",",
    "'",
    '"',
    " and ",
    "not ",
    "1990",
    "Comedy",
    " ",
    "1e999",
    "-",
    "\\",
)
TITLED = of("toy story", "heat", " (1995)", "the ", ", The", "(", ")", "1995", "?", " ", "é", "ß", "'", ":")
MESSAGES = of(
    "the second one",
    " like ",
    "no horror",
    "nothing older than ",
    "1990s",
    "80年代",
    "第二个",
    "#3",
    "《",
    "“",
    "?",
    "Tom Hanks",
    " by ",
    "10",
    "it ",
    " and ",
    "不要",
    "\n",
)
TOML = of(
    "[model]\n",
    "[serve]\n",
    "folder = ",
    "timeout_s = ",
    "reference = ",
    '"x"',
    "'''",
    "5",
    "-1",
    "nan",
    "1979-05-27",
    "[",
    "]",
    "{",
    "}",
    "=",
    "\n",
    "#",
    ".",
    "queue = 3\n",
    "language = 'en'\n",
)
YAML = of(
    "version: 1\n",
    "task: rank\n",
    "data: ",
    "data/toy\n",
    "&a ",
    "*a ",
    "<<: ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ": ",
    "!!python/object/apply:os.system ",
    "? ",
    "|",
    ">",
    "\n",
    "  ",
    "\t",
    "#",
    "models: [x]\n",
    "2026-01-31",
    "0o17",
    ".nan",
    "%YAML 9\n",
    "---\n",
)
STREAMS = st.lists(
    st.sampled_from(
        [
            b"data: ",
            b"\n",
            b"\n\n",
            b"[DONE]",
            b'{"choices":[{"delta":{"content":"a"}}]}',
            b'{"choices":[]}',
            b'{"choices":[{"finish_reason":"stop","delta":{}}]}',
            b'{"error":{"code":500}}',
            b'{"error":"x"}',
            b"null",
            b"[]",
            b"{",
            b"\xff",
            b": note",
            b"event: x",
            b'{"choices":[{"delta":{"content":7}}]}',
            b'{"choices":"x"}',
            b'{"usage":{"prompt_tokens":"x"},"choices":[]}',
            b"<think>",
        ]
    ),
    max_size=14,
)
FILES = st.lists(
    st.sampled_from(
        [
            b'"',
            b",",
            b"\t",
            b"::",
            b"|",
            b"\n",
            b"\r",
            b"\0",
            b"\xff",
            b"1",
            b"item_id,title\n",
            b"user_id,item_id\n",
            b"id:token\ttitle:token\n",
            b'{"item_id":"1","title":"a"}\n',
            b"{",
            b"NaN",
            b"\xef\xbb\xbf",
            b"\x1f\x8b",
            b"PAR1",
        ]
    ),
    max_size=30,
).map(b"".join)
NAMES = [
    "x.csv",
    "x.tsv",
    "x.jsonl",
    "x.item",
    "x.inter",
    "x",
    "u.item",
    "u.data",
    "movies.dat",
    "ratings.dat",
    "movies.csv",
    "x.parquet",
    "x.db",
    "x.csv.gz",
]
GGUF = tiny_gguf()
CUTS = st.tuples(st.lists(st.tuples(st.integers(0, 420), st.integers(0, 255)), max_size=8), st.integers(0, len(GGUF)))
TOOL = st.tuples(
    st.sampled_from(["recommend", "search_items", "explain", "tell", "nothing"]),
    bodies("wish", "k", "where", "user", "query", "limit", "titles", "likes", "dislikes", "seen", "ratings"),
)


def _stream(pieces: Sequence[bytes]) -> None:
    with suppress(Broken, ErrorEvent):
        Hearing(Answer(("\n",)), lambda text: bool(text)).completion(iter(pieces))


def _body(kind: type[Any]) -> Callable[[object], None]:
    def parse(value: object) -> None:
        with suppress(ValidationError):
            kind.model_validate(value)

    return parse


def _event(value: object) -> None:
    text = json.dumps(value)
    with suppress(ValidationError):
        Event.model_validate_json(text)
    assert kept_in(Turn(1, "ada", "c", "user", text, AT)) is None  # what stands in the store is no state of hers


@dataclass(frozen=True)
class Parser:
    """What reads, and what it is given. It may raise errors of Palate's tree and nothing else."""

    given: st.SearchStrategy[Any]
    parse: Callable[[Any], object]


def parsers(folder: Path, tool: Callable[[tuple[str, dict[str, Any]]], object]) -> dict[str, Parser]:
    """Every parser by its name."""
    read, titles = reader(), Titles(FILMS)
    toml, gguf, refused = folder / "palate.toml", folder / "x.gguf", folder / "refused.jsonl"

    def settle(text: str) -> object:
        toml.write_bytes(text.encode("utf-8", "surrogatepass"))
        return load_settings(toml, environment={})

    def model(changes: tuple[list[tuple[int, int]], int]) -> object:
        content = bytearray(GGUF)
        for at, byte in changes[0]:
            content[at] = byte
        gguf.write_bytes(content[: changes[1]])
        with suppress(PalateError):
            read_sizes(gguf)
        return read_header(gguf)

    def catalogue(named: tuple[str, bytes]) -> None:
        path = folder / named[0]
        path.write_bytes(named[1])
        for kind in ("items", "events"):
            refused.unlink(missing_ok=True)
            outcome(path, kind, refused)

    def find(text: str) -> object:
        titles.suggestions(text)
        return titles.find(text)

    return {
        "reply": Parser(REPLIES, lambda text: permutation_from(text, 12)),
        "filter": Parser(FILTERS, lambda text: parse_where(text).matches(FILMS[0])),
        "title": Parser(TITLED, find),
        "message": Parser(MESSAGES, lambda text: (read.read(text, NOTHING_SHOWN), read.read(text, state()))),
        "settings": Parser(TOML, settle),
        "environment": Parser(
            bodies("PALATE_MODEL_TIMEOUT_S", "PALATE_SERVE_QUEUE", "PALATE_LANGUAGE", "PALATE_SERVE_CORS"),
            lambda values: load_settings(None, environment={name: str(value) for name, value in values.items()}),
        ),
        "eval.yaml": Parser(YAML, lambda text: checked(keys_in(text, "eval.yaml"), "eval.yaml")),
        "GGUF": Parser(CUTS, model),
        "stream": Parser(STREAMS, _stream),
        "catalogue": Parser(st.tuples(st.sampled_from(NAMES), FILES), catalogue),
        "event": Parser(
            bodies("event_id", "user_id", "kind", "item_id", "text", "value", "at", "said", "state"), _event
        ),
        "body of events": Parser(
            st.builds(lambda row: {"events": [row]}, bodies("user", "kind", "item_id", "at", "value")),
            _body(EventsBody),
        ),
        "body of a wish": Parser(bodies("user", "wish", "k", "where", "llm", "timeout_s"), _body(RecommendBody)),
        "body of a message": Parser(bodies("user", "message", "k", "shown", "language"), _body(ConverseBody)),
        "body of interests": Parser(bodies("user", "interests"), _body(InterestsBody)),
        "tool": Parser(TOOL, tool),
    }


def tool_of(folder: Path) -> Callable[[tuple[str, dict[str, Any]]], object]:
    """Calls a tool over a catalogue that has items and no index."""
    exceptions = pytest.importorskip("mcp.server.mcpserver.exceptions")
    from agent.recommender import Recommender
    from agent.serve.tools import server_over

    palate = Recommender.open(settings=Settings(folder=folder))
    server = server_over(palate, "ada", llm=False)

    def call(asked: tuple[str, dict[str, Any]]) -> None:
        with suppress(exceptions.ToolError):
            asyncio.run(server.call_tool(asked[0], asked[1]))

    return call


def tried(parser: Parser, examples: int) -> int:
    """How often the parser was asked; what it raises beyond refusals is raised here."""
    count = 0

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=ALL)
    @given(parser.given)
    def ask(value: Any) -> None:
        nonlocal count
        count += 1
        with suppress(PalateError):
            parser.parse(value)

    ask()
    return count


@pytest.mark.parametrize("examples", SIZES)
def test_every_parser_reads_or_refuses(tmp_path: Path, examples: int, promise: Say) -> None:
    found = parsers(tmp_path, tool_of(tmp_path / "data"))
    counts = {name: tried(parser, examples) for name, parser in found.items()}
    text = "Whatever is given to a parser is read, or refused by an error of Palate's tree"
    promise("Bad input", text, f"{sum(counts.values()):,} things given to {len(counts)} parsers", True)
    assert all(counts.values())


SOME = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=ALL)
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


@SOME
@given(
    st.sampled_from(["model", "serve", ""]),
    st.text("abcdef_", min_size=1, max_size=8),
    WORDS | st.booleans() | st.integers(-(2**62), 2**62) | st.lists(WORDS, max_size=3),
    st.lists(
        st.sampled_from(["# kept\n", "\n", "a = 1 # one\n", "[model]\nb = 'x'\n", "[other]\nc = [1,\n 2]\n"]),
        max_size=4,
        unique=True,
    ),
)
def test_a_value_that_is_written_is_read_back_and_the_rest_is_kept(
    tmp_path: Path, table: str, key: str, value: object, before: list[str]
) -> None:
    path = tmp_path / "palate.toml"
    path.write_text("".join(before), encoding="utf-8")
    try:
        was = read_toml(path)
        write_value(path, table, key, value)
    except PalateError:
        return
    now = read_toml(path)
    assert (now[table] if table else now)[key] == value
    (now[table] if table else now).pop(key)
    if table:
        assert {k: v for k, v in was.get(table, {}).items() if k != key} == now.pop(table)
    assert {k: v for k, v in was.items() if k not in ((table,) if table else (key,))} == now


@SOME
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40), st.lists(st.integers(1, 30), max_size=12))
def test_a_stream_says_the_same_however_it_is_cut(said: str, cuts: list[int]) -> None:
    choice = {"choices": [{"delta": {"content": f"x{said}x"}, "finish_reason": "stop"}]}
    whole = f"data: {json.dumps(choice)}\n\ndata: [DONE]\n\n".encode()
    pieces, at = [], 0
    for length in [*cuts, len(whole)]:
        pieces.append(whole[at : at + length])
        at += length
    told: list[str] = []
    texts = []
    for chunks in ([whole], pieces):
        with suppress(ModelReplyInvalid):
            texts.append(Hearing(Answer(), lambda text: told.append(text) is None).completion(iter(chunks)).text)
    assert len(set(texts)) <= 1
    assert len(texts) in (0, 2)


@SOME
@given(st.sampled_from(range(8, 40, 4)), st.sampled_from([2**31, 2**62, 2**63, 2**64 - 1]))
def test_no_count_in_a_model_file_is_believed_beyond_the_file(tmp_path: Path, at: int, count: int) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(GGUF[:at] + struct.pack("<Q", count) + GGUF[at + 8 :])
    with suppress(PalateError):
        read_header(path)


LABELS = " ".join(f"[{n}]" for n in range(1, 9))
ODD_REPLIES = {
    "empty": "",
    "spaces": "   \n ",
    "a refusal": "I'm sorry, but I cannot rank people's films.",
    "prose around": f"Sure! Here they are: {LABELS}. Enjoy your 3 films!",
    "out of range": "[9] > [99] > [1]",
    "label 0": "[0] > [1]",
    "negative": "[-1] > [-2]",
    "repeated": "[3] > [3] > [3] > [1]",
    "missing": "[2]",
    "padded": "[01] > [02]",
    "full width": "［３］＞［１］",
    "Roman": "III > I > II",
    "twice, differently": "[1] > [2] > [3]\n[3] > [2] > [1]",
    "a wrong shape": '{"ranking": {"first": 3}}',
    "numbers as texts": '{"order": ["3", "1"]}',
    "a nested list": '{"order": [[3], [1]]}',
    "a code fence": '```json\n{"order": [3, 1]}\n```',
    "cut in a number": "[1] > [1",
    "cut in JSON": '{"order": [3, 1',
    "1 MB": "[3] > " * 170_000,
    "1 MB of digits": "1" * 1_000_000,
    "only thoughts": "<think>[3] > [1]</think>",
    "thoughts without an end": "<think>[3] > [1]",
    "another language": "排名：第三、第一、第二",
    "an error": "Error: rate limit",
    "HTML": "<html><body>502 Bad Gateway</body></html>",
    "ids": "id-3, id-1",
    "titles": "Film 003 > Film 001",
    "a lone surrogate": "\ud800[3]",
    "NUL": "[3]\0[1]",
    "huge labels": "[99999999999999999999] > [3]",
    "deep": "[" * 100_000,
    "fractions": "[1.5] > [2.5]",
}


def test_every_odd_reply_of_a_model_leaves_a_whole_order(promise: Say) -> None:
    films = [Item(item_id=f"id-{n}", title=f"Film {n:03d}") for n in range(8)]
    loved = [Item(item_id="h", title="Heat")]
    prompt, never = prompts.load("rank-listwise"), Deadline.never()
    for name, reply in ODD_REPLIES.items():
        parsed = permutation_from(reply, len(films))
        assert sorted(parsed.order) == list(range(len(films))), name
        assert parsed.named + parsed.missing == len(films), name
        ranking = Listwise(Scripted([reply] * 4), prompt, window=6, stride=3).rank(loved, films, None, never)
        assert len(ranking.scores) == len(films), name
        assert sum(ranking.scores) == pytest.approx(sum(range(len(films)))), name
        assert permutation_from(reply, 6).named >= 3 or ranking.degraded, name
    text = "Every odd reply of the list leaves a permutation of the candidates, and says so where it named too few"
    promise("Bad input", text, f"{len(ODD_REPLIES)} of {len(ODD_REPLIES)} replies", True)


ODD_LOGPROBS = [0.0, -1e308, float("-inf"), -1e-320, -5.0]


@pytest.mark.parametrize("strategy", ["pairwise", "setwise", "arrange"])
def test_odd_probabilities_leave_a_score_for_every_candidate(strategy: str) -> None:
    for first in ODD_LOGPROBS:
        for second in ODD_LOGPROBS:
            model = Scripted(scores=lambda _prefix, word, a=first, b=second: a if len(word) % 2 else b)
            ranking = ranked_by(strategy, model).rank(HISTORY, CANDIDATES, "a scare", Deadline.never())
            assert len(ranking.scores) == len(CANDIDATES)
            assert not any(score != score for score in ranking.scores), (first, second)  # none is NaN


def ranked_by(strategy: str, model: Scripted) -> Any:
    kinds: dict[str, Callable[..., Any]] = {"pairwise": Pairwise, "setwise": Setwise, "arrange": Arranged}
    return kinds[strategy](model, prompts.load(f"rank-{strategy}"))
