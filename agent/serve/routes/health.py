"""Whether the server lives and is ready, what it counts, and what its page needs to begin."""

from __future__ import annotations

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from agent.errors import PalateError
from agent.language import LANGUAGES
from agent.serve.examples import HEALTH, PAGE, Responses, answers, readiness
from agent.serve.meters import CONTENT_TYPE
from agent.serve.problems import Refused
from agent.serve.serving import Serving, serving
from agent.serve.shapes import HealthShape, PageShape
from agent.supply.locked import version_of

router = APIRouter(tags=["the server"])

_COUNTS: Responses = {
    200: {
        "description": "Prometheus text.",
        "content": {"text/plain": {"schema": {"type": "string"}, "example": "palate_queue_length 0.0\n"}},
    }
}


@router.get("/healthz", responses=answers(HealthShape, HEALTH))
async def alive() -> JSONResponse:
    """Whether the server answers at all."""
    return JSONResponse(HEALTH)


@router.get("/readyz", responses=readiness())
async def ready(request: Request, after: BackgroundTasks) -> JSONResponse:
    """Whether it can answer well: status 503 until store, index and model are open, `degraded` says what is missing.

    A model that cannot be opened degrades answers and does not end readiness. What could not be opened is tried again.
    """
    here = serving(request)
    found = await run_in_threadpool(_standing, here)
    if here.may_open:
        after.add_task(here.open)
    return JSONResponse(found, 200 if found["ready"] else 503, background=after)


def _standing(here: Serving) -> dict[str, object]:
    parts = {"store": _store(here), "index": "opening", "model": "opening" if here.llm else "off"}
    if here.opened:
        parts["index"] = "ok" if here.trouble is None else str(here.trouble)
        left_alone = here.breaker.trouble if here.breaker else ""
        parts["model"] = "off" if not here.llm else str(here.model_trouble or left_alone or "ok")
    lacking = [name for name in parts if parts[name] not in ("ok", "off")]
    return {"ready": not {"store", "index"} & {*lacking} and here.opened, **parts, "degraded": lacking}


def _store(here: Serving) -> str:
    try:
        here.recommender.store.count_items()
    except PalateError as error:
        return str(error)
    return "ok"


@router.get("/metrics", responses=_COUNTS, response_class=Response)
async def counts(request: Request) -> Response:
    """Counters and times in Prometheus's text form; no person, item or word is in them."""
    return Response(serving(request).meters.text(), headers={"content-type": CONTENT_TYPE})


@router.get("/v1/page", responses=answers(PageShape, PAGE))
def page(request: Request) -> JSONResponse:
    """What the page needs to begin. Needs no key; with one that is a person's, `user` is that person."""
    here = serving(request)
    try:
        caller = here.door.caller(request)
    except Refused:
        user = None
    else:
        user = caller.key.user if caller.key else None
    settings = here.settings
    found = {
        "noun": settings.noun,
        "language": settings.language if settings.names_language else None,
        "languages": list(LANGUAGES),
        "model": settings.model.reference,
        "llm": here.llm,
        "items": here.recommender.store.count_items(),
        "key_needed": here.door.locked,
        "user": user,
        "version": version_of("palate"),
    }
    return JSONResponse(found)
