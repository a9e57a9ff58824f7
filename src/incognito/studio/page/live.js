// Live: the camera's frames go to the program over a WebSocket, and come back without the room.
//
// A message either way is eight bytes, the frame's time by this page's clock, and a JPEG. No more than two frames are
// under way: what the program cannot take in time is never sent, so the newest frame is always the next.

import { getJson } from "./api.js";
import { startSplit } from "./compare.js";
import { ModelChoice } from "./models.js";
import { Picker } from "./picker.js";
import { statusLine } from "./status.js";

const UNDER_WAY = 2;
const LOST = 1000; // milliseconds after which a frame is no longer waited for
const QUALITY = 0.85; // of JPEG
const KEPT = 60; // times that the meter's medians stand on

const $ = (id) => document.getElementById(`live-${id}`);

const run = { socket: null, media: null, sent: [], latencies: [], shown: [], frozen: false, recorder: null };
let status, picker, model;
const grab = new OffscreenCanvas(1280, 720);

export function startLive() {
  status = statusLine("live-status");
  picker = new Picker("live-background", "blur:24", (value) => tell({ background: value }));
  model = new ModelChoice("live-model", "fast", (value) => tell({ model: value }));
  startSplit("live-split", "live-views");
  $("start").addEventListener("click", () => (run.socket ? stop() : start()));
  $("freeze").addEventListener("click", freeze);
  $("record").addEventListener("click", record);
  $("full").addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : $("stage").requestFullscreen()));
  $("virtual").addEventListener("change", restart);
  $("camera").addEventListener("change", restart);
  for (const each of document.getElementsByName("live-view")) each.addEventListener("change", () => ($("views").dataset.view = each.value));
  document.addEventListener("tab", (event) => event.detail !== "live" && stop());
  document.addEventListener("problem", (event) => status.fail(event.detail));
  listCameras();
}

async function listCameras() {
  const select = $("camera");
  const chosen = select.value;
  const here = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
  const seen = here.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
  const own = seen.length ? seen.map(({ deviceId, label }) => [`page:${deviceId}`, label || "Camera"]) : [["page:", "The browser's camera"]];
  const far = (await getJson("/studio/cameras").catch(() => [])).map((number) => [number, `The program's camera ${number}`]);
  select.replaceChildren(...[...own, ...far].map(([value, text]) => new Option(text, value)));
  if ([...select.options].some(({ value }) => value === chosen)) select.value = chosen;
}

async function start() {
  status.say("Starting …");
  const camera = $("camera").value || "page:";
  try {
    if (camera.startsWith("page:")) await openCamera(camera.slice("page:".length));
  } catch (error) {
    return status.fail(new Error(`no camera (${error.message}); plug one in and allow this page to use it`));
  }
  for (const each of document.getElementsByName("live-view")) each.disabled = each.value !== "result" && !run.media;
  const wish = { background: picker.value, model: model.value, virtual: $("virtual").checked, camera: run.media ? "page" : camera };
  open({ ...wish, width: run.media ? grab.width : 1280, height: run.media ? grab.height : 720 });
}

async function openCamera(deviceId) {
  const wanted = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  if (deviceId) wanted.deviceId = { exact: deviceId };
  run.media = await navigator.mediaDevices.getUserMedia({ video: wanted });
  $("before").srcObject = run.media;
  await $("before").play();
  grab.width = $("before").videoWidth & ~1;
  grab.height = $("before").videoHeight & ~1;
  listCameras();
}

function open(wish) {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/studio/live`);
  Object.assign(run, { socket, sent: [], latencies: [], shown: [], frozen: false });
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    socket.send(JSON.stringify(wish));
    if (run.media) nextFrame(socket);
  });
  socket.addEventListener("message", ({ data }) => (typeof data === "string" ? hear(JSON.parse(data)) : show(data, socket)));
  socket.addEventListener("close", () => run.socket === socket && stop());
  showsRunning(true);
}

function nextFrame(socket) {
  $("before").requestVideoFrameCallback?.(async () => {
    if (run.socket !== socket) return;
    await sendFrame(socket);
    nextFrame(socket);
  });
}

async function sendFrame(socket) {
  const now = performance.now();
  run.sent = run.sent.filter((stamp) => now - stamp < LOST);
  if (run.frozen || run.sent.length >= UNDER_WAY || socket.readyState !== WebSocket.OPEN) return;
  run.sent.push(now);
  grab.getContext("2d").drawImage($("before"), 0, 0, grab.width, grab.height);
  const jpeg = await grab.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  if (socket.readyState === WebSocket.OPEN) socket.send(new Blob([new Float64Array([now]), jpeg]));
}

async function show(message, socket) {
  const stamp = new DataView(message).getFloat64(0, true);
  run.sent = run.sent.filter((each) => each > stamp);
  if (run.frozen) return;
  const picture = await createImageBitmap(new Blob([new Uint8Array(message, 8)], { type: "image/jpeg" }));
  if (run.socket !== socket || run.frozen) return picture.close(); // it was stopped meanwhile
  const canvas = $("after");
  if (canvas.width !== picture.width || canvas.height !== picture.height) Object.assign(canvas, { width: picture.width, height: picture.height });
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
  canvas.dataset.pictures = Number(canvas.dataset.pictures ?? 0) + 1;
  $("views").hidden = false;
  $("empty").hidden = true;
  count(stamp);
}

function count(stamp) {
  const now = performance.now();
  if (Number.isNaN(stamp)) return;
  run.latencies = [...run.latencies, now - stamp].slice(-KEPT);
  run.shown = [...run.shown, now].slice(-KEPT);
}

const put = (name, text) => (document.getElementById(`meter-${name}`).textContent = text);
const inMs = (number) => (number === null || number === undefined ? "–" : `${number.toFixed(1)} ms`);

function hear(note) {
  if (note.kind === "note") return status.say(note.text);
  if (note.kind === "end") {
    stop();
    return note.text && status.fail(new Error(note.text));
  }
  const { stages, cpu, state, latency } = note;
  const span = run.shown.length > 1 ? (run.shown.at(-1) - run.shown[0]) / (run.shown.length - 1) : 0;
  const median = [...run.latencies].sort((a, b) => a - b)[run.latencies.length >> 1];
  put("fps", span ? (1000 / span).toFixed(1) : (note.processed / note.seconds).toFixed(1));
  put("latency", inMs(median ?? latency));
  for (const stage of ["segment", "refine", "composite", "sink"]) put(stage, inMs(stages[stage]));
  put("cpu", `${cpu.toFixed(0)} %`);
  status.say(state === "live" ? "" : `Hidden: ${state}`);
}

const tell = (change) => run.socket?.readyState === WebSocket.OPEN && run.socket.send(JSON.stringify(change));

function freeze() {
  run.frozen = !run.frozen;
  $("freeze").setAttribute("aria-pressed", run.frozen);
  status.say(run.frozen ? "Frozen: this picture stays." : "");
}

function record() {
  if (run.recorder) return run.recorder.stop();
  const parts = [];
  run.recorder = new MediaRecorder($("after").captureStream(30), { mimeType: "video/webm" });
  run.recorder.ondataavailable = ({ data }) => parts.push(data);
  run.recorder.onstop = () => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob(parts, { type: "video/webm" })), download: "incognito.webm" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    run.recorder = null;
    $("record").setAttribute("aria-pressed", false);
    $("record").textContent = "Record";
  };
  run.recorder.start(1000);
  $("record").setAttribute("aria-pressed", true);
  $("record").textContent = "Stop recording";
}

function stop() {
  const { socket, media } = run;
  Object.assign(run, { socket: null, media: null });
  run.recorder?.stop();
  socket?.close();
  media?.getTracks().forEach((track) => track.stop());
  $("before").srcObject = null;
  const canvas = $("after");
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height); // no picture of then must look like one of now
  $("views").hidden = true;
  $("empty").hidden = false;
  status.say("");
  showsRunning(false);
}

async function restart() {
  if (!run.socket) return;
  const closed = new Promise((resolve) => run.socket.addEventListener("close", resolve));
  stop();
  await closed;
  start();
}

function showsRunning(running) {
  $("start").textContent = running ? "Stop" : "Start";
  for (const name of ["freeze", "record"]) {
    $(name).disabled = !running;
    $(name).setAttribute("aria-pressed", false);
  }
  if (!running) for (const name of ["fps", "latency", "segment", "refine", "composite", "sink", "cpu"]) put(name, "–");
}
