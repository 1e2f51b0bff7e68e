"""What people do, what is known of them, their own word on it, and being forgotten."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import JSONResponse

from agent.errors import ConfigError, NotFound, Taken, fault_of
from agent.people.acts import tag_named
from agent.recommender import Recommender
from agent.serve.bodies import ACTS, Act, EventsBody, InterestsBody
from agent.serve.callers import Caller
from agent.serve.examples import EVENTS, FORGOTTEN, PROFILE, TAKEN_BACK, answers, asked
from agent.serve.exported import EXPORT, ExportShape
from agent.serve.problems import Refused
from agent.serve.serving import caller, serving
from agent.serve.shapes import EventsShape, ForgottenShape, ProfileShape, TakenBackShape
from agent.shapes import contributions_json, event_json, forgotten_json, names_in, profile_json, standing_json
from agent.types import Event, Identifier, Title

router = APIRouter(tags=["people"])


@router.post("/v1/events", responses=answers(EventsShape, EVENTS, 404, 409))
def events(request: Request, body: Annotated[EventsBody, asked("events")]) -> JSONResponse:
    """Write acts, all or none; the next answer knows them. `written` counts those that are new."""
    here, who = serving(request).fresh, caller(request)
    acts = [_event(here, who, n, act) for n, act in enumerate(body.events)]
    try:
        written = here.put_events(acts, strict=True)
    except Taken as taken:
        names = [(act.event_id, act.user_id) for act in acts]
        place = names.index((taken.event_id, taken.user_id))
        raise Refused(409, f"events.{place}.event_id is taken", taken.hint) from taken
    ids = {event.item_id for event in acts if event.item_id is not None}
    items = {item.item_id: item for item in here.store.items(ids)}
    rows = [{"user": event.user_id, **event_json(event, items), "text": event.text} for event in acts]
    return JSONResponse({"written": written, "events": rows, "unknown_items": sorted(ids - items.keys())})


@router.delete("/v1/events/{event_id:path}", responses=answers(TakenBackShape, TAKEN_BACK, 404))
def take_back(request: Request, event_id: Identifier, user: Identifier | None = None) -> JSONResponse:
    """Take one act of a person back: it is erased, and the next answer knows nothing of it."""
    here, who = serving(request).fresh, caller(request).user(user)
    acts = {event.event_id for event in here.store.events_of(who) if event.kind in ACTS}
    if event_id not in acts or not here.take_back(who, [event_id]):
        raise NotFound("this person has no such event", "Its id is what POST /v1/events gave for it")
    return JSONResponse({"user": who, "event_id": event_id})


def _event(here: Recommender, who: Caller, place: int, act: Act) -> Event:
    if act.title is not None and act.item_id is not None:
        raise ConfigError(f"events.{place} names an item_id and a title", "Send one of them")
    item_id = act.item_id if act.title is None else here.find(act.title).item_id
    given = act.model_dump(exclude={"user", "title"}, exclude_none=True) | {"user_id": who.user(act.user)}
    try:
        return Event.model_validate({"at": datetime.now(UTC), **given, "item_id": item_id})
    except ValidationError as error:
        raise ConfigError(f"events.{place} {fault_of(error)}", "See the example in /openapi.json") from error


@router.get("/v1/profile", responses=answers(ProfileShape, PROFILE, 404))
def profile(
    request: Request,
    user: Identifier | None = None,
    why: Annotated[Title | None, Query(description="a tag: what the interest in it rests on is told too")] = None,
) -> JSONResponse:
    """What is known of a person's taste: interests with credible intervals, what they like, dislike and wished for."""
    return JSONResponse(_profile(serving(request).fresh, caller(request).user(user), why))


@router.patch("/v1/profile", responses=answers(ProfileShape, PROFILE, 404))
def correct(request: Request, body: Annotated[InterestsBody, asked("profile")]) -> JSONResponse:
    """Hold interests to shares, all or none of them; the profile as it is then."""
    here, user = serving(request).fresh, caller(request).user(body.user)
    order = sorted(body.interests.items(), key=lambda told: (told[1] is not None, bool(told[1])))
    here.correct_all(user, order)  # what is taken back comes first, so that it makes room for what is set
    return JSONResponse(_profile(here, user))


def _profile(here: Recommender, user: str, why: str | None = None) -> dict[str, Any]:
    taste, interests = here.profile(user), here.interests(user)
    shape = profile_json(taste, interests, names_in(here, taste))
    if why is None:
        return shape
    tag = tag_named(why, interests.posterior.tags)
    return shape | {
        "why": standing_json(tag, interests) | {"contributions": contributions_json(here, user, tag, interests)}
    }


@router.get("/v1/users/{user:path}/export", responses=answers(ExportShape, EXPORT))
def export(request: Request, user: Identifier) -> JSONResponse:
    """Everything that is stored about a person, and what is made of it."""
    return JSONResponse(serving(request).fresh.export(caller(request).user(user)))


@router.delete("/v1/users/{user:path}", responses=answers(ForgottenShape, FORGOTTEN))
def forget(request: Request, user: Identifier, linked: bool = False) -> JSONResponse:
    """Erase everything about a person for good; with `linked`, everything about all accounts linked with this one."""
    who = caller(request)
    if linked and who.bound:
        raise Refused(403, "this key may not erase other accounts", "Leave `linked` out")
    account = who.user(user)
    return JSONResponse(forgotten_json(account, serving(request).recommender.forget(account, linked=linked)))
