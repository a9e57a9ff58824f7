"""The page in a real browser: headless Chromium, its camera fed from a made clip.

INCOGNITO_SHOTS=FOLDER also takes the screenshots that docs/studio.md shows.
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
import shutil
import time
import zipfile
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from asking import decoded, served
from making import write_film

from incognito import containers, video
from incognito.scripted import made, room

SIZE = (720, 1280)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PORTRAIT = Path(__file__).parents[2] / "src/incognito/assets/astronaut.jpg"
SHOTS = os.environ.get("INCOGNITO_SHOTS")
LOOKS = [(theme, size) for theme in ("light", "dark") for size in ((1280, 860), (390, 844))]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="skipped: no Chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium, with a camera that shows the portrait before a room of tiles."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="skipped: no Playwright")
    folder = tmp_path_factory.mktemp("camera")
    with (folder / "made camera.mjpeg").open("wb") as file:
        for number in range(60):
            file.write(cv2.imencode(".jpg", made(2 * number, SIZE)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1])
    camera = ["--use-fake-device-for-media-stream", "--use-file-for-fake-video-capture=made camera.mjpeg"]
    with contextlib.chdir(folder):  # the camera is called as its file
        playwright = sync_api.sync_playwright().start()
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--use-fake-ui-for-media-stream", *camera]
        )
    yield browser
    browser.close()
    playwright.stop()


@pytest.fixture(scope="module")
def studio():
    """The studio, its models timed."""
    with served("--no-browser", command="studio") as server:
        server.ready()
        while any(model["milliseconds"] is None for model in httpx.get(server.address + "v1/models").json()):
            time.sleep(0.2)
        yield server.address


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """A second of the portrait, swaying."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_film(path, [made(number, (360, 640)) for number in range(25)], [40 * number for number in range(25)])
    return path


@pytest.fixture(params=LOOKS, ids=[f"{theme}-{size[0]}" for theme, size in LOOKS])
def page(request, browser, studio):
    """The page in a look; it must not complain, nor ask anybody else for anything."""
    theme, (width, height) = request.param
    viewport = {"width": width, "height": height}
    context = browser.new_context(color_scheme=theme, viewport=viewport, permissions=["camera"], accept_downloads=True)
    page = context.new_page()
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: requests.append(asked.url))
    page.goto(studio)
    page.look = f"{theme}-{width}"
    yield page
    context.close()
    assert not complaints
    assert not [url for url in requests if not url.startswith((studio, "blob:", "data:"))]


def until(page, condition: str, seconds: float = 30.0) -> None:
    """Wait for a condition in JavaScript; Playwright's own waiting needs what the page's policy forbids."""
    for _ in range(int(seconds * 20)):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def shoot(page, name: str) -> None:
    """Keep a screenshot, where they are wanted."""
    if SHOTS:
        shot = page.screenshot(full_page=page.viewport_size["width"] < 500)
        picture = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)
        cv2.imwrite(f"{SHOTS}/{name}-{page.look}.webp", picture, [cv2.IMWRITE_WEBP_QUALITY, 82])


def canvas_of(page) -> np.ndarray:
    """What the live page shows, RGB."""
    url = page.evaluate("document.getElementById('live-after').toDataURL('image/png')")
    return decoded(base64.b64decode(url.split(",", 1)[1]))[..., :3]


def likeness(picture: np.ndarray) -> float:
    """The correlation of the room with what is shown where the portrait never comes."""
    shown, hidden = (each[:170].astype(float) for each in (picture, room(SIZE)))
    shown, hidden = shown - shown.mean(), hidden - hidden.mean()
    return float((shown * hidden).sum() / max(np.sqrt((shown**2).sum() * (hidden**2).sum()), 1e-9))


def test_live_shows_the_person_and_never_the_room(page):
    """From the camera to the canvas; frames a second and latency are printed."""
    assert likeness(room(SIZE)) > 0.99  # what it would be, if the room were shown
    page.click("#live-background .tile:has-text('Hills')")
    page.click("#live-start")
    until(page, "Number(document.getElementById('live-after').dataset.pictures) > 40")
    until(page, "document.getElementById('meter-latency').textContent.endsWith('ms')")
    picture = canvas_of(page)
    assert picture.shape == (*SIZE, 3)
    assert abs(likeness(picture)) < 0.2
    suit = (picture[..., 0] > 170) & (picture[..., 1] > 60) & (picture[..., 1] < 140) & (picture[..., 2] < 110)
    assert suit.mean() > 0.02  # the orange of her suit
    assert float(page.inner_text("#meter-fps")) > 3
    page.click("text=Side by side")
    page.wait_for_timeout(400)
    shoot(page, "live")
    page.click("#live-start")
    assert page.is_visible("#live-empty") and canvas_of(page).max() == 0  # nothing of then is left


def test_a_photo_is_dropped_and_downloaded(page):
    """As a PNG with true alpha; several as a ZIP."""
    page.click("#tab-photo")
    transfer = page.evaluate_handle(
        """async (bytes) => {
            const transfer = new DataTransfer();
            for (const name of ["one.jpg", "two.jpg"]) transfer.items.add(new File([new Uint8Array(bytes)], name));
            return transfer;
        }""",
        list(PORTRAIT.read_bytes()),
    )
    page.dispatch_event("#photo-stage", "drop", {"dataTransfer": transfer})
    page.wait_for_selector("text=2 of 2 are ready.", timeout=30_000)
    with page.expect_download() as download:
        page.click("#photo-save")
    picture = decoded(Path(download.value.path()).read_bytes())
    assert download.value.suggested_filename == "one-incognito.png"
    assert (picture.shape, picture[150, 220, 3], picture[20, 480, 3]) == ((512, 512, 4), 255, 0)
    with page.expect_download() as download:
        page.click("#photo-zip")
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["one-incognito.png", "two-incognito.png"]
    page.click("#photo-background .tile:has-text('Dusk')")
    page.wait_for_selector("text=2 of 2 are ready.", timeout=30_000)
    page.focus("#photo-split")
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.getElementById('photo-views').style.getPropertyValue('--split')") == "42%"
    page.wait_for_timeout(800)
    shoot(page, "photo")
    page.click("#photo-close")
    wide = page.evaluate("document.getElementById('photo-after').getBoundingClientRect().width * devicePixelRatio")
    assert wide == 1024


def test_a_film_becomes_one_that_plays(page, clip):
    """From the upload to the player."""
    page.click("#tab-video")
    page.set_input_files("#video-file", str(clip))
    page.click("#video-background .tile:has-text('Green')")
    page.click("#video-start")
    page.wait_for_selector("#video-result:not([hidden])", timeout=30_000)
    until(page, "document.getElementById('video-result').currentTime > 0.1")
    assert page.evaluate("document.getElementById('video-result').videoWidth") == 640
    with page.expect_download() as download:
        page.click("#video-save")
    assert Path(download.value.path()).read_bytes()[4:8] == b"ftyp"
    shoot(page, "video")


def test_a_transparent_film_shows_what_is_under_it(browser, tmp_path):
    """VP9 with alpha in a real player: the coloured page where nothing is, the film where something is."""

    def hole(frame, seconds: float) -> np.ndarray:
        alpha = np.zeros(frame.size, np.uint8)
        alpha[:, frame.size[1] // 2 :] = 255
        return np.dstack([cv2.copyTo(frame.pixels, alpha), alpha])

    source, target = tmp_path / "in.mp4", tmp_path / "out.webm"
    write_film(source, [np.full((90, 160, 3), (20, 60, 220), np.uint8)] * 25, [40 * number for number in range(25)])
    video.convert(source, target, containers.container_of(target), hole, alpha=True)
    page = browser.new_page(viewport={"width": 160, "height": 90})
    url = "data:video/webm;base64," + base64.b64encode(target.read_bytes()).decode()
    page.set_content(f'<body style="margin:0;background:#e02020"><video src="{url}" autoplay muted loop></video>')
    until(page, "document.querySelector('video').currentTime > 0.2")
    shown = decoded(page.screenshot())[..., :3].astype(int)
    page.close()
    assert np.abs(shown[45, 20] - (224, 32, 32)).max() <= 6
    assert np.abs(shown[45, 140] - (20, 60, 220)).max() <= 12


def test_it_can_be_used_by_keys_alone(page):
    """Tabs by arrows, choices by arrows, all by Tab; every control has a name."""
    page.focus("#tab-live")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-photo" and page.is_visible("#photo")
    page.keyboard.press("End")
    assert page.is_visible("#benchmark") and not page.is_visible("#photo")
    page.keyboard.press("Home")
    page.focus("#live-model input:checked")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.value") == "tiny"
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, select, canvas, video, iframe")].filter((each) =>
            !each.labels?.length && !each.getAttribute("aria-label") && !each.textContent.trim() && !each.title)
            .map((each) => each.outerHTML)"""
    )
    assert not [each for each in nameless if 'id="video-result"' not in each]


def test_the_theme_can_be_turned(page):
    """And is kept."""
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    assert before != after == page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_nothing_is_wider_than_the_window(page):
    """On a telephone neither."""
    for tab in ("live", "photo", "video", "benchmark"):
        page.click(f"#tab-{tab}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
