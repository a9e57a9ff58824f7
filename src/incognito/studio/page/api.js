// What the page asks the program for. Everything goes to the address that the page came from.

/** An answer of application/problem+json: `message` is what happened and what to do. */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super([body.detail, body.remedy].filter(Boolean).join("; "));
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

async function checked(response) {
  if (response.ok) return response;
  const body = await response.json().catch(() => ({ detail: response.statusText }));
  throw new Problem(response.status, body, Number(response.headers.get("Retry-After")) || 1);
}

export async function getJson(path) {
  return (await checked(await fetch(path))).json();
}

export async function postJson(path, value) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value ?? {}) };
  return (await checked(await fetch(path, options))).json();
}

export async function postFile(path, file) {
  const options = { method: "POST", headers: { "Content-Type": file.type || "application/octet-stream" }, body: file };
  return (await checked(await fetch(path, options))).json();
}

/** Take away a photo's background; waits its turn where the program is busy. */
export async function removeBackground(file, words, signal) {
  const path = `/v1/remove?${new URLSearchParams(words)}`;
  const options = { method: "POST", headers: { "Content-Type": file.type || "application/octet-stream" }, body: file, signal };
  for (;;) {
    try {
      return await (await checked(await fetch(path, options))).blob();
    } catch (error) {
      if (error.status !== 429) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * error.retryAfter));
    }
  }
}

/** Upload a film; fetch cannot tell how far an upload is, XMLHttpRequest can. */
export function uploadVideo(file, words, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/videos?${new URLSearchParams(words)}`);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onload = () => (request.status < 300 ? resolve(request.response) : reject(new Problem(request.status, request.response ?? {}, 1)));
    request.onerror = () => reject(new Error("the program cannot be reached; is it still running?"));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

export async function drop(path) {
  await checked(await fetch(path, { method: "DELETE" }));
}
