"""Checks of arguments, so that messages name them."""

from __future__ import annotations

import operator
import os
from typing import Any, Union

from .errors import InputError

__all__ = ["Path", "count", "path_text", "text"]

Path = Union[str, "os.PathLike[str]"]


def count(name: str, value: Any, least: int = 1) -> int:
    """An integer that is not too small.

    Raises
    ------
    InputError
        For anything else.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number < 2**63:
        raise InputError(f"{name}: an integer of at least {least} was expected, found {value!r}")
    return number


def text(name: str, value: Any) -> str:
    """Text that is Unicode: no other type, and no half of a surrogate pair.

    Raises
    ------
    InputError
        For anything else.
    """
    if isinstance(value, str):
        try:
            value.encode()
            return value
        except UnicodeEncodeError:
            pass
    raise InputError(f"{name}: text was expected, found {value!r}")


def path_text(name: str, path: Any) -> str:
    """A path as text. That of a pickled recipe has to mean the same in another folder.

    Raises
    ------
    InputError
        For anything that is no path.
    """
    try:
        value = os.fspath(path)
        # Names of files that are not Unicode are text with surrogates, too; others have no such file.
        os.fsencode(value)
    except (TypeError, UnicodeEncodeError):
        raise InputError(f"{name}: a path as text was expected, found {path!r}") from None
    if not isinstance(value, str):
        raise InputError(f"{name}: a path as text was expected, found {path!r}")
    return os.path.abspath(value) if os.path.exists(value) else value
