"""The laboratory's commands, as one command line."""

from __future__ import annotations

import typer

from incognito.lab import making, measuring

app = typer.Typer(help="The laboratory: train, evaluate and export networks (extra lab).", no_args_is_help=True)
for command in (*making.COMMANDS, *measuring.COMMANDS):
    app.command()(command)
