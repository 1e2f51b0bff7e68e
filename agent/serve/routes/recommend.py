"""Recommendations, reasons for items that anyone chose, the path of one item, and items by their titles."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse

from agent.serve.bodies import ExplainBody, RecommendBody
from agent.serve.examples import EXPLAINED, ITEMS, SLATE, WHY, answers, asked
from agent.serve.serving import Serving, caller, serving
from agent.serve.shapes import ItemsShape, SlateShape
from agent.shapes import items_json, slate_json
from agent.types import Identifier, Slate, Title

router = APIRouter(tags=["recommendations"])

MAX_ITEMS = 100


@router.post("/v1/recommend", responses=answers(SlateShape, SLATE, 404, 503))
async def recommend(request: Request, body: Annotated[RecommendBody, asked("recommend")]) -> JSONResponse:
    """Up to k items that the person has not seen, best first, each with its path and a checked reason."""
    here, user = serving(request), caller(request).user(body.user)
    llm = body.llm and here.llm

    ask = partial(here.recommender.recommend, user, body.wish, k=body.k, where=body.where, llm=llm)
    slate = await here.one(request, lambda left_s: ask(timeout_s=left_s), body.timeout_s)
    return _answer(here, slate)


@router.post("/v1/explain", responses=answers(SlateShape, EXPLAINED, 404, 409, 503))
async def explain(request: Request, body: Annotated[ExplainBody, asked("explain")]) -> JSONResponse:
    """Reasons for items that anyone chose, in the order given."""
    here, user = serving(request), caller(request).user(body.user)
    llm = body.llm and here.llm

    ask = partial(here.recommender.explain, user, body.items, wish=body.wish, llm=llm)
    return _answer(here, await here.one(request, lambda left_s: ask(timeout_s=left_s), body.timeout_s))


@router.get("/v1/why", responses=answers(SlateShape, WHY, 404, 409, 503))
async def why(request: Request, item: Title, user: Identifier | None = None) -> JSONResponse:
    """The whole path of one item, alone in a slate: from the newest slate that shows it, else computed now."""
    here, who = serving(request), caller(request).user(user)

    ask = partial(here.recommender.why, who, item, llm=here.llm)
    return _answer(here, await here.one(request, lambda left_s: ask(timeout_s=left_s)))


@router.get("/v1/items", responses=answers(ItemsShape, ITEMS))
def items(
    request: Request,
    q: Annotated[str, Query(max_length=1_000)] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_ITEMS)] = 10,
) -> JSONResponse:
    """Items whose titles fit best, whole or in part, slips of the keyboard allowed; the best known for no words."""
    parts = serving(request).fresh.parts
    found = parts.titles.suggestions(q, limit) if q.strip() else parts.store.popular(limit)
    return JSONResponse({"items": items_json(found)})


def _answer(here: Serving, slate: Slate) -> JSONResponse:
    here.meters.answered(slate.degraded, k=len(slate.recommendations))
    return JSONResponse(slate_json(slate))
