// Photo: dropped files one after the other through the program; before and after; downloads.

import { removeBackground } from "./api.js";
import { startSplit } from "./compare.js";
import { acceptDrops } from "./drops.js";
import { ModelChoice } from "./models.js";
import { Picker } from "./picker.js";
import { statusLine } from "./status.js";
import { zip } from "./zip.js";

const ENDINGS = { png: "png", webp: "webp", jpeg: "jpg" };
const AT_ONCE = 2;

const $ = (id) => document.getElementById(`photo-${id}`);
const photos = []; // { file, before, after, blob, problem, button }
let chosen = null;
let work = new AbortController();
let status, picker, model;

export function startPhoto() {
  status = statusLine("photo-status");
  picker = new Picker("photo-background", "transparent", redo);
  model = new ModelChoice("photo-model", "best", redo);
  startSplit("photo-split", "photo-views");
  $("format").addEventListener("change", redo);
  $("files").addEventListener("change", () => add($("files").files));
  $("more").addEventListener("click", () => $("files").click());
  $("save").addEventListener("click", () => chosen?.blob && save(chosen.blob, nameOf(chosen)));
  $("zip").addEventListener("click", saveAll);
  $("close").addEventListener("click", () => closeUp($("close").getAttribute("aria-pressed") !== "true"));
  $("clear").addEventListener("click", clear);
  acceptDrops($("stage"), add);
}

function add(files) {
  for (const file of files) {
    const photo = { file, before: URL.createObjectURL(file), button: document.createElement("button") };
    photo.button.setAttribute("aria-label", file.name);
    photo.button.append(Object.assign(document.createElement("img"), { src: photo.before, alt: "" }));
    photo.button.addEventListener("click", () => choose(photo));
    const item = document.createElement("li");
    item.append(photo.button);
    $("strip").append(item);
    photos.push(photo);
  }
  $("files").value = "";
  if (!chosen && photos.length) choose(photos[0]);
  redo();
}

function choose(photo) {
  chosen = photo;
  for (const each of photos) each.button.setAttribute("aria-current", each === photo);
  closeUp(false);
  draw();
}

/** Begin anew with everything: another background, model or format was chosen, or photos came. */
async function redo() {
  if (picker.value === "transparent" && $("format").value === "jpeg") $("format").value = "png";
  $("format").querySelector("[value=jpeg]").disabled = picker.value === "transparent";
  work.abort();
  work = new AbortController();
  const { signal } = work;
  const words = { background: picker.value, model: model.value, format: $("format").value };
  const key = JSON.stringify(words);
  const waiting = [chosen, ...photos.filter((each) => each !== chosen)].filter((each) => each && each.key !== key);
  draw();
  await Promise.all(Array.from({ length: AT_ONCE }, () => go(waiting, words, key, signal)));
}

async function go(waiting, words, key, signal) {
  while (waiting.length && !signal.aborted) {
    const photo = waiting.shift();
    mark(photo, "…");
    try {
      const blob = await removeBackground(photo.file, words, signal);
      if (photo.after) URL.revokeObjectURL(photo.after);
      Object.assign(photo, { blob, after: URL.createObjectURL(blob), key, format: words.format, problem: null });
      mark(photo, "✓");
    } catch (error) {
      if (error.name === "AbortError") return;
      Object.assign(photo, { problem: error, blob: null, key });
      mark(photo, "!");
    }
    draw();
  }
}

function mark(photo, text) {
  photo.button.dataset.mark = text;
}

function draw() {
  const done = photos.filter(({ blob }) => blob).length;
  $("views").hidden = !chosen;
  $("drop").hidden = Boolean(chosen);
  $("save").disabled = !chosen?.blob;
  $("zip").disabled = done < 2;
  $("close").disabled = !chosen?.blob;
  $("more").disabled = $("clear").disabled = !photos.length;
  if (!chosen) return status.say("");
  if ($("before").src !== chosen.before) $("before").src = chosen.before;
  $("before").decode().then(fit, () => {}); // what cannot be decoded has no shape
  $("after").src = chosen.after ?? chosen.before;
  $("after").classList.toggle("waiting", !chosen.after);
  if (chosen.problem) return status.fail(chosen.problem);
  status.say(chosen.blob ? (photos.length > 1 ? `${done} of ${photos.length} are ready.` : "Ready.") : "Working …");
}

/** Give the views the photo's own shape, so that nothing stands beside it. */
function fit() {
  const { naturalWidth, naturalHeight } = $("before");
  $("views").style.setProperty("--shape", naturalWidth / naturalHeight);
}

/** Show the edges at twice their size; the stage scrolls. */
function closeUp(on) {
  const stage = $("stage");
  stage.classList.toggle("closeup", on);
  $("close").setAttribute("aria-pressed", on);
  if (!on) return;
  const { naturalWidth, naturalHeight } = $("after");
  const times = 2 / devicePixelRatio;
  const views = $("views");
  views.style.setProperty("--wide", `${naturalWidth * times}px`);
  views.style.setProperty("--high", `${naturalHeight * times}px`);
  stage.scrollTo((naturalWidth * times - stage.clientWidth) / 2, (naturalHeight * times - stage.clientHeight) / 4);
}

function nameOf({ file, format }) {
  return `${file.name.replace(/\.[^.]*$/, "")}-incognito.${ENDINGS[format]}`;
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function saveAll() {
  const names = new Map();
  const files = [];
  for (const photo of photos.filter(({ blob }) => blob)) {
    const name = nameOf(photo);
    const before = names.get(name) ?? 0;
    names.set(name, before + 1);
    files.push({ name: before ? name.replace(/(\.\w+)$/, `-${before + 1}$1`) : name, data: new Uint8Array(await photo.blob.arrayBuffer()) });
  }
  save(zip(files), "incognito.zip");
}

function clear() {
  work.abort();
  for (const { before, after } of photos) [before, after].filter(Boolean).forEach(URL.revokeObjectURL);
  photos.length = 0;
  chosen = null;
  $("strip").replaceChildren();
  closeUp(false);
  draw();
}
