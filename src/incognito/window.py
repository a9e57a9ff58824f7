"""A window: the result, or the original beside it, in SDL2 through pygame-ce (extra [window])."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np

from incognito.errors import SinkError, first_line
from incognito.frame import Picture
from incognito.sink import Command

KEYS: dict[str, Command] = {  # by what the key types, so that every keyboard's layout is right
    "q": "quit",
    "\x1b": "quit",
    "b": "background",
    "s": "side-by-side",
    "+": "stronger",
    "=": "stronger",  # where + is typed with shift
    "-": "weaker",
    " ": "pause",
}
FULL_SCREEN = "f"
SHARE = 0.9  # of the desktop's sides that a new window takes at the most
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")  # one of these says where, on Linux
MISSING = "a window needs pygame-ce, which is not installed; pip install incognito[window], or use --to page"
NO_DISPLAY = "a window needs a display, and there is none; use --to page or file:OUT.mp4, or start on a desktop"

Box = tuple[int, int, int, int]  # left, top, width, height


class Window:
    """Shows a stream to the user, and takes their keys; everything from the thread that opened it.

    q, Escape or closing it quits; b, s, +, - and space are commands; f, full screen, is its own.
    """

    name = "window"
    sees_room = True

    def __init__(self, title: str, fullscreen: bool = False, side_by_side: bool = False) -> None:
        self._title = title
        self._fullscreen = fullscreen
        self._side_by_side = side_by_side
        self._size = (0, 0)  # width, height of the window when it is not full screen
        self._pygame: Any = None

    def open(self, size: tuple[int, int], fps: float) -> None:
        """Open it as large as the pictures are, or as the desktop lets it be; raises SinkError."""
        pygame = self._pygame = _import()
        try:
            with self._drawing():
                pygame.display.init()
                self._size = _inside(_shape(size, self._side_by_side), pygame.display.get_desktop_sizes()[0])
                self._arrange()
        except SinkError:
            pygame.display.quit()
            raise
        pygame.display.set_caption(self._title)
        pygame.display.set_allow_screensaver(True)  # SDL would keep the screen from being locked
        pygame.event.set_blocked([pygame.MOUSEMOTION, pygame.MOUSEWHEEL])  # a full queue would lose keys

    def show(self, picture: Picture, original: Picture | None, seconds: float) -> None:
        """Draw the result, right of the original where that is given and asked for; raises SinkError."""
        with self._drawing():
            screen = self._pygame.display.get_surface()
            screen.fill((0, 0, 0))
            width, height = screen.get_size()
            if self._side_by_side and original is not None:
                half = width // 2
                self._draw(screen, original, (0, 0, half, height), 1.0)
                self._draw(screen, picture, (half, 0, width - half, height), 0.0)
            else:
                self._draw(screen, picture, (0, 0, width, height), 0.5)
            self._pygame.display.flip()

    def commands(self) -> list[Command]:
        """Give what keys asked for since the last call, in their order; f is dealt with here."""
        pygame, asked = self._pygame, list[Command]()
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                asked.append("quit")
            elif event.type == pygame.KEYDOWN:
                asked += self._press(event.unicode.lower())
        return asked

    def watched(self) -> bool | None:
        """Tell whether it can be seen: it is not minimised."""
        return bool(self._pygame.display.get_active())

    def close(self) -> None:
        """Take the window away."""
        self._pygame.display.quit()

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Say in one line what SDL could not do."""
        try:
            yield
        except self._pygame.error as error:
            raise SinkError(f"no window can be shown ({first_line(error)}); use --to page or file:OUT.mp4") from None

    def _press(self, key: str) -> list[Command]:
        if key == FULL_SCREEN:
            self._fullscreen = not self._fullscreen
            with self._drawing():
                self._arrange()
        command = KEYS.get(key)
        if command == "side-by-side":
            self._side_by_side = not self._side_by_side
        return [command] if command else []

    def _arrange(self) -> None:
        """Fill the screen, or go back to the window as the user had left it."""
        display, pygame = self._pygame.display, self._pygame
        if self._fullscreen:
            self._size = display.get_window_size() if display.get_surface() else self._size
            display.set_mode((0, 0), pygame.FULLSCREEN)
        else:
            display.set_mode(self._size, pygame.RESIZABLE)
        pygame.mouse.set_visible(not self._fullscreen)

    def _draw(self, screen: Any, picture: Picture, box: Box, align: float) -> None:
        """Draw a picture as large as its box lets it be, with bars where the shapes differ."""
        left, top, width, height = letterbox(picture.shape[:2], box, align)
        if (height, width) != picture.shape[:2]:
            method = cv2.INTER_AREA if 2 * width <= picture.shape[1] else cv2.INTER_LINEAR
            picture = cv2.resize(picture, (width, height), interpolation=method)
        surface = self._pygame.image.frombuffer(np.ascontiguousarray(picture), (width, height), "RGB")
        screen.blit(surface, (left, top))


def letterbox(size: tuple[int, ...], box: Box, align: float = 0.5) -> Box:
    """Where a picture of size (height, width) goes in a box: all of it, its shape kept; `align` 0 is left, 1 right."""
    left, top, width, height = box
    scale = min(width / size[1], height / size[0])
    wide, high = max(1, round(size[1] * scale)), max(1, round(size[0] * scale))
    return left + round((width - wide) * align), top + (height - high) // 2, wide, high


def _shape(size: tuple[int, int], side_by_side: bool) -> tuple[int, int]:
    height, width = size
    return (2 * width if side_by_side else width), height


def _inside(shape: tuple[int, int], desktop: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, *(SHARE * most / side for side, most in zip(shape, desktop, strict=True)))
    width, height = shape
    return max(1, round(width * scale)), max(1, round(height * scale))


def _import() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")  # SDL would swallow SIGTERM
    try:
        import pygame
    except ImportError:
        raise SinkError(MISSING) from None
    if sys.platform == "linux" and not any(os.environ.get(name) for name in DISPLAYS):
        raise SinkError(NO_DISPLAY)  # SDL would write lines of its own first
    return pygame
