"""The camera that a word asks for."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

from incognito.camera import Camera
from incognito.errors import CameraError

SCRIPTED = "scripted:"


def camera_for(text: str, size: tuple[int, int], fps: float) -> Camera:
    """Make a camera of "0", "/dev/video0", a video file, rtsp:// or http://, "-", a named pipe, "scripted:ok*30 end".

    `size` is (height, width) and `fps` what a camera is asked for; an `fps` of 0 plays files flat out. Raises
    CameraError for anything else.
    """
    path = Path(text)
    if match := re.fullmatch(r"(?:/dev/video)?(\d{1,2})", text):
        from incognito.webcam import Webcam

        return Webcam(int(match[1]), size, fps)
    if text.startswith(SCRIPTED):
        from incognito.scripted import ScriptedCamera

        return ScriptedCamera(text.removeprefix(SCRIPTED), size=size, fps=fps)
    if re.match(r"(rtsps?|https?)://", text):
        from incognito.playback import Stream

        return Stream(text)
    if text == "-" or (path.exists() and stat.S_ISFIFO(path.stat().st_mode)):
        from incognito.playback import Pipe

        return Pipe("standard input" if text == "-" else text, sys.stdin.fileno() if text == "-" else path, size)
    if path.is_file():
        from incognito.playback import Film

        return Film(path, paced=fps > 0)
    raise CameraError(f"there is no camera {text!r}; give a number such as 0, a video file, an rtsp:// address, or -")
