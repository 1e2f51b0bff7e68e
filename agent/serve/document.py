"""The OpenAPI document, as the server gives it at /openapi.json and as it is published in docs/.

`python -m agent.serve.document` writes it on standard output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from agent.serve.chat_shapes import OpenaiProblemShape
from agent.serve.examples import JSON
from agent.serve.problems import OPENAI_PATHS
from agent.serve.shapes import ProblemShape, Shape

UNSENT = "422"  # FastAPI's status for bad values, which are 400 here as everything that is wrong with a request
OPEN = ("/healthz", "/readyz", "/v1/page")
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of `palate serve keys add`; asked for where there are keys.",
}


def document_of(app: FastAPI) -> dict[str, Any]:
    """The document: FastAPI's, with the statuses that are sent, and the key."""
    made = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    shared: dict[str, Any] = {}
    for path, operation in _operations(made):
        operation["responses"].pop(UNSENT, None)
        operation["responses"] = dict(_shared(operation["responses"], "Openai" if _openai(path) else "", shared))
        if path not in OPEN:
            operation["security"] = [{"key": []}, {}]
    parts = made.setdefault("components", {})
    for name in ("HTTPValidationError", "ValidationError"):
        parts.get("schemas", {}).pop(name, None)
    parts["schemas"].update(_problem_schemas())
    parts["responses"] = shared
    parts["securitySchemes"] = {"key": BEARER}
    return made


def _openai(path: str) -> bool:
    return path.startswith(OPENAI_PATHS)


def _shared(answers: dict[str, Any], prefix: str, shared: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The answers of a route, its problems as references to those that all routes have in common.

    What only one route answers, as readiness does, stays where it is.
    """
    for status, answer in answers.items():
        if status < "400" or (JSON in answer["content"] and not prefix):
            yield status, answer
            continue
        shared[f"{prefix}Problem{status}"] = answer
        yield status, {"$ref": f"#/components/responses/{prefix}Problem{status}"}


def _problem_schemas() -> dict[str, Any]:
    shapes: list[tuple[type[Shape], Literal["serialization"]]] = [
        (ProblemShape, "serialization"),
        (OpenaiProblemShape, "serialization"),
    ]
    made: dict[str, Any] = models_json_schema(shapes, ref_template="#/components/schemas/{model}")[1]["$defs"]
    return made


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def main() -> None:
    """Write the document of a server with the default settings."""
    from agent.converse.conversations import Conversations
    from agent.recommender import Recommender
    from agent.serve.app import create_app
    from agent.settings import Settings

    with Recommender.open(settings=Settings()) as recommender:
        app = create_app(recommender, Conversations(recommender))
        sys.stdout.write(json.dumps(app.openapi(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
