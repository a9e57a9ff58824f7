// Benchmark: the program times itself; its report is a page of its own.

import { getJson, postJson } from "./api.js";
import { statusLine } from "./status.js";

const AGAIN = 500; // milliseconds between two questions

const $ = (id) => document.getElementById(`bench-${id}`);
let status;

export function startBenchmark() {
  status = statusLine("bench-status");
  $("start").addEventListener("click", start);
}

async function start() {
  $("start").disabled = true;
  $("page").hidden = true;
  $("progress").hidden = false;
  try {
    let now = await postJson("/studio/benchmark");
    while (now.running) {
      show(now);
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
      now = await getJson("/studio/benchmark");
    }
    if (now.problem) throw new Error(now.problem);
    $("page").src = "/studio/benchmark/page";
    $("page").hidden = false;
    status.say("Measured on this computer, just now.");
  } catch (error) {
    status.fail(error);
  } finally {
    $("start").disabled = false;
    $("progress").hidden = true;
  }
}

function show({ turns, of }) {
  if (of) Object.assign($("bar"), { max: of, value: turns });
  else $("bar").removeAttribute("value");
  $("left").textContent = of ? `${turns} of ${of} turns` : "loading …";
  status.say("Timing …");
}
