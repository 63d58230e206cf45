// A button with a box below it; Escape or a click elsewhere closes it.

import { button, element } from "./shared.js";

/** @param {string} label @param {HTMLElement} content */
export function menu(label, content) {
  const node = element("span", "pex-menu");
  const box = element("div", "pex-menu-box");
  box.hidden = true;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", label);
  box.append(content);
  const opener = button(label, () => (box.hidden ? open() : close()));
  opener.setAttribute("aria-expanded", "false");
  node.append(opener, box);

  function elsewhere(event) {
    if (!event.composedPath().includes(node)) shut();
  }

  function open() {
    box.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", elsewhere, true);
    box.style.insetInlineStart = "0";
    const beyond = box.getBoundingClientRect().right - node.closest(".pex").getBoundingClientRect().right;
    if (beyond > 0) box.style.insetInlineStart = `${-beyond}px`;
    box.querySelector("input, select, button")?.focus();
  }

  function shut() {
    box.hidden = true;
    opener.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", elsewhere, true);
  }

  function close() {
    shut();
    opener.focus();
  }

  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || box.hidden) return;
    event.stopPropagation();
    close();
  });
  return { node, close, say: (text) => (opener.textContent = text) };
}
