// Answers as Markdown: Python makes the HTML, sanitised, when an answer is complete. An answer
// that still streams in, and one whose HTML is not there yet, is shown as plain text.

const ASK_MS = 60;
const AT_ONCE = 50; // answers in one message

/** @param {(keys: Set<string>) => void} onHtml told which answers can be drawn now */
export function makeMarkdown(outbox, onHtml) {
  const known = new Map(); // the key of a cell -> [id of its text, HTML]
  const asked = new Map(); // the key of a cell -> id of the text that was asked for
  const wanted = new Set();
  let timer = 0;

  function ask() {
    timer = 0;
    const keys = [...wanted];
    wanted.clear();
    for (let i = 0; i < keys.length; i += AT_ONCE) outbox.say("markdown", { cells: keys.slice(i, i + AT_ONCE) });
  }

  return {
    /** The HTML of an answer; undefined if there is none yet, which is asked for then. */
    of(key, cell) {
      if (cell?.state !== "answered" || !cell.text.trim()) return undefined;
      const [id, html] = known.get(key) ?? [];
      if (id === cell.id) return html;
      if (asked.get(key) === cell.id) return undefined;
      asked.set(key, cell.id);
      wanted.add(key);
      timer ||= setTimeout(ask, ASK_MS);
      return undefined;
    },
    take(html) {
      for (const [key, found] of Object.entries(html)) known.set(key, found);
      onHtml(new Set(Object.keys(html)));
    },
    close: () => clearTimeout(timer),
  };
}
