"""What devices, sessions and tasks have in common: they stand for something that cannot be copied."""

from __future__ import annotations

from typing import Any, Dict, TypeVar

from .errors import ForkError

__all__ = ["Handle", "Refused", "usable"]

H = TypeVar("H", bound="Handle")


class Handle:
    """A handle on something native. A copy is the handle itself."""

    def __copy__(self: H) -> H:
        return self

    def __deepcopy__(self: H, memo: Dict[int, Any]) -> H:
        return self


class Refused:
    """In the place of something native in a forked child, where nothing can be made: any use raises.

    Unpickling itself must not: a worker of a pool would end without a word, and its parent would wait for ever.
    """

    def __init__(self, error: ForkError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise ForkError(*self._error.args)


def usable(native: Any) -> Any:
    """What is native, unless it was refused.

    Raises
    ------
    ForkError
        Where it was.
    """
    if isinstance(native, Refused):
        raise native._error
    return native
