"""A camera's thread: it leaves the newest frame in a mailbox, and waits for a camera that is gone."""

from __future__ import annotations

import threading

from incognito.camera import Camera, NoFrame, StreamEnded
from incognito.errors import CameraError, IncognitoError, first_line
from incognito.mailbox import Mailbox
from incognito.timing import Clock, Stages

PAUSE = 0.5  # seconds between two tries to open a camera that is gone
PATIENCE = 5.0  # seconds that a thread may take to end: a read() takes two at the most


class Capture:
    """What reads a camera that is open. `away` says why no frames come; `error` and `ended`, that none will."""

    def __init__(self, camera: Camera, mailbox: Mailbox, clock: Clock, stages: Stages) -> None:
        self._camera, self._mailbox, self._clock, self._stages = camera, mailbox, clock, stages
        self.away, self.ended = "", False
        self.error: IncognitoError | None = None
        self._over, self._resting = threading.Event(), threading.Event()
        self.started = False
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self.started = True
        self._thread.start()

    def rest(self) -> None:
        """Let go of the camera until `wake`."""
        self._resting.set()

    def wake(self) -> None:
        """Take hold of the camera again."""
        self._resting.clear()

    def stop(self) -> None:
        """End the thread, which closes the camera."""
        self._over.set()
        if self.started:
            self._thread.join(PATIENCE)
        else:
            self._camera.close()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                self._read_until_gone()
                self._camera.close()
                self._over.wait(PAUSE)
                while self._resting.is_set() and not self._over.is_set():
                    self._over.wait(PAUSE)
                self._reopen()
        except StreamEnded:
            self.ended = True
        except Exception as error:  # whatever a driver raises ends the run with one line
            self.error = (
                error
                if isinstance(error, IncognitoError)
                else CameraError(f"{self._camera.name} cannot be read ({first_line(error)}); choose another --camera")
            )
        finally:
            self._camera.close()

    def _read_until_gone(self) -> None:
        try:
            while not self._over.is_set() and not self._resting.is_set():
                self._read()
        except CameraError as error:
            if not self._camera.lasting:
                raise
            self.away = str(error)

    def _read(self) -> None:
        try:
            pixels = self._camera.read()
        except NoFrame as error:
            self.away = str(error)
            return
        with self._stages.stage("capture"):
            self._mailbox.post(pixels, self._clock())
        self.away = ""

    def _reopen(self) -> None:
        while not self._over.is_set():
            try:
                self._camera.open()
                break
            except CameraError as error:
                self.away = str(error)
                self._over.wait(PAUSE)
