"""The OpenAPI document: as published, whole, and true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent import Recommender, Settings
from agent.converse.conversations import Conversations
from agent.serve.app import create_app

PUBLISHED = Path(__file__).parent.parent / "docs" / "openapi.json"
ROUTES = """
POST:/v1/converse GET:/v1/conversations GET:/v1/conversations/{conversation_id}
POST:/v1/conversations/{conversation_id}/undo
POST:/v1/recommend POST:/v1/explain GET:/v1/why GET:/v1/items POST:/v1/rerank
POST:/v1/events DELETE:/v1/events/{event_id} GET:/v1/profile PATCH:/v1/profile
DELETE:/v1/users/{user} GET:/v1/users/{user}/export
POST:/v1/chat/completions GET:/v1/models GET:/v1/models/{model}
GET:/v1/page GET:/healthz GET:/readyz GET:/metrics
"""
MEDIA = ("application/json", "application/problem+json")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with Recommender.open(settings=Settings(folder=tmp_path_factory.mktemp("opened"))) as recommender:
        return create_app(recommender, Conversations(recommender)).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def resolved(document: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """An answer, or the shared one that it stands for."""
    return document["components"]["responses"][told["$ref"].rpartition("/")[2]] if "$ref" in told else told


def test_the_published_document_is_the_servers(document: dict[str, Any]) -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == document, (
        "write it anew: python -m agent.serve.document > docs/openapi.json"
    )


def test_every_route_is_in_it_with_words_and_examples(document: dict[str, Any]) -> None:
    found = dict(operations(document))
    assert sorted(ROUTES.split()) == sorted(name.replace(" ", ":") for name in found)
    for name, operation in found.items():
        assert operation["description"], name
        assert operation["tags"], name
        for status, told in operation["responses"].items():
            answer = resolved(document, told)
            for kind, content in answer["content"].items():
                assert "example" in content, (name, status, kind)
                Draft202012Validator.check_schema(content["schema"])
                if kind in MEDIA:
                    whole = {**content["schema"], "components": document["components"]}
                    Draft202012Validator(whole).validate(content["example"])
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            schema = {**content["schema"], "components": document["components"]}
            assert content["examples"], name
            for example in content["examples"].values():
                Draft202012Validator(schema).validate(example["value"])


def test_errors_have_their_shape_everywhere(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        kind = MEDIA["/chat" not in name and "/models" not in name]
        answers = {status: resolved(document, told) for status, told in operation["responses"].items()}
        problems = {status: one for status, one in answers.items() if status >= "400"}
        assert problems.keys() >= {"400", "401", "429", "503"} or name == "GET /metrics", name
        assert all(kind in one["content"] for one in problems.values()), name
