// Which cells of a grid are selected: by row and variant, so that sorting keeps them.

/** @param {(cells: Uint32Array) => void} onChange */
export function makeSelection(grid, rows, active, onChange) {
  const selected = new Set();
  let anchor = null;
  const key = (index, at) => rows.heights.rowAt(index) * grid.variants.length + grid.columns.shown[at];

  function changed() {
    onChange(Uint32Array.from(selected));
    for (const [index, { node }] of rows.shown) {
      [...node.children].slice(1).forEach((cell, at) =>
        cell.setAttribute("aria-selected", String(selected.has(key(index, at)))));
    }
  }

  function add(top, bottom, left, right) {
    for (let index = top; index <= bottom; index++) {
      for (let at = left; at <= right; at++) selected.add(key(index, at));
    }
    changed();
  }

  return {
    has: (index, at) => selected.has(key(index, at)),
    /** Where a range begins: at the active cell, or nowhere. */
    anchor(begin) {
      if (begin) anchor ??= { ...active };
      else anchor = null;
    },
    clear() {
      selected.clear();
      changed();
    },
    toggle() {
      const cell = key(active.row, active.column);
      if (!selected.delete(cell)) selected.add(cell);
      anchor = { ...active };
      changed();
    },
    extend() {
      anchor ??= { ...active };
      selected.clear();
      const [top, bottom] = [anchor.row, active.row].sort((a, b) => a - b);
      const [left, right] = [anchor.column, active.column].sort((a, b) => a - b);
      add(top, bottom, left, right);
    },
    all: () => add(0, rows.count() - 1, 0, grid.columns.shown.length - 1),
  };
}
