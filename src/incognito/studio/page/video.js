// Video: a film is uploaded, or named by its path; progress, the result, a download.

import { drop, getJson, postJson, uploadVideo } from "./api.js";
import { acceptDrops } from "./drops.js";
import { ModelChoice } from "./models.js";
import { Picker } from "./picker.js";
import { statusLine } from "./status.js";

const AGAIN = 400; // milliseconds between two questions

const $ = (id) => document.getElementById(`video-${id}`);
let file = null;
let job = null; // what the program calls it
let upload = null;
let status, picker, model;

export function startVideo() {
  status = statusLine("video-status");
  picker = new Picker("video-background", "blur:24", fitFormat);
  model = new ModelChoice("video-model", "fast", () => {});
  $("file").addEventListener("change", () => choose($("file").files[0]));
  $("path").addEventListener("input", ready);
  $("start").addEventListener("click", start);
  $("cancel").addEventListener("click", cancel);
  acceptDrops($("stage"), ([dropped]) => choose(dropped));
}

function choose(chosen) {
  if (!chosen) return;
  file = chosen;
  forget();
  $("path").value = "";
  $("name").textContent = `${file.name}, ${(file.size / 1e6).toFixed(1)} MB`;
  ready();
}

function ready() {
  $("start").disabled = !(file || $("path").value.trim());
}

/** Only WebM can be transparent. */
function fitFormat(value) {
  if (value === "transparent") $("format").value = "webm";
  $("format").querySelector("[value=mp4]").disabled = value === "transparent";
}

async function start() {
  forget();
  const words = { background: picker.value, model: model.value, format: $("format").value };
  busy(true);
  try {
    job = await post(words);
    await follow();
  } catch (error) {
    if (error.name === "AbortError") status.say("Cancelled.");
    else status.fail(error);
  } finally {
    upload = null;
    busy(false);
  }
}

function post(words) {
  const path = $("path").value.trim();
  if (path) return postJson("/studio/videos", { ...words, path });
  upload = new AbortController();
  status.say("Handing it over …");
  return uploadVideo(file, words, (share) => ($("bar").value = share), upload.signal);
}

async function follow() {
  for (;;) {
    if (!job) throw new DOMException("cancelled", "AbortError");
    const video = await getJson(`/v1/videos/${job.id}`);
    show(video);
    if (video.state === "done") return finish(video);
    if (video.state === "failed") throw new Error(video.problem);
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}

function show({ state, frames_done: done, frames, seconds_left: left }) {
  if (frames) $("bar").value = done / frames;
  else $("bar").removeAttribute("value");
  $("left").textContent = left === null ? "" : `${inWords(left)} left`;
  status.say(state === "queued" ? "Waiting for its turn …" : `${done}${frames ? ` of ${frames}` : ""} frames`);
}

function inWords(seconds) {
  return seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.ceil(seconds % 60)} s`;
}

function finish({ result }) {
  $("result").src = result;
  $("result").hidden = false;
  $("drop").hidden = true;
  Object.assign($("save"), { href: result, hidden: false });
  status.say("Ready. The film is kept for an hour, or until the program ends.");
  $("result").play().catch(() => {}); // a browser may want a click first
}

async function cancel() {
  upload?.abort();
  const { id } = job ?? {};
  job = null;
  if (id) await drop(`/v1/videos/${id}`).catch(() => {});
}

/** Let go of the last result, here and in the program. */
function forget() {
  if (job) drop(`/v1/videos/${job.id}`).catch(() => {});
  job = null;
  $("result").removeAttribute("src");
  $("result").hidden = $("save").hidden = true;
  $("drop").hidden = false;
  status.say("");
}

function busy(on) {
  $("progress").hidden = !on;
  $("bar").value = 0;
  $("left").textContent = "";
  $("start").disabled = on;
  $("cancel").disabled = !on;
}
