// How a grid is shown: how much of each row, and which columns in which order.

import { remember, remembered } from "./columns.js";
import { menu } from "./menu.js";
import { button, choice, element } from "./shared.js";

const KEY = "pex-grid-rows";
export const MAP = "map";

/** What can be chosen: lines of an answer, and the height of a row where all are the same. */
export const LAYOUTS = {
  compact: { text: "Compact", lines: 1, pixels: 34, guess: 34 },
  lines: { text: "Three lines", lines: 3, guess: 80 },
  full: { text: "Full answers", lines: 1000, guess: 120 },
  [MAP]: { text: "Heat map", lines: 1, pixels: 24, guess: 24 },
};

/** The layout that was chosen in this browser, or null. */
export const chosenLayout = () => (remembered(KEY, null) in LAYOUTS ? remembered(KEY, null) : null);

const WIDER = 40; // pixels, by keys

/** @param {any} grid columns, variants, changed, resize, widthOf */
export function makeLayoutMenu(grid, onLayout) {
  const rows = choice("Rows", Object.entries(LAYOUTS).map(([name, { text }]) => [name, text]), (name) => {
    remember(KEY, name);
    onLayout(name);
  });
  const list = element("div", "pex-menu-list");
  const columns = menu("Columns", list);

  function act(column, what) {
    return button(...{
      left: ["←", () => move(column, -1), "Move to the left"],
      right: ["→", () => move(column, 1), "Move to the right"],
      narrower: ["−", () => grid.resize(column, grid.widthOf(column) - WIDER), "Narrower"],
      wider: ["+", () => grid.resize(column, grid.widthOf(column) + WIDER), "Wider"],
    }[what]);
  }

  function move(column, by) {
    const other = grid.columns.order[grid.columns.order.indexOf(column) + by];
    if (other === undefined) return;
    grid.columns.move(column, other);
    grid.changed();
  }

  function line(column, name) {
    const node = element("div", "pex-menu-line");
    const label = element("label", "pex-one-line");
    const box = element("input");
    box.type = "checkbox";
    box.checked = !grid.columns.isHidden(column);
    box.disabled = column === "case";
    box.dataset.act = `${column}-show`;
    box.addEventListener("change", () => {
      grid.columns.hide(column, !box.checked);
      grid.changed();
    });
    label.append(box, ` ${name}`);
    label.title = name;
    node.append(label);
    for (const what of column === "case" ? ["narrower", "wider"] : ["left", "right", "narrower", "wider"]) {
      const node2 = act(column, what);
      node2.setAttribute("aria-label", `${node2.title}: ${name}`);
      node2.dataset.act = `${column}-${what}`;
      node.append(node2);
    }
    return node;
  }

  return {
    nodes: [rows, columns.node],
    draw(layout) {
      rows.value = layout;
      const hidden = grid.variants.length - grid.columns.shown.length;
      columns.say(hidden ? `Columns (${hidden} hidden)` : "Columns");
      const had = list.contains(document.activeElement) ? document.activeElement.dataset.act : null;
      const reset = button("Reset columns", () => {
        grid.columns.reset();
        grid.changed();
      });
      reset.disabled = !grid.columns.changed;
      list.replaceChildren(line("case", "case"), ...grid.columns.order.map((column) => line(column, grid.variants[column])), reset);
      if (had) list.querySelector(`[data-act="${had}"]`)?.focus();
    },
  };
}
