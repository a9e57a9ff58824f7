"""What the routes of one application share: the desks, the jobs, the backgrounds, the meters."""

from __future__ import annotations

import threading
from typing import Annotated

from fastapi import Depends, Request

from incognito.studio.desks import Desks, Models
from incognito.studio.jobs import Jobs
from incognito.studio.measuring import Bench
from incognito.studio.meters import Meters
from incognito.studio.places import Places
from incognito.studio.settings import Settings

DEFAULT = "fast"


class House:
    """Everything behind the routes; opened when the server starts, closed when it ends."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.limits = settings, settings.limits
        self.meters = Meters()
        self.places = Places(settings.limits.backgrounds)
        self._over = threading.Event()
        self.ready = threading.Event()  # the default model answers
        self.on_air = threading.Lock()  # held by the one page that is live
        self.bench = Bench(DEFAULT)

    def open(self) -> None:
        """Read the cards, make the desks, and load the default model in a thread of its own."""
        self.models = Models()
        limits = self.limits
        self.desks = Desks(self.models, self.settings.workers, limits.photos_waiting, limits.wait_seconds)
        self.jobs = Jobs(self.desks, limits, self.settings.videos)
        self._watch()
        self._preparing = threading.Thread(target=self._prepare, name="prepare")
        self._preparing.start()

    def close(self) -> None:
        """End all jobs and delete what they left."""
        self._over.set()
        self.bench.close()
        self.jobs.close()
        self._preparing.join()

    def _prepare(self) -> None:
        """Answer soon, then find out what answers fastest."""
        with self.desks.keep() as desk:
            desk.segmenter(DEFAULT)
        self.ready.set()
        self.models.learn(self._over)

    def _watch(self) -> None:
        meters, jobs, desks = self.meters, self.jobs, self.desks
        meters.watch("incognito_photos_waiting", "Photos that wait for a worker.", lambda: desks.waiting)
        meters.watch("incognito_videos_waiting", "Videos that wait.", lambda: jobs.count("queued"))
        meters.watch("incognito_videos_running", "Videos that are worked on.", lambda: jobs.count("running"))


def of(request: Request) -> House:
    """The house that a request came to."""
    house: House = request.app.state.house
    return house


Home = Annotated[House, Depends(of)]
