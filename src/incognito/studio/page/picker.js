// Backgrounds as thumbnails: nothing, blurs, colours, made scenes, and one's own. What one tab brings, all have.

import { getJson, postFile } from "./api.js";
import { acceptDrops } from "./drops.js";

const PERSON =
  '<svg viewBox="0 0 48 30" aria-hidden="true"><g class="CLASS" fill="currentColor" opacity="0.45"><rect x="3" y="4" width="10" height="22" rx="2"/><rect x="35" y="8" width="9" height="18" rx="2"/></g><circle cx="24" cy="11" r="5" fill="currentColor"/><path d="M13 30c1-9 6-12 11-12s10 3 11 12z" fill="currentColor"/></svg>';

const FIRST = [
  { value: "transparent", name: "Nothing", mark: "checker" },
  { value: "blur:8", name: "Light blur", picture: PERSON.replace("CLASS", "soft") },
  { value: "blur:24", name: "Strong blur", picture: PERSON.replace("CLASS", "hard") },
  { value: "#ffffff", name: "White" },
  { value: "#22262c", name: "Dark" },
  { value: "#00b140", name: "Green" },
];

const own = [];
const pickers = [];
let scenes;

function nameOf(value) {
  const word = value.replace(/^(made|own):/, "");
  return word[0].toUpperCase() + word.slice(1);
}

function tileOf(group, { value, name, mark, picture }) {
  const tile = document.createElement("label");
  tile.className = "tile";
  const input = Object.assign(document.createElement("input"), { type: "radio", name: group, value });
  const face = document.createElement("span");
  face.className = `face ${mark ?? ""}`;
  if (picture) face.innerHTML = picture;
  if (value.startsWith("#")) face.style.background = value;
  if (/^(made|own):/.test(value)) face.style.backgroundImage = `url("/studio/backgrounds/${encodeURIComponent(value)}/thumbnail")`;
  const text = Object.assign(document.createElement("span"), { className: "name", textContent: name });
  tile.append(input, face, text);
  return tile;
}

/** A picker in a fieldset. `value` is what is chosen; `onChange` hears of another choice. */
export class Picker {
  constructor(id, first, onChange) {
    this.root = document.getElementById(id);
    this.group = `${id}-choice`;
    this.onChange = onChange;
    this.tiles = document.createElement("div");
    this.tiles.className = "tiles";
    this.root.append(this.tiles);
    for (const each of FIRST) this.tiles.append(tileOf(this.group, each));
    this.#addColour();
    this.#addOwn();
    this.value = first;
    this.tiles.addEventListener("change", (event) => event.target.name === this.group && this.onChange(this.value));
    acceptDrops(this.root, ([file]) => file && this.bring(file));
    pickers.push(this);
    scenes ??= getJson("/studio/backgrounds");
    scenes.then((list) => list.filter(({ name }) => name !== "made:checker").forEach(({ name }) => this.add(name, nameOf(name))));
    own.forEach(({ value, name }) => this.add(value, name));
  }

  get value() {
    return this.tiles.querySelector(`input[name="${this.group}"]:checked`)?.value;
  }

  set value(value) {
    const input = [...this.tiles.querySelectorAll("input[type=radio]")].find((each) => each.value === value);
    if (input) input.checked = true;
  }

  add(value, name) {
    this.tiles.insertBefore(tileOf(this.group, { value, name }), this.last);
  }

  choose(value) {
    this.value = value;
    this.onChange(value);
  }

  #addColour() {
    const tile = tileOf(this.group, { value: "#7aa2d6", name: "Colour …" });
    const input = Object.assign(document.createElement("input"), { type: "color", value: "#7aa2d6" });
    input.setAttribute("aria-label", "Choose a colour");
    input.addEventListener("input", () => {
      tile.querySelector("[type=radio]").value = input.value;
      tile.querySelector(".face").style.background = input.value;
      this.choose(input.value);
    });
    tile.querySelector(".face").append(input);
    this.tiles.append(tile);
  }

  #addOwn() {
    const tile = document.createElement("label");
    tile.className = "tile";
    tile.innerHTML = '<input type="file" accept="image/*,video/*"><span class="face" aria-hidden="true">+</span><span class="name">Your own …</span>';
    const input = tile.querySelector("input");
    input.setAttribute("aria-label", "Add a picture or film of your own");
    input.addEventListener("change", () => input.files[0] && this.bring(input.files[0]));
    this.tiles.append(tile);
    this.last = tile;
  }

  async bring(file) {
    try {
      const { name } = await postFile("/studio/backgrounds", file);
      own.push({ value: name, name: file.name });
      for (const picker of pickers) picker.add(name, file.name);
      this.choose(name);
    } catch (error) {
      this.root.dispatchEvent(new CustomEvent("problem", { detail: error, bubbles: true }));
    }
  }
}
