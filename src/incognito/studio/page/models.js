// The models to choose from, with what a run of each takes on this machine.

import { getJson } from "./api.js";

const WORDS = { tiny: "Tiny", fast: "Fast", best: "Best" };
const ORDER = ["tiny", "fast", "best"];
const AGAIN = 1500; // milliseconds between two questions, until all have been timed
const choices = [];
let asked;

async function refresh() {
  const list = await getJson("/v1/models");
  list.sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
  for (const choice of choices) choice.show(list);
  if (list.some(({ milliseconds }) => milliseconds === null)) setTimeout(refresh, AGAIN);
}

/** Radio buttons in a fieldset. `value` is the model's name. */
export class ModelChoice {
  constructor(id, first, onChange) {
    this.root = document.getElementById(id);
    this.group = `${id}-choice`;
    this.value = first;
    this.root.addEventListener("change", (event) => {
      this.value = event.target.value;
      onChange(this.value);
    });
    choices.push(this);
    asked ??= Promise.resolve().then(refresh);
  }

  show(list) {
    for (const { name, milliseconds } of list) {
      let row = this.root.querySelector(`[data-model="${name}"]`);
      if (!row) {
        row = Object.assign(document.createElement("label"), { className: "row" });
        row.dataset.model = name;
        const input = Object.assign(document.createElement("input"), { type: "radio", name: this.group, value: name, checked: name === this.value });
        row.append(input, WORDS[name] ?? name, document.createElement("small"));
        this.root.append(row);
      }
      row.querySelector("small").textContent = milliseconds === null ? "being timed …" : `${milliseconds.toFixed(1)} ms`;
    }
  }
}
