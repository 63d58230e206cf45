// Edits on their way to Python: they wait a moment and go together. What Python has not confirmed
// is kept in the browser, and a view that is opened later sends it again. An edit is one field's
// whole text, so sending it twice, or to another kernel, does no harm.

const EDIT_MS = 200;
const UNCONFIRMED_MS = 4000;
const KEPT = "pex-draft";
const OLDEST_MS = 7 * 24 * 3600 * 1000;

/** Kept edits are a second safety net: a browser without storage works without it. */
function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, JSON.stringify(value));
  } catch (error) {
    console.warn(`pex: edits are not kept in this browser: ${error.message}`);
  }
}

/** The edits that earlier views of a draft could not send to Python: {view, at, acts}. */
function kept(key) {
  const found = [];
  try {
    for (const name of Object.keys(localStorage)) {
      if (!name.startsWith(`${KEPT}:${key}:`)) continue;
      found.push({ name, ...JSON.parse(localStorage.getItem(name)) });
    }
  } catch (error) {
    console.warn(`pex: edits that were kept in this browser cannot be read: ${error.message}`);
  }
  return found.sort((a, b) => a.at - b.at);
}

/** @param {(late: boolean) => void} onLate told when Python does not answer, and when it does */
export function makeOutbox(model, view, onLate) {
  const waiting = new Map(); // field -> act, not sent yet
  const sent = []; // {mine, field, act}, not confirmed yet
  const mineKey = () => `${KEPT}:${model.get("_doc").key ?? ""}:${view}`;
  let count = 0;
  let turned = 0; // the last undo, redo or reset, which replaces what is being typed
  let turning = false;
  let timer = 0;
  let lateTimer = 0;

  function send(message) {
    try {
      model.send({ view, ...message });
    } catch (error) {
      console.warn(`pex: there is no kernel: ${error.message}`);
    }
  }

  function remember() {
    const acts = [...sent.filter(({ field }) => field), ...[...waiting].map(([field, act]) => ({ field, act }))];
    keep(mineKey(), acts.length ? { view, at: Date.now(), acts } : null);
    if (sent.length) {
      lateTimer ||= setTimeout(() => onLate(true), UNCONFIRMED_MS);
      return;
    }
    clearTimeout(lateTimer);
    lateTimer = 0;
    onLate(false);
  }

  function post(act, field = "") {
    const mine = ++count;
    sent.push({ mine, field, act });
    send({ kind: "act", mine, ...act });
  }

  function flush() {
    clearTimeout(timer);
    if (!waiting.size) return;
    for (const [field, act] of waiting) post(act, field);
    waiting.clear();
    remember();
  }

  /** @param whole whether the edit is one step of its own, not a part of what is being typed */
  function edit(field, act, whole) {
    if (whole) {
      flush();
      post({ ...act, whole }, field);
    } else {
      waiting.set(field, act);
      clearTimeout(timer);
      timer = setTimeout(flush, EDIT_MS);
    }
    remember();
  }

  return {
    flush, edit,
    /** An action that is not typing: sent at once, after what was typed before it, and one step of its own. */
    act(name, rest = {}) {
      flush();
      post({ act: name, whole: true, ...rest });
      if (["undo", "redo", "reset"].includes(name)) turned = count;
      remember();
    },
    /** A message that changes nothing in the document. */
    say(kind, rest = {}) {
      flush();
      send({ kind, ...rest });
    },
    dirty: (field) => waiting.has(field) || sent.some((item) => item.field === field),
    /** Whether the document that just came is what an undo made of it. */
    turning: () => turning,
    taken() {
      const upTo = model.get("_doc").acked?.[view] ?? 0;
      const before = sent.length;
      while (sent.length && sent[0].mine <= upTo) sent.shift();
      if (sent.length !== before) remember();
      turning = turned > 0 && upTo >= turned;
      if (turning) turned = 0;
    },
    /** Send the edits that earlier views could not; returns how many there were. */
    replay() {
      const { key, acked = {} } = model.get("_doc");
      let found = 0;
      for (const { name, view: other, at, acts } of kept(key)) {
        if (other === view) continue;
        keep(name, null);
        if (Date.now() - at > OLDEST_MS) continue;
        for (const { mine, field, act } of acts) {
          if (mine && mine <= (acked[other] ?? 0)) continue;
          post(act, field);
          found++;
        }
      }
      if (found) remember();
      return found;
    },
    close() {
      flush();
      clearTimeout(lateTimer);
    },
  };
}

/**
 * Tie a field to a text of the document; it never changes while somebody is typing in it.
 * @param {(text: string) => object} act what an edit does
 */
export function tie(outbox, area, field, act, write = (text) => (area.value = text)) {
  let seen = null; // the document's text when it was looked at last
  let mine = false; // whether its next text follows from what was typed here
  let composing = false; // another text would end what an input method is composing
  area.addEventListener("compositionstart", () => (composing = true));
  area.addEventListener("compositionend", () => (composing = false));
  area.addEventListener("input", (event) => {
    mine = true;
    outbox.edit(field(), act(area.value), event.detail?.whole);
  });
  area.addEventListener("blur", () => {
    outbox.flush();
    if (seen !== null && !outbox.dirty(field()) && area.value !== seen) write(seen);
  });
  return (text) => {
    if (outbox.dirty(field())) return;
    const typing = composing
      || (document.activeElement === area && !outbox.turning() && (mine || text === seen));
    mine = false;
    seen = text;
    if (!typing && area.value !== text) write(text);
  };
}
