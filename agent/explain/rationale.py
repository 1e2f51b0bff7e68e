"""Gives every item of a slate its reason: one sentence and the evidence it rests on."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from agent.deadline import Deadline
from agent.errors import ModelError, PromptError
from agent.explain.compose import Variant, pick, plan, share_out, variants_of, weigh
from agent.explain.evidence import Reason, reasons_for
from agent.explain.grounding import Check, Grounds
from agent.explain.person import Because, Person, person_from
from agent.explain.write import Draft, written
from agent.llm.base import Model
from agent.types import Degradation, Event, Evidence, Item, Profile, Rationale
from prompts import Prompt, load

Writer = Literal["auto", "write", "compose"]

MIN_WRITING_S = 0.3  # with less time left no model is asked
MAX_WRITTEN = 20  # items of one call whose sentences a model writes; the rest is composed
ATTEMPTS = 2
_BARE = Reason("bare", 0.0)


@dataclass(frozen=True, slots=True)
class Explained:
    """One rationale for each item, in their order. `prompts` maps the names of the prompts used to fingerprints."""

    rationales: tuple[Rationale, ...]
    degraded: tuple[Degradation, ...]
    prompts: Mapping[str, str]


_T = TypeVar("_T")
Telling = Generator[tuple[int, Rationale], None, Explained]


def outcome(telling: Generator[object, None, _T]) -> _T:
    """What a generator returns, once it has given all that it gives."""
    while True:
        try:
            next(telling)
        except StopIteration as end:
            result: _T = end.value
            return result


class Explainer:
    """Says why items suit a person, in sentences that have been checked, each with pointers to its evidence.

    `writer`: `write` asks the model for a sentence of its own, checks it, asks once more, and composes what still
    fails; `compose` builds sentences from the evidence and lets the model choose among wordings; `auto` is `write` for
    models that chat and `compose` for all others (docs/decisions/002-rationale-writers.md). With no model it composes.
    `vocabulary` holds the catalogue's tags, so that a tag an item lacks is noticed; those at hand are added. `prompts`
    is a folder of prompts that stand in for the built-in ones. Raises PromptError where the language has no prompts.
    """

    def __init__(
        self,
        model: Model | None,
        *,
        language: str = "en",
        noun: str = "titles",
        writer: Writer = "auto",
        vocabulary: Collection[str] = (),
        prompts: Path | None = None,
    ) -> None:
        self.model = model
        self.language = language
        self.noun = noun
        self.writer = writer_for(model, writer)
        self.vocabulary = frozenset(vocabulary)
        control = model.control_tokens if model is not None else ()
        names = ("rationale-compose", "rationale-choose", "rationale-continue", "rationale-chat")
        self._prompts = {name: load(name, language, control_tokens=control, folder=prompts) for name in names}

    def explain(
        self,
        profile: Profile,
        liked: Mapping[str, Item],
        items: Sequence[Item],
        wish: str | None,
        deadline: Deadline,
        *,
        events: Iterable[Event] = (),
        because: Because | None = None,
    ) -> Explained:
        """One rationale for each item, in order. Never raises ModelError: what the model cannot do is composed.

        `liked` holds the person's own items by id. `events` are the person's, if at hand: they decide whether a
        sentence says liked, rated, bought or watched; without them only the strongest reactions are called liked.
        `because` is what was learned from behaviour: only with it a sentence may say what other people chose.
        """
        return outcome(self.explaining(profile, liked, items, wish, deadline, events=events, because=because))

    def explaining(
        self,
        profile: Profile,
        liked: Mapping[str, Item],
        items: Sequence[Item],
        wish: str | None,
        deadline: Deadline,
        *,
        events: Iterable[Event] = (),
        because: Because | None = None,
    ) -> Telling:
        """What `explain` gives, each rationale as soon as it stands, with the place of its item from 0 on."""
        if not items:
            return Explained((), (), {})
        person = person_from(profile, liked, items, wish, events, because)
        slate = _Slate(self, person, plan([reasons_for(item, person) for item in items]), items, deadline)
        return (yield from slate.telling())

    def prompt(self, task: str) -> Prompt:
        """The prompt `rationale-<task>` of the language."""
        return self._prompts[f"rationale-{task}"]


def writer_for(model: Model | None, wanted: Writer) -> Writer:
    """The writer that a model gets: the one wanted where it has the ability, else `compose`."""
    if model is None or not model.abilities & {"chat", "continue"}:
        return "compose"
    if wanted == "auto":
        return "write" if "chat" in model.abilities else "compose"
    return wanted


class _Slate:
    """The items of one call on their way to rationales."""

    def __init__(
        self, explainer: Explainer, person: Person, reasons: Sequence[Reason], items: Sequence[Item], deadline: Deadline
    ) -> None:
        self.explainer = explainer
        self.person = person
        self.reasons = reasons
        self.items = items
        self.deadline = deadline
        self.used: dict[str, str] = {}
        self.degraded: list[Degradation] = []

    def telling(self) -> Telling:
        """Each rationale as it stands, and in the end what came of it."""
        found: dict[int, Rationale] = {}
        for n, rationale in self._written() if self.explainer.writer == "write" else ():
            found[n] = rationale
            yield n, rationale
        composed = self._composed([n for n in range(len(self.items)) if n not in found])
        yield from composed.items()
        found |= composed
        return Explained(tuple(found[n] for n in range(len(self.items))), tuple(self.degraded), self.used)

    def _written(self) -> Iterator[tuple[int, Rationale]]:
        """Rationales in the model's words, with their places; only those that passed the check."""
        model = self.explainer.model
        if model is None or not self._has_time("the reasons were composed without the model"):
            return
        prompt = self._use("chat" if "chat" in model.abilities else "continue")
        person = self.person
        grounds = Grounds(person.praised(), person.wish, self.explainer.vocabulary, person.because)
        waiting = list(range(min(len(self.items), MAX_WRITTEN)))
        found, done = set[str](), set[int]()
        for attempt in range(ATTEMPTS):
            drafts = [Draft(self.items[n], self.reasons[n], n + attempt) for n in waiting]
            try:
                sentences = written(drafts, model, prompt, self.explainer.language, self.deadline)
            except (ModelError, PromptError) as error:
                self._degrade(f"reasons were composed, because the model failed: {error.message}")
                break
            for n, sentence in zip(waiting, sentences, strict=True):
                rationale = self._checked(n, sentence, grounds)
                if rationale is not None and rationale.sentence not in found:
                    found.add(rationale.sentence)
                    done.add(n)
                    yield n, rationale
            waiting = [n for n in waiting if n not in done]
            if not waiting or self.deadline.remaining_s < MIN_WRITING_S:
                break

    def _checked(self, n: int, sentence: str | None, grounds: Grounds) -> Rationale | None:
        if sentence is None:
            return None
        item, reason = self.items[n], self.reasons[n]
        result = grounds.check(sentence, item, reason.given)
        if not result.passes:
            return None
        return Rationale(sentence=sentence, evidence=_pointers(result, reason, self.person), source="written")

    def _composed(self, places: Sequence[int]) -> dict[int, Rationale]:
        """Rationales built from the evidence, by place. The model weighs the wordings where it can."""
        if not places:
            return {}
        wording = self._use("compose")
        pools = [
            self._sound(variants_of(self.reasons[n], wording, self.explainer.language, self.explainer.noun), n)
            for n in places
        ]
        groups = share_out([pool or self._bare(wording) for pool in pools], self.person.user_id)
        chosen = pick(groups, self._weights(groups))
        return {
            n: Rationale(sentence=v.sentence, evidence=self._evidence(n, v), source="composed")
            for n, v in zip(places, chosen, strict=True)
        }

    def _sound(self, variants: Sequence[Variant], n: int) -> list[Variant]:
        """The variants that pass the check; a title or a tag may hold what no sentence may."""
        reason = self.reasons[n]
        grounds = Grounds([c.item for c in reason.cited], self.person.wish, (), self.person.because)
        return [v for v in variants if grounds.check(v.sentence, self.items[n], reason.given).grounded]

    def _bare(self, wording: Prompt) -> list[Variant]:
        return variants_of(_BARE, wording, self.explainer.language, self.explainer.noun)

    def _evidence(self, n: int, variant: Variant) -> tuple[Evidence, ...]:
        item = self.items[n]
        if variant.frame.startswith(_BARE.kind):
            return (Evidence(kind="item", ref="title", value=item.title),)
        return self.reasons[n].evidence(self.person.wish)

    def _weights(self, groups: Sequence[Sequence[Variant]]) -> dict[str, float]:
        model = self.explainer.model
        if model is None or "score" not in model.abilities or not self._has_time("their wording was not weighed"):
            return {}
        try:
            return weigh(groups, model, self._use("choose"), self.deadline)
        except (ModelError, PromptError) as error:
            self._degrade(f"the wording of the reasons was not weighed: {error.message}")
            return {}

    def _use(self, task: str) -> Prompt:
        prompt = self.explainer.prompt(task)
        self.used[prompt.name] = prompt.fingerprint
        return prompt

    def _has_time(self, otherwise: str) -> bool:
        if self.deadline.remaining_s >= MIN_WRITING_S:
            return True
        self._degrade(f"no time was left: {otherwise}")
        return False

    def _degrade(self, reason: str) -> None:
        self.degraded.append(Degradation(stage="explain", reason=reason))


def _pointers(result: Check, reason: Reason, person: Person) -> tuple[Evidence, ...]:
    """What a written sentence rests on: the item's fields it names, the liked items it names or shares them with."""
    sources = [source for claim in result.supported for source in claim.sources]
    fields = [
        Evidence(kind="item", ref=s.ref, value=s.value)
        for claim in result.shared
        for s in claim.sources
        if s.owner == "item" and s.value
    ]
    sharing = [s.item_id for claim in result.shared for s in claim.sources if s.owner == "liked"]
    titles = [claim for claim in result.supported if claim.kind == "title"]
    named = {s.item_id for claim in titles for s in claim.sources if s.owner == "liked"}
    named = named or {c.item.item_id for c in reason.cited} & set(sharing) or set(sharing[:1])
    acts = [Evidence(kind="event", ref=c.event_id, value=c.item.name) for c in person.cited if c.item.item_id in named]
    if person.wish_event and any(s.owner == "wish" for s in sources):
        acts.append(Evidence(kind="event", ref=person.wish_event, value=person.wish))
    return tuple(dict.fromkeys([*fields, *acts]))
