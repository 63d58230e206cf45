// Which columns a view shows, in which order and how wide; this browser remembers it.

const KEY = "pex-grid-columns";
const MOST = 30; // grids that are remembered
export const NARROWEST = 60;

/** What this browser remembers under a name; it may refuse to, as in a private window. */
export function remembered(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Then it holds until the page is closed.
  }
}

/** A short name for a set of columns. */
function sign(names) {
  let hash = 0;
  for (const letter of names.join("\n")) hash = (hash * 31 + letter.codePointAt(0)) | 0;
  return `${names.length}:${hash}`;
}

/** Columns are numbers of variants; the case's own is "case". */
export function makeColumns() {
  let names = [];
  let order = [];
  let hidden = new Set();
  let widths = {};

  function keep() {
    const all = remembered(KEY, {});
    delete all[sign(names)]; // to be the newest
    all[sign(names)] = { order, hidden: [...hidden], widths };
    for (const old of Object.keys(all).slice(0, -MOST)) delete all[old];
    remember(KEY, all);
  }

  const isOrder = (found) => Array.isArray(found) && found.length === names.length
    && [...found].sort((a, b) => a - b).every((column, i) => column === i);

  return {
    /** All columns in their order, the hidden ones too. */
    get order() {
      return order;
    },
    get shown() {
      return order.filter((column) => !hidden.has(column));
    },
    get changed() {
      return hidden.size > 0 || Object.keys(widths).length > 0 || order.some((column, i) => column !== i);
    },
    isHidden: (column) => hidden.has(column),
    begin(variants) {
      if (variants.join("\n") === names.join("\n") && names.length) return;
      names = [...variants];
      const had = remembered(KEY, {})[sign(names)] ?? {};
      order = isOrder(had.order) ? had.order : names.map((_, column) => column);
      hidden = new Set((had.hidden ?? []).filter((column) => column in names));
      if (hidden.size >= names.length) hidden.clear();
      widths = had.widths ?? {};
    },
    hide(column, hide) {
      if (hide && hidden.size + 1 < names.length) hidden.add(column);
      else hidden.delete(column);
      keep();
    },
    /** Put a column where another one is. */
    move(column, other) {
      const to = order.indexOf(other);
      order = order.filter((each) => each !== column);
      order.splice(to, 0, column);
      keep();
    },
    resize(column, pixels) {
      widths[column] = Math.max(NARROWEST, Math.round(pixels));
      keep();
    },
    reset() {
      order = names.map((_, column) => column);
      hidden.clear();
      widths = {};
      keep();
    },
    /**
     * The widths of the case's and the shown columns for CSS, and the least that they need together.
     * @param {string} cell the least width of a column @param {boolean} squares none is wider
     */
    tracks(cell, squares) {
      const own = (column, otherwise) => (widths[column] && !squares ? `${widths[column]}px` : otherwise);
      const shown = this.shown;
      const first = own("case", "var(--pex-case)");
      const each = squares ? cell : `minmax(${cell}, 1fr)`;
      return {
        template: [squares ? `minmax(${first}, 1fr)` : first, ...shown.map((column) => own(column, each))].join(" "),
        least: `calc(${[first, ...shown.map((column) => own(column, cell))].join(" + ")})`,
      };
    },
  };
}
