"""The app: every route over one recommender and its conversations, behind one edge."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.staticfiles import StaticFiles

from agent.recommender import Recommender
from agent.sections import ServeSettings
from agent.serve.callers import Door
from agent.serve.document import document_of
from agent.serve.edge import LOOPBACK, Edge, Gate, log_line
from agent.serve.keys import Keys
from agent.serve.lane import Lane
from agent.serve.meters import Meters
from agent.serve.problems import install
from agent.serve.routes import chat, converse, health, people, recommend, rerank
from agent.serve.running import is_local
from agent.serve.serving import Serving

if TYPE_CHECKING:
    from agent.converse.conversations import Conversations
    from agent.observe.tracing import Tracing

SUBJECTS = (converse, recommend, people, chat, rerank, health)
PAGE = Path(__file__).parent / "page"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
OTHERS = ["HEAD", "OPTIONS", "TRACE", "CONNECT"]
CROSSING: dict[str, Any] = {  # what scripts of other sites may do, where they may ask at all
    "allow_methods": METHODS,
    "allow_headers": ["authorization", "content-type"],
    "expose_headers": ["retry-after"],
}
ABOUT = "Recommendations with checked reasons, conversations about them, and what is known of a taste."


def create_app(
    recommender: Recommender,
    conversations: Conversations,
    *,
    note: Callable[[str], None] = log_line,
    tracing: Tracing | None = None,
) -> FastAPI:
    """The whole server as an ASGI app on an open recommender, which it does not close.

    `note` hears of its troubles; answers become spans of `tracing`.
    """
    settings = recommender.settings.serve
    lane = Lane(settings.queue)
    meters = Meters(lambda: lane.waiting, lambda: here.model_tokens, lambda: here.breaker)
    door = Door(Keys(recommender.settings.folder), open_without=is_local(settings.host))
    app = FastAPI(title="Palate", description=ABOUT, version="1", docs_url=None, redoc_url=None, lifespan=_lifespan)
    app.state.serving = here = Serving(recommender, conversations, lane, meters, door)
    app.openapi = cache(lambda: document_of(app))  # type: ignore[method-assign]  # as FastAPI's own documentation does it
    install(app, meters)
    for subject in SUBJECTS:
        app.include_router(subject.router)
    app.add_api_route("/v1/{rest:path}", _nothing, methods=[*METHODS, *OTHERS], include_in_schema=False)
    mimetypes.add_type("text/javascript", ".js")
    app.mount("/", StaticFiles(directory=PAGE, html=True, check_dir=False), name="page")
    gate = Gate(door, _hosts(settings), settings.cors)
    most, has_room = int(settings.max_body_mb * 2**20), partial(lane.check, settings.timeout_s)
    app.add_middleware(Edge, gate=gate, meters=meters, max_bytes=most, note=note, tracing=tracing, has_room=has_room)
    if settings.cors:
        app.add_middleware(CORSMiddleware, allow_origins=settings.cors, **CROSSING)
    return app


def _hosts(settings: ServeSettings) -> set[str] | None:
    """The names that the server answers to; None for any, where it is reached from elsewhere and none is set."""
    if not (is_local(settings.host) or settings.hosts):
        return None
    return {*LOOPBACK, settings.host.lower(), *map(str.lower, settings.hosts)}


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open model and index behind the first requests; at the end let answers under way come to theirs."""
    here: Serving = app.state.serving
    opening = asyncio.create_task(here.open())
    yield
    opening.cancel()
    with suppress(asyncio.CancelledError):
        await opening
    await here.lane.close()


async def _nothing(request: Request) -> Response:
    """What answers where no route does: 405 where the path takes other methods, which `Allow` names, else 404."""
    routes = (route for subject in SUBJECTS for route in subject.router.routes if isinstance(route, Route))
    found = [route for route in routes if route.matches(request.scope)[0] is Match.PARTIAL]
    if not found:
        raise HTTPException(404)
    methods = {method for route in found if route.path == found[0].path for method in route.methods or ()}
    raise HTTPException(405, headers={"allow": ", ".join(sorted(methods))})
