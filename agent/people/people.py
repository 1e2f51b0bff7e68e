"""What people do and say, and what is known of them: the part of a recommender that needs no model and no index."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agent.errors import ConfigError, NotFound
from agent.parts.parts import Parts
from agent.people.acts import Correction, corrections, events_of_acts, rated_acts
from agent.people.beside import erased_beside, unbind_keys
from agent.people.exporting import exported
from agent.people.person import person_of
from agent.people.transfer import interests_on
from agent.profile.identity import Identity, pair_of
from agent.slate.making import listed
from agent.store.stored import Forgotten, Standing
from agent.types import Event, EventKind, Item, Profile

if TYPE_CHECKING:
    from agent.profile.interests import Interests


class People:
    """The people of a recommender: tell it what they like, read what it made of that, correct it, forget them."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def find(self, title: str | Item) -> Item:
        """The item of a title or an item id; an Item is itself. Raises NotFound with the nearest titles, Ambiguous."""
        return title if isinstance(title, Item) else self.parts.titles.find(title)

    def tell(
        self,
        user_id: str,
        *,
        likes: Sequence[str | Item] = (),
        dislikes: Sequence[str | Item] = (),
        seen: Sequence[str | Item] = (),
        ratings: Mapping[str, float] | None = None,
        at: datetime | None = None,
    ) -> list[Event]:
        """Record what a person likes, dislikes, saw and rated (1 to 5), by titles or item ids; the events written.

        All titles are found before anything is written. Within one call, later acts count as newer by a microsecond.
        Raises NotFound, Ambiguous, ConfigError.
        """
        rated = rated_acts(ratings or {})
        acts = [
            *((EventKind.VIEW, title, None) for title in listed("seen", seen)),
            *((EventKind.DISLIKE, title, None) for title in listed("dislikes", dislikes)),
            *rated,
            *((EventKind.LIKE, title, None) for title in listed("likes", likes)),
        ]
        found = [(kind, self.find(title).item_id, value) for kind, title, value in acts]
        events = events_of_acts(user_id, found, at or datetime.now(UTC))
        self._write(events)
        return events

    def events(self, user_id: str) -> tuple[Event, ...]:
        """All that a person did, oldest first, whichever process wrote it."""
        return self.parts.folds.read(user_id, lambda fold, _: fold.events)

    def standing(self, user_id: str) -> Standing:
        """What changes whenever there is news of the person, or of the catalogue."""
        return self.parts.folds.standing(user_id)

    def profile(self, user_id: str) -> Profile:
        """What is known of a person's taste; empty for someone of whom nothing is known."""
        return person_of(self.parts, user_id).profile

    def interests(self, user_id: str, *, platform: str | None = None, now: datetime | None = None) -> Interests:
        """How likely each tag is in what the person takes up next, with credible intervals and what each rests on.

        As things stand at `now`, by default at the newest evidence. For someone unknown, the catalogue's own shares.
        With a `platform`, in what they take up there, by what they did there; what is known from their other platforms
        joins the prior (docs/platforms.md). Raises NotFound for a platform without items.
        """
        if platform is not None:
            return interests_on(self.parts, user_id, platform, now)
        return self.parts.folds.read(user_id, lambda fold, _: fold.interests(now))

    def correct(self, user_id: str, tag: str, share: float | None, *, at: datetime | None = None) -> Event:
        """Set a person's interest in a tag to a share in [0, 1]; 0 removes it, None gives it back to the evidence.

        Gives the event that was written. Raises as `correct_all`.
        """
        return self.correct_all(user_id, [(tag, share)], at=at)[0]

    def correct_all(self, user_id: str, told: Sequence[Correction], *, at: datetime | None = None) -> list[Event]:
        """Several corrections in order, all of them or none; the events written.

        Raises NotFound for a tag of no item, with the nearest there are, and ConfigError for what is no share, or for
        shares that sum to more than 1.
        """
        if not told:
            return []
        held = person_of(self.parts, user_id).profile.pinned
        events = corrections(user_id, told, at or datetime.now(UTC), self.parts.tag_rates, held)
        self._write(events)
        return events

    def identity(self, user_id: str) -> Identity:
        """The person's accounts: that one, and those linked with it, at once or through others."""
        return self.parts.store.identity_of(user_id)

    def link(self, user_id: str, other: str, *, at: datetime | None = None) -> Identity:
        """Say that two accounts are one person's, from now on read together; their accounts as they are then.

        Nothing is written where that link is in force already. Raises ConfigError for one account twice.
        """
        if user_id == other:
            raise ConfigError(f"{user_id!r} is one account", "Name two: palate link A B")
        if pair_of(user_id, other) not in self.identity(user_id).links:
            self._say(user_id, EventKind.LINK, other, at)
        return self.identity(user_id)

    def unlink(self, user_id: str, other: str, *, at: datetime | None = None) -> Identity:
        """Take the link of two accounts back, that one alone; the accounts of the first as they are then.

        Who was kept apart is so still, whichever account had said it. Raises NotFound where no link of these two is in
        force, with those that the first account has.
        """
        person = self.identity(user_id)
        links = person.links
        if pair_of(user_id, other) not in links:
            ours = [" and ".join(pair) for pair in links if user_id in pair]
            hint = f"Links of {user_id}: {', '.join(ours)}" if ours else f"See: palate accounts {user_id}"
            raise NotFound(f"{user_id!r} and {other!r} are not linked to each other", hint)
        self._say(user_id, EventKind.UNLINK, other, at, person.each_apart(person.accounts))
        return self.identity(user_id)

    def keep_apart(self, user_id: str, apart: bool, *, at: datetime | None = None) -> Identity:
        """Say whether each of the person's accounts is read alone, linked as they are; what their accounts are then."""
        self._say(user_id, EventKind.APART, "yes" if apart else "no", at)
        return self.identity(user_id)

    def _say(
        self, user_id: str, kind: EventKind, text: str, at: datetime | None, besides: Sequence[Event] = ()
    ) -> None:
        events = [Event(user_id=user_id, kind=kind, text=text, at=at or datetime.now(UTC)), *besides]
        self._write(events)

    def _write(self, events: Sequence[Event]) -> None:
        """Store events, and fold them into what is kept of these people."""
        self.parts.store.put_events(events)
        self.parts.folds.hear(events)

    def take_back(self, user_id: str, event_ids: Collection[str], turns: Collection[int] = ()) -> int:
        """Erase some events of an account, and turns by their numbers, all or none; how many events there were."""
        try:
            return self.parts.store.take_back(user_id, turns, event_ids)
        finally:
            for reader in self.identity(user_id).accounts:
                self.parts.folds.drop(reader)

    def forget(self, user_id: str, *, linked: bool = False) -> Forgotten:
        """Erase everything about an account, refused rows and keys that name it included; how much, what remains.

        With `linked`, everything about all accounts of the person, all or none. What was learned from them, among
        others, is due to be learned again (docs/privacy.md).
        """
        person = self.identity(user_id)
        accounts = (user_id, *(person.others if linked else ()))
        besides, folder = self._drop(accounts, person.accounts), self.parts.settings.folder
        try:
            gone = self.parts.store.forget(*accounts, besides=besides)
        finally:  # what was loaded or read meanwhile, also where old bytes may remain
            self._drop(accounts, person.accounts)
            unbind_keys(folder, accounts[1:])
        unbind_keys(folder, [user_id])  # where old bytes remain, a person's own key has to ask again
        return gone

    def _drop(self, accounts: Sequence[str], readers: Sequence[str]) -> dict[str, int]:
        """Drop rows that name these accounts, and what is kept of all that read them; how much is beside the store."""
        for reader in readers:
            self.parts.folds.drop(reader)
        return erased_beside(self.parts.settings.folder, accounts)

    def export(self, user_id: str) -> dict[str, Any]:
        """Everything stored about an account, and what is made of it, as docs/privacy.md describes it."""
        return exported(self, user_id)
