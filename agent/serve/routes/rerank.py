"""Any texts in the order of their fit to a query, in the shape that Cohere's and Jina's clients know."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse

from agent.errors import ConfigError
from agent.serve.bodies import NUMBER, Flag, LongText, Loose, Wish, readable
from agent.serve.examples import RERANKED, answers, asked
from agent.serve.routes.chat import MODEL
from agent.serve.serving import serving
from agent.serve.shapes import RerankedShape
from agent.types import Item

router = APIRouter(tags=["pieces"])

MAX_DOCUMENTS = 256
READ_CHARS = 4_000  # of a document; what follows is not read
TITLE_CHARS = 200
TEXT_FIELDS = ("text", "content", "title")  # where a document that is an object holds its words, the first that does

Document = LongText | Mapping[str, Any]


class RerankBody(Loose):
    """A query and documents, each a text or an object with its words in `text`."""

    model: str | None = None
    query: Annotated[Wish, Field(min_length=1)]
    documents: Annotated[tuple[Document, ...], Field(min_length=1, max_length=MAX_DOCUMENTS)]
    top_n: Annotated[int, Field(ge=1), NUMBER] | None = None
    return_documents: Flag = False


@router.post("/v1/rerank", responses=answers(RerankedShape, RERANKED, 503))
async def rerank(request: Request, body: Annotated[RerankBody, asked("rerank")]) -> JSONResponse:
    """The documents, best first, with a relevance in 0 to 1 that compares within one request only.

    They are ranked as candidates for someone whose wish is the query: by the embedder, and by the model's prompt.
    """
    here = serving(request)
    texts = [_words(document, place) for place, document in enumerate(body.documents)]
    items = [_item(text, place) for place, text in enumerate(texts)]

    slate = await here.one(
        request, lambda left_s: here.recommender.rank([], items, body.query, llm=here.llm, timeout_s=left_s)
    )
    here.meters.answered(slate.degraded, k=len(slate.recommendations))
    rows = [_row(int(r.item.item_id), r.score) for r in slate][: body.top_n]
    if body.return_documents:
        rows = [{**row, "document": {"text": texts[row["index"]]}} for row in rows]
    degraded = [one.model_dump() for one in slate.degraded]
    return JSONResponse({"id": f"rerank-{uuid.uuid4().hex}", "model": MODEL, "results": rows, "degraded": degraded})


def relevance(score: float) -> float:
    """A blended score, in standard deviations above the mean of its request, as a number in 0 to 1: 0.5 is the mean."""
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, score))))


def _row(index: int, score: float) -> dict[str, Any]:
    return {"index": index, "relevance_score": round(relevance(score), 6)}


def _words(document: Document, place: int) -> str:
    """The words of a document. Raises ConfigError where an object has none."""
    if isinstance(document, str):
        return document
    found = next((document[name] for name in TEXT_FIELDS if isinstance(document.get(name), str)), None)
    if found is None:
        raise ConfigError(f"documents.{place} has no text", 'Send a string, or an object such as {"text": "..."}')
    try:
        return readable(str(found))
    except ValueError as error:
        raise ConfigError(f"documents.{place} {error}", "Send valid Unicode text") from error


def _item(text: str, place: int) -> Item:
    """A document as an item: its first line is the title, the id its place, with zeros so that ties keep the order."""
    title, _, rest = text.strip()[:READ_CHARS].partition("\n")
    whole = len(title) <= TITLE_CHARS
    more = rest.strip() if whole else text.strip()[:READ_CHARS]
    return Item(item_id=f"{place:06d}", title=title[:TITLE_CHARS].strip() or "-", text=more)
