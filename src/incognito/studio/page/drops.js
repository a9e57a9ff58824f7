// Files that are dropped onto a part of the page.

export function acceptDrops(part, take) {
  part.addEventListener("dragover", (event) => {
    event.preventDefault();
    part.classList.add("over-it");
  });
  part.addEventListener("dragleave", () => part.classList.remove("over-it"));
  part.addEventListener("drop", (event) => {
    event.preventDefault();
    part.classList.remove("over-it");
    take([...event.dataTransfer.files]);
  });
}
