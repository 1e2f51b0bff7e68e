"""What the OpenAPI document shows: an example of every answer and every request, and which answers a route has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Body

from agent.serve.chat_shapes import CompletionShape
from agent.serve.shapes import ReadyShape, Shape

Responses = dict[int | str, dict[str, Any]]
JSON, PROBLEM_JSON, EVENTS_OF = "application/json", "application/problem+json", "text/event-stream"

PROBLEM = {
    "type": "urn:palate:NotFound",
    "title": "Not Found",
    "status": 404,
    "detail": "no item is called 'Toy Stroy'",
    "hint": "Did you mean Toy Story (1995) [id 1]?",
}
OPENAI_ERROR = {
    "error": {
        "message": "the model 'gpt-5' is not here. There is: palate",
        "type": "invalid_request_error",
        "param": "model",
        "code": "not_found",
    }
}
AT = "2026-01-31T12:00:00+00:00"
ITEM = {
    "item_id": "1",
    "title": "Toy Story",
    "tags": ["Animation", "Comedy"],
    "text": "Toys come to life when nobody looks.",
    "attributes": {"year": 1995, "director": "John Lasseter"},
    "platform": "",
    "image": "https://example.org/toy-story.jpg",
    "language": "en",
    "popularity": 912.0,
    "name": "Toy Story (1995)",
}
REASON = {
    "sentence": "You liked Ratatouille, which is an animation too.",
    "evidence": [
        {"kind": "event", "ref": "3f2a", "value": "Ratatouille"},
        {"kind": "item", "ref": "tags", "value": "Animation"},
    ],
    "source": "composed",
}
STEP = {"stage": "recall", "source": "fuse", "score": 0.03, "rank": 2}
SLATE = {
    "user": "ada",
    "recommendations": [
        {
            "rank": 1,
            "item_id": "1",
            "title": "Toy Story (1995)",
            "score": 1.31,
            "explored": False,
            "path": [STEP, {"stage": "blend", "source": "blend", "score": 1.31, "rank": 1}],
            "rationale": REASON,
            "item": ITEM,
        }
    ],
    "degraded": [{"stage": "model", "reason": "the model could not be opened"}],
    "timings_ms": {"recall": 21.0, "rank": 480.2, "explain": 260.4, "total": 770.1},
    "wish": "a clever family film",
    "prompts": {"en/rank-likelihood": "9f86d081884c7d65"},
}
EXPLAINED = WHY = SLATE
ITEMS = {"items": [ITEM]}
EVENT = {"event_id": "3f2a", "kind": "rate", "item_id": "1", "title": "Toy Story (1995)", "value": 4.5, "at": AT}
EVENTS = {"written": 1, "events": [{"user": "ada", **EVENT, "text": "seen twice"}], "unknown_items": []}
TAKEN_BACK = {"user": "ada", "event_id": "3f2a"}
REACTION = {"item_id": "1", "title": "Toy Story (1995)", "strength": 1.0, "at": AT}
PROFILE = {
    "user": "ada",
    "interests": {"Animation": 0.31, "Comedy": 0.22},
    "level": 0.8,
    "intervals": {"Animation": [0.2, 0.43], "Comedy": [0.13, 0.32]},
    "entropy_nats": 1.62,
    "pinned": {"Horror": 0.0},
    "liked": [REACTION],
    "disliked": [],
    "seen": ["1"],
    "wishes": [{"text": "a clever family film", "at": AT}],
}
ERASED = {"events": 12, "turns": 6, "links": 0, "refused_rows": 0, "keys": 0}
RECEIPT = {"receipt": "9f3b5c0a71e2d846", "at": AT, "erased": ERASED}
FORGOTTEN = {"user": "ada", "events": 12, "turns": 6, "links": 0, "remaining": [], "receipt": RECEIPT}
STATE_NOW = {
    "conversation_id": "c0ffee",
    "user_id": "ada",
    "language": "en",
    "turn": 2,
    "wishes": ["a clever family film"],
    "constraints": [{"test": "year>=2000", "said": "nothing older than 2000", "hard": True}],
    "slate": ["1"],
    "shown": ["1"],
    "focus": None,
    "pending": None,
    "asked": [],
    "events": ["3f2a"],
}
STATE = {"state": STATE_NOW}
TURN = {"role": "user", "text": "a clever family film", "at": AT, "conversation_id": "c0ffee", "slate": None}
ONE_CONVERSATION = {"id": "c0ffee", "turns": [TURN], "state": STATE_NOW}
CONVERSATIONS = {
    "user": "ada",
    "conversations": [{"id": "c0ffee", "begun": AT, "last": AT, "first_words": "a clever family film"}],
}
EVENT_STREAM = (
    'event: heard\ndata: {"piece": "heard", "understood": {"intent": "wish", ...}, "events": [...]}\n\n'
    'event: words\ndata: {"piece": "words", "text": "Here is what I found."}\n\n'
    'event: slate\ndata: {"piece": "slate", "slate": {...}}\n\n'
    'event: reason\ndata: {"piece": "reason", "place": 1, "rationale": {...}}\n\n'
    'event: done\ndata: {"piece": "done", "conversation_id": "c0ffee", "text": "...", "state": {...}}\n\n'
)
CHUNKS = (
    'data: {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Here"}, ...}], ...}\n\n'
    "data: [DONE]\n\n"
)
PIECES = ("heard", "words", "mention", "slate", "reason", "done", "error")
PAGE = {
    "noun": "films",
    "language": "en",
    "languages": ["en", "zh"],
    "model": "smollm2-135m",
    "llm": True,
    "items": 3000,
    "key_needed": False,
    "user": "ada",
    "version": "0.1.0",
}
HEALTH = {"alive": True}
READY = {"ready": True, "store": "ok", "index": "ok", "model": "ok", "degraded": []}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Here is what I found."}, "finish_reason": "stop"}
COMPLETION = {
    "id": "chatcmpl-5d41402abc4b",
    "object": "chat.completion",
    "created": 1769860800,
    "model": "palate",
    "choices": [{**CHOICE, "logprobs": None}],
    "usage": {"prompt_tokens": 412, "completion_tokens": 38, "total_tokens": 450},
}
ONE_MODEL = {"id": "palate", "object": "model", "created": 0, "owned_by": "palate"}
MODELS = {"object": "list", "data": [ONE_MODEL]}
RERANKED = {
    "id": "rerank-5d41402abc4b",
    "model": "palate",
    "results": [
        {"index": 1, "relevance_score": 0.81, "document": {"text": "A film about toys"}},
        {"index": 0, "relevance_score": 0.27, "document": {"text": "A film about war"}},
    ],
    "degraded": [],
}

ASKED: Mapping[str, Mapping[str, Any]] = {  # by route: examples of requests, by what they show
    "converse": {
        "a first message": {"user": "ada", "message": "a clever film for the whole family"},
        "in a conversation": {"user": "ada", "message": "the second one, but funnier", "conversation_id": "c0ffee"},
    },
    "recommend": {
        "a wish": {"user": "ada", "wish": "a clever family film", "k": 3},
        "a filter, without the model": {"user": "ada", "where": "year>=1990 and tags=Comedy", "llm": False},
    },
    "explain": {"two titles": {"user": "ada", "items": ["Toy Story (1995)", "Alien"]}},
    "events": {
        "a like, a rating, words": {
            "events": [
                {"user": "ada", "kind": "like", "title": "Toy Story (1995)"},
                {"user": "ada", "kind": "rate", "item_id": "1", "value": 4.5, "event_id": "3f2a", "at": AT},
                {"user": "ada", "kind": "search", "text": "films about toys"},
            ]
        }
    },
    "profile": {"set, remove, give back": {"user": "ada", "interests": {"Comedy": 0.3, "Horror": 0, "Drama": None}}},
    "chat": {
        "a message": {"model": "palate", "messages": [{"role": "user", "content": "a clever family film"}]},
        "a stream": {
            "model": "palate",
            "user": "ada",
            "messages": [
                {"role": "user", "content": "a clever family film"},
                {"role": "assistant", "content": "1. Toy Story (1995)"},
                {"role": "user", "content": "nothing older than 2000"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    },
    "rerank": {
        "texts": {"query": "a film about toys", "documents": ["A film about war", "A film about toys"], "top_n": 1},
        "objects": {"query": "toys", "documents": [{"text": "A film about toys"}], "return_documents": True},
    },
}

MEANINGS: Mapping[int, str] = {
    400: "The request is wrong; `detail` says where.",
    401: "A key is needed, or this one is not known.",
    403: "This key may not do that.",
    404: "What is asked for is not here.",
    409: "A title fits several items (`choices`), or an answer is being given in this conversation.",
    413: "The request is too large.",
    429: "The key asks too often; `Retry-After` says when it may again.",
    503: "Too many wait, or a part cannot be used now; `Retry-After` says when to try again.",
}
ALWAYS = (400, 401, 403, 413, 429, 503)


def asked(route: str) -> Any:
    """What the body of a route is marked with: its examples."""
    return Body(openapi_examples={name: {"value": example} for name, example in ASKED[route].items()})


def answers(shape: type[Shape], example: Mapping[str, Any], *statuses: int, openai: bool = False) -> Responses:
    """The answers of a route: this one, and problems with these statuses besides those that all routes have."""
    answer = {"description": "The answer.", "model": shape, "content": {JSON: {"example": example}}}
    return {200: answer, **_problems(*statuses, openai=openai)}


def completion() -> Responses:
    """The answers of the chat interfaces' route: whole, or in chunks where a stream is asked for."""
    found = answers(CompletionShape, COMPLETION, 404, openai=True)
    found[200]["content"][EVENTS_OF] = {"schema": _event_schema(), "example": CHUNKS}
    return found


def stream() -> Responses:
    """The answers of the conversation's route, which come as server-sent events."""
    content = {EVENTS_OF: {"schema": _event_schema(*PIECES), "example": EVENT_STREAM}}
    return {200: {"description": "The reply, event by event.", "content": content}, **_problems(404, 409)}


def readiness() -> Responses:
    """The answers of readiness: one shape, whether it is ready or not."""
    found = answers(ReadyShape, READY)
    waiting = {**READY, "ready": False, "index": "opening", "degraded": ["index"]}
    content = {JSON: {"example": waiting}, **found[503]["content"]}
    return {**found, 503: {"description": "Something is not open yet.", "model": ReadyShape, "content": content}}


def _problems(*statuses: int, openai: bool = False) -> Responses:
    kind, shape, example = (
        (JSON, "OpenaiProblemShape", OPENAI_ERROR) if openai else (PROBLEM_JSON, "ProblemShape", PROBLEM)
    )
    content = {kind: {"schema": {"$ref": f"#/components/schemas/{shape}"}, "example": example}}
    return {status: {"description": MEANINGS[status], "content": content} for status in sorted({*ALWAYS, *statuses})}


def _event_schema(*names: str) -> dict[str, Any]:
    """What one server-sent event holds: a JSON payload, and its name where events have names."""
    name = {"event": {"type": "string", "enum": list(names)}} if names else {}
    fields = {**name, "data": {"type": "string"}}
    return {"type": "object", "properties": fields, "required": list(fields)}
