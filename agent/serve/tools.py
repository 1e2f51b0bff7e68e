"""Palate as tools for the models of other programs (Model Context Protocol): recommend, search_items, explain, tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from agent.errors import PalateError
from agent.path.stages import answered_by, items_of
from agent.recall.where import parse_where
from agent.recommender import Recommender
from agent.types import Degradation, Event, Evidence, Identifier, Item, Query, Slate

MAX_ASKED = 50
_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)

_T = TypeVar("_T")

User = Annotated[
    Identifier | None, Field(description="Whose taste; leave it out for the person this server is run for.")
]
Wish = Annotated[str | None, Field(description="What they are in the mood for, in their own words.", max_length=2_000)]
Filter = Annotated[
    str | None, Field(description="Only items that pass, such as: year>=1990 and tags=Comedy", max_length=2_000)
]
HowMany = Annotated[int, Field(description="How many.", ge=1, le=MAX_ASKED)]
Titles = Annotated[tuple[str, ...], Field(description="Titles as in the catalogue, or item ids.", max_length=MAX_ASKED)]
Ratings = Annotated[dict[str, float], Field(description="Titles or item ids with ratings from 1 to 5.", max_length=50)]


class Known(BaseModel):
    """An item of the catalogue."""

    item_id: str
    title: str = Field(description="The title, with the year where it is known.")
    tags: list[str]

    @classmethod
    def of(cls, item: Item) -> Known:
        """What a model is told of an item."""
        return cls(item_id=item.item_id, title=item.name, tags=list(item.tags))


class Recommended(Known):
    """An item with its place and its reason."""

    rank: int
    reason: str | None = Field(description="A sentence that was checked against what is stored.")
    rests_on: list[str] = Field(description="What the reason rests on: what the person did, what the item says.")


class Recommendations(BaseModel):
    """Items in order; `degraded` says which stage did less than asked, if any did."""

    recommendations: list[Recommended]
    degraded: list[str]


class Found(BaseModel):
    """Items of the catalogue, best first."""

    items: list[Known]


class Recorded(BaseModel):
    """What was written down."""

    kind: str
    item_id: str
    title: str
    value: float | None


class Told(BaseModel):
    """What is known now that was not before."""

    recorded: list[Recorded]


class Tools:
    """The tools over one recommender. `user_id` is whom they are for where a call names nobody."""

    def __init__(self, recommender: Recommender, user_id: str, *, llm: bool = True) -> None:
        self._recommender = recommender
        self._user_id = user_id
        self._llm = llm

    def recommend(self, wish: Wish = None, k: HowMany = 5, where: Filter = None, user: User = None) -> Recommendations:
        """Recommend items of the catalogue that the person has not seen, best first, each with a checked reason."""
        who = user or self._user_id
        return _answered(
            lambda: _recommendations(self._recommender.recommend(who, wish, k=k, where=where, llm=self._llm))
        )

    def search_items(
        self,
        query: Annotated[str, Field(description="A title, or what it is about.", min_length=1, max_length=2_000)],
        limit: HowMany = 10,
        where: Filter = None,
    ) -> Found:
        """Find items of the catalogue: those whose titles fit come first, then those that are about it."""
        return _answered(lambda: Found(items=[Known.of(item) for item in self._found(query, limit, where)]))

    def explain(self, titles: Titles, wish: Wish = None, user: User = None) -> Recommendations:
        """Say why the person may like these items, with reasons that were checked against what is stored."""
        who = user or self._user_id
        return _answered(lambda: _recommendations(self._recommender.explain(who, titles, wish=wish, llm=self._llm)))

    def tell(
        self,
        likes: Titles = (),
        dislikes: Titles = (),
        seen: Titles = (),
        ratings: Ratings | None = None,
        user: User = None,
    ) -> Told:
        """Record what the person likes, dislikes, has seen or rated; nothing is written before all titles are found."""
        who = user or self._user_id
        if not (likes or dislikes or seen or ratings):
            raise ToolError("Nothing to record. Name titles in likes, dislikes, seen or ratings")
        return _answered(
            lambda: self._recorded(
                self._recommender.tell(who, likes=likes, dislikes=dislikes, seen=seen, ratings=ratings)
            )
        )

    def _found(self, query: str, limit: int, where: str | None) -> list[Item]:
        passes = parse_where(where) if where else None
        parts = self._recommender.parts
        index = parts.fresh_index
        if passes is not None:
            index.check(passes)
        named = [item for item in parts.titles.suggestions(query, limit) if passes is None or passes.matches(item)]
        asked = Query(source="search", why="asked for", text=query)
        about = items_of(parts.store, answered_by(parts, asked, limit, passes, frozenset()).candidates)
        return list({item.item_id: item for item in (*named, *about)}.values())[:limit]

    def _recorded(self, events: Sequence[Event]) -> Told:
        names = {i.item_id: i.name for i in self._recommender.store.items([e.item_id for e in events if e.item_id])}
        rows = [(event, event.item_id or "") for event in events]
        return Told(
            recorded=[
                Recorded(kind=event.kind.value, item_id=item_id, title=names.get(item_id, item_id), value=event.value)
                for event, item_id in rows
            ]
        )


def server_over(recommender: Recommender, user_id: str, *, llm: bool = True, version: str = "") -> MCPServer[None]:
    """A server of the tools, to be `run`. Its tools refuse in one clear line what cannot be done."""
    tools, noun = Tools(recommender, user_id, llm=llm), recommender.settings.noun
    server: MCPServer[None] = MCPServer(
        "palate",
        title="Palate",
        version=version,
        instructions=f"Recommends {noun} from a catalogue of {recommender.store.count_items():,} to a person whose "
        "taste it learns from what they like. Name only titles that a tool gave; tell it what the person says of them.",
        log_level="WARNING",
    )
    server.add_tool(tools.recommend, annotations=_READS)
    server.add_tool(tools.search_items, annotations=_READS)
    server.add_tool(tools.explain, annotations=_READS)
    server.add_tool(tools.tell, annotations=_WRITES)
    return server


def _answered(ask: Callable[[], _T]) -> _T:
    """The answer. Raises ToolError with the line that the error tells."""
    try:
        return ask()
    except PalateError as error:
        raise ToolError(str(error)) from error


def _recommendations(slate: Slate) -> Recommendations:
    return Recommendations(
        recommendations=[
            Recommended(
                **Known.of(one.item).model_dump(),
                rank=one.rank,
                reason=one.rationale.sentence if one.rationale else None,
                rests_on=[_ground(evidence) for evidence in one.rationale.evidence] if one.rationale else [],
            )
            for one in slate
        ],
        degraded=[_told(one) for one in slate.degraded],
    )


def _ground(evidence: Evidence) -> str:
    return f"{evidence.ref}: {evidence.value}" if evidence.kind == "item" else f"what they did: {evidence.value}"


def _told(one: Degradation) -> str:
    return f"{one.stage}: {one.reason}"
