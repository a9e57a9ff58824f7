"""Extras: packages that come with incognito[NAME] only."""

from __future__ import annotations

from importlib.util import find_spec

from incognito.errors import UsageError


def require(extra: str, *modules: str) -> None:
    """Raise UsageError, with the command that helps, where an extra's modules are not all installed."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise UsageError(f"this needs {', '.join(missing)}, which is not installed; pip install incognito[{extra}]")
