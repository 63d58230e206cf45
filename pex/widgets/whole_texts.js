// Whole answers, asked for when rows show them: rows come with as much as fits into a few lines.

const KEPT = 300; // rows

/** @param {(rows: number[]) => void} ask */
export function makeTexts(ask) {
  const known = new Map(); // by row: the texts, or null while they are on their way
  let wanted = [];

  function want(row) {
    known.set(row, null);
    if (!wanted.length) {
      queueMicrotask(() => {
        ask(wanted);
        wanted = [];
      });
    }
    wanted.push(row);
  }

  return {
    /** The whole answers of a row, or null if they are not here; they are then asked for. */
    of(row, cells) {
      const cut = (cell) => cell && cell[0] !== "growing" && cell[1].endsWith("…");
      if (!known.has(row) && cells.some(cut)) want(row);
      return known.get(row) ?? null;
    },
    add(rows) {
      for (const [row, texts] of rows) known.set(row, texts);
      while (known.size > KEPT) known.delete(known.keys().next().value);
    },
    forget(rows) {
      for (const row of rows) known.delete(row);
    },
    clear: () => known.clear(),
  };
}
