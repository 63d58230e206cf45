// Rows in the browser: bytes from rows.py, decoded when they are shown.

/** The rows received, shared by all views of a grid: bytes, decoded when they are shown. */
export function makeStore() {
  const chunks = new Map();
  const pending = new Map();
  const decoder = new TextDecoder();
  const views = new Set();
  let asked = new Set();
  let size = 50;
  let kept = 400;

  function keep(number, bytes) {
    chunks.delete(number);
    chunks.set(number, bytes);
    asked.delete(number);
    for (let row = number * size; row < (number + 1) * size; row++) pending.delete(row);
    while (chunks.size > kept) {
      const oldest = chunks.keys().next().value;
      chunks.delete(oldest);
      for (let row = oldest * size; row < (oldest + 1) * size; row++) pending.delete(row);
    }
  }

  function onMessage(message, buffers) {
    if (message.kind === "rows") message.chunks.forEach((number, i) => keep(number, buffers[i]));
    if (message.kind === "cells") {
      for (const [row, column, cell] of message.cells) {
        if (!chunks.has(Math.floor(row / size))) continue; // it comes with its chunk
        if (!pending.has(row)) pending.set(row, new Map());
        pending.get(row).set(column, cell);
      }
    }
    for (const view of views) view(message, buffers);
  }

  return {
    views,
    /** Whether as many rows are here as are kept. */
    full: (rows) => chunks.size >= Math.min(kept, Math.ceil(rows / size)),
    attach(model) {
      const begin = () => {
        ({ chunk: size, kept } = model.get("_begin"));
      };
      const first = () => {
        const bytes = model.get("_first");
        if (bytes?.byteLength) keep(0, bytes);
        for (const view of views) view({ kind: "rows", chunks: [0] });
      };
      begin();
      first();
      model.on("change:_begin", begin);
      model.on("change:_first", first);
      model.on("msg:custom", onMessage);
      model.send({ kind: "ready" });
      return () => {
        model.off("change:_begin", begin);
        model.off("change:_first", first);
        model.off("msg:custom", onMessage);
      };
    },
    /** A row, or null while it is on its way. */
    row(number) {
      const bytes = chunks.get(Math.floor(number / size));
      if (!bytes) return null;
      const count = bytes.getUint32(0, true);
      const at = number % size;
      if (at >= count) return null;
      const base = 4 * (count + 1);
      const from = base + (at ? bytes.getUint32(4 * at, true) : 0);
      const to = base + bytes.getUint32(4 * (at + 1), true);
      const text = decoder.decode(new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from));
      const row = JSON.parse(text);
      for (const [column, cell] of pending.get(number) ?? []) row[3][column] = cell;
      return row;
    },
    want(model, rows) {
      const missing = new Set();
      for (const row of rows) {
        const number = Math.floor(row / size);
        if (!chunks.has(number) && !asked.has(number)) missing.add(number);
      }
      if (!missing.size) return;
      for (const number of missing) asked.add(number);
      // A request that a busy kernel never gets is repeated.
      setTimeout(() => missing.forEach((number) => asked.delete(number)), 3000);
      model.send({ kind: "rows", chunks: [...missing] });
    },
  };
}
