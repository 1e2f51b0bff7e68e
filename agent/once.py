"""An attribute that is made when first asked for, once, whichever thread asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")

_making_locks = threading.Lock()


class once(Generic[T]):  # noqa: N801  # reads as the decorator it is
    """A property computed once per object. Threads that ask meanwhile wait; what raises is computed anew next time.

    `forget(object, name)` drops a value, also one that is being computed at that moment.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> once[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> once[T] | T:
        """The value, made if need be."""
        if instance is None:
            return self
        kept = _kept(instance)
        if self._name in kept:
            return kept[self._name]  # type: ignore[no-any-return]
        with _making_locks:
            lock = kept.setdefault(f"{self._name} lock", threading.RLock())
        with lock:
            if self._name not in kept:
                kept[self._name] = self._make(instance)
            return kept[self._name]  # type: ignore[no-any-return]


def forget(instance: object, *names: str) -> None:
    """Drop these values, so that they are made anew when next asked for."""
    kept = _kept(instance)
    for name in names:
        with kept.get(f"{name} lock", _making_locks):
            kept.pop(name, None)


def put(instance: object, name: str, value: object) -> None:
    """Let the attribute have this value from now on, in place of the one that was made."""
    _kept(instance)[name] = value


def kept(instance: object, name: str) -> Any:
    """The value as it was made; None where it was not yet."""
    return _kept(instance).get(name)


def forget_all(instance: object) -> None:
    """Drop every value of the object."""
    _kept(instance).clear()


def _kept(instance: object) -> dict[str, Any]:
    kept: dict[str, Any] = instance.__dict__.setdefault("_once", {})
    return kept
