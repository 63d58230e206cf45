// What is wrong with a field. On a line whose room is always there, so that nothing moves while
// somebody types; what does not fit on it is in a bubble, for the pointer and for the keyboard.

import { element, output } from "../widgets/shared.js";

let drawn = 0;

/**
 * The list of problems of a field, which it describes.
 * @param {boolean} inLine whether it is one line with its room kept
 */
export function problemList(field, inLine = false) {
  const list = element("ul", `pex-problems ${inLine ? "pex-problem-line" : ""}`.trim());
  list.id = `pex-problems-${++drawn}`;
  list.setAttribute("aria-live", "polite");
  list.hidden = !inLine;
  field.setAttribute("aria-describedby", list.id);
  const bubble = inLine ? makeBubble(list) : null;
  let had = "[]";
  return {
    list,
    /** @param todo whether it is only that nothing has been typed yet */
    draw(found, todo = false) {
      const now = JSON.stringify(found.length ? [found, todo] : []);
      if (now === had) return;
      had = now;
      list.classList.toggle("pex-todo", todo);
      list.hidden = !inLine && !found.length;
      list.replaceChildren(...found.map((problem) => {
        const item = element("li");
        const line = problem.line ? `line ${problem.line}: ` : "";
        item.append(output(`${line}${problem.text}`, "pex-problem"));
        if (problem.hint) item.append(" ", output(problem.hint, "pex-meta"));
        return item;
      }));
      bubble?.update();
    },
  };
}

/** All of a line that is too long for its place, while the pointer is on it or it has the focus. */
function makeBubble(list) {
  const node = element("ul", "pex-problem-bubble");
  node.popover = "manual"; // in the top layer: no box that scrolls clips it
  node.setAttribute("aria-hidden", "true"); // the field is described by the list itself
  const isCut = () => list.scrollWidth > list.clientWidth + 1;

  function show() {
    if (!isCut()) return;
    const { left, top, width } = list.getBoundingClientRect();
    node.replaceChildren(...[...list.children].map((item) => item.cloneNode(true)));
    node.classList.toggle("pex-todo", list.classList.contains("pex-todo"));
    if (!node.isConnected) list.after(node);
    Object.assign(node.style, { left: `${left - 8}px`, top: `${top - 4}px`, width: `${Math.max(width, 280) + 16}px` });
    node.showPopover();
  }

  function hide() {
    if (node.isConnected) node.remove();
  }

  /** A line that can be read further has a place in the order of the keyboard. */
  function update() {
    hide();
    if (isCut()) list.tabIndex = 0;
    else list.removeAttribute("tabindex");
    if (list === document.activeElement) show();
  }

  list.addEventListener("pointerenter", show);
  list.addEventListener("pointerleave", () => list !== document.activeElement && hide());
  list.addEventListener("focus", show);
  list.addEventListener("blur", hide);
  list.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !node.isConnected) return;
    event.stopPropagation();
    hide();
  });
  new ResizeObserver(update).observe(list);
  return { update };
}
