"""Profiles: the options of `incognito live` under a name, as TOML in the user's own configuration folder."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs

from incognito import output
from incognito.errors import OutputError, UsageError, first_line

TEXT, TEXTS, NUMBER, SWITCH = "a text in quotes", "a text in quotes or a list of them", "a number", "true or false"
KEYS = {  # the options of `incognito live` that may be kept, and what each takes
    "camera": TEXT,
    "to": TEXTS,
    "background": TEXTS,
    "model": TEXT,
    "size": TEXT,
    "fps": NUMBER,
    "side-by-side": SWITCH,
    "fullscreen": SWITCH,
    "budget": TEXT,
}


def folder() -> Path:
    """Where profiles lie: on Linux ~/.config/incognito/profiles, elsewhere in that system's place for settings."""
    return platformdirs.user_config_path("incognito", appauthor=False) / "profiles"


def save(name: str, options: Mapping[str, Any]) -> Path:
    """Keep options under a name, in place of what was there; those that are None or an empty list are left out.

    Gives the file's path. Raises UsageError for a name, a key or a value that a profile cannot have, OutputError where
    the file cannot be written.
    """
    target, kept = _file(name), _typed(options)
    _check(name, kept)
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in kept.items())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target.parent} cannot be made ({first_line(error)}); mend its permissions") from None
    with output.beside(target) as part:
        part.chmod(0o600)  # a stream's address may hold a password
        part.write_bytes(text.encode())
    return target


def load(name: str) -> dict[str, Any]:
    """Give the options kept under a name. Raises UsageError where there are none, or not such as a profile may have."""
    path = _file(name)
    try:
        options = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no profile {name!r}; {_others()}") from None
    except (OSError, ValueError) as error:  # ValueError: neither UTF-8 nor TOML
        raise UsageError(f"{path} cannot be read ({first_line(error)}); mend it or save it again") from None
    _check(name, options)
    return options


def merged(profile: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what was typed over a profile; None and an empty list were not typed."""
    return {**profile, **_typed(given)}


def _typed(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None and value != []}


def _file(name: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise UsageError(f"{name!r} is no name for a profile; take up to 64 letters, digits, - and _")
    return folder() / f"{name}.toml"


def _check(name: str, options: Mapping[str, Any]) -> None:
    """Refuse a key that no profile has, and a value of another type than the key takes."""
    for key, value in options.items():
        if key not in KEYS:
            raise UsageError(f"profile {name} has {key!r}, which is not known; a profile has {', '.join(KEYS)}")
        if not _fits(KEYS[key], value):
            raise UsageError(f"{key} in profile {name} takes {KEYS[key]}, not {value!r}; mend it or save it again")


def _fits(kind: str, value: Any) -> bool:
    if kind == SWITCH:
        return isinstance(value, bool)
    if kind == NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == TEXTS and isinstance(value, list):
        return bool(value) and all(_is_text(each) for each in value)
    return _is_text(value)


def _is_text(value: Any) -> bool:
    """Whether a value is a text that UTF-8 can hold: a path's broken bytes it cannot."""
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _toml(value: Any) -> str:
    """Write a value as TOML; its texts are JSON's, but for one character."""
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value) if isinstance(value, bool) else repr(value)


def _others() -> str:
    names = ", ".join(sorted(path.stem for path in folder().glob("*.toml")))
    return f"there are {names}" if names else "--save-profile NAME keeps the options beside it under a name"
