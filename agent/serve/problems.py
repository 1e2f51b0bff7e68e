"""Errors as answers: one JSON shape for all of them (RFC 9457), and OpenAI's own where its clients ask."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from agent.errors import Ambiguous, Busy, CatalogueError, ConfigError, NotFound, PalateError
from agent.serve.lane import Overloaded
from agent.serve.meters import Meters

STATUSES: Mapping[type[PalateError], int] = {  # the first that fits; all others are 503, for they may pass
    NotFound: 404,
    Ambiguous: 409,
    Busy: 409,
    ConfigError: 400,
    CatalogueError: 400,
}
OPENAI_PATHS = ("/v1/chat/", "/v1/models")
MAX_FAULTS = 10  # how many faults of one request are told


class Refused(PalateError):
    """A request that the server itself turns away, with the status to answer and, perhaps, when to come back."""

    def __init__(self, status: int, message: str, hint: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(message, hint)
        self.status = status
        self.retry_after_s = retry_after_s


def status_of(error: PalateError) -> int:
    """The status that an error is answered with."""
    if isinstance(error, Refused):
        return error.status
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 503)


def problem_of(error: PalateError) -> dict[str, Any]:
    """The body of a problem: `type`, `title`, `status`, `detail`, `hint`, and the `choices` of what is ambiguous."""
    kind = "" if isinstance(error, Refused) else type(error).__name__
    body = _body(status_of(error), error.message, error.hint, kind)
    return body | ({"choices": list(error.choices)} if isinstance(error, Ambiguous) else {})


def answer_of(error: PalateError, path: str) -> Response:
    """The whole answer to a request for that path."""
    retry_after_s = getattr(error, "retry_after_s", None)
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    if status_of(error) == 401:
        headers["www-authenticate"] = "Bearer"
    return _answer(problem_of(error), path, headers)


def install(app: FastAPI, meters: Meters) -> None:
    """Make every error of the app a problem, and count those who were sent away."""

    @app.exception_handler(PalateError)
    async def _ours(request: Request, error: PalateError) -> Response:
        if isinstance(error, Overloaded):
            meters.shed()
        return answer_of(error, request.url.path)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        faults = [_fault(one) for one in error.errors()[:MAX_FAULTS]]
        detail = "; ".join(f"{one['at']}: {one['says']}" if one["at"] else one["says"] for one in faults)
        body = _body(400, detail, "Correct it and ask again: /openapi.json has every field", "Invalid")
        return _answer(body | {"faults": faults}, request.url.path, {})

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        what = {404: "there is nothing here", 405: "this path takes another method"}
        hint = "See /openapi.json" if error.status_code in what else ""
        detail = what.get(error.status_code, str(error.detail))
        return _answer(_body(error.status_code, detail, hint), request.url.path, dict(error.headers or {}))


def _body(status: int, detail: str, hint: str = "", kind: str = "") -> dict[str, Any]:
    name = kind or HTTPStatus(status).phrase.replace(" ", "")
    title = HTTPStatus(status).phrase
    return {"type": f"urn:palate:{name}", "title": title, "status": status, "detail": detail, "hint": hint}


def _fault(error: Mapping[str, Any]) -> dict[str, str]:
    """Where in a request something is wrong, and what; what was sent is not repeated."""
    where: Sequence[object] = [part for part in error.get("loc", ()) if part != "body"]
    text = "is no JSON" if error.get("type") == "json_invalid" else str(error.get("msg", ""))
    return {"at": ".".join(map(str, where)), "says": text.removeprefix("Value error, ")}


def _answer(body: Mapping[str, Any], path: str, headers: Mapping[str, str]) -> Response:
    status, kind = int(body["status"]), "application/problem+json"
    if path.startswith(OPENAI_PATHS):
        body, kind = openai_of(body), "application/json"
    text = json.dumps(body, ensure_ascii=True, allow_nan=False)  # ASCII: what was sent may be no valid Unicode
    return Response(text, status, headers={"cache-control": "no-store", **headers}, media_type=kind)


def openai_of(problem: Mapping[str, Any]) -> dict[str, Any]:
    """A problem in the shape of OpenAI's errors."""
    status = int(problem["status"])
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    faults = problem.get("faults") or [{}]
    message = ". ".join(filter(None, (problem["detail"], problem["hint"])))
    codes = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}
    return {
        "error": {"message": message, "type": kind, "param": faults[0].get("at") or None, "code": codes.get(status)}
    }
