// A line that says what is going on; screen readers hear it.

export function statusLine(id) {
  const line = document.getElementById(id);
  return {
    say(text) {
      line.classList.remove("bad");
      line.textContent = text;
    },
    fail(error) {
      line.classList.add("bad");
      line.textContent = error.message ?? String(error);
    },
  };
}
