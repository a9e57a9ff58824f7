// Before and after in one place: a range input moves the line between them.

export function startSplit(inputId, viewsId) {
  const input = document.getElementById(inputId);
  const views = document.getElementById(viewsId);
  const move = () => views.style.setProperty("--split", `${input.value}%`);
  input.addEventListener("input", move);
  move();
}
