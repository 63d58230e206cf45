// The document that all views of a Playground share. Python sends it whole once, and then only
// what changes in it.

/** The document after a change, see `changes` in draft_view.py. */
export function changed(doc, { rev, fields = {}, lists = {} }) {
  const next = { ...doc, ...fields, rev };
  for (const [name, { items = {}, order }] of Object.entries(lists)) {
    const there = new Map(doc[name].map((item) => [item.id, item]));
    const ids = order ?? [...there.keys()];
    next[name] = ids.map((id) => (items[id] ? { ...there.get(id), ...items[id] } : there.get(id)));
  }
  return next;
}

/** Keep a model's document up to date; returns what ends that. */
export function followDocument(model) {
  const onChange = () => {
    const [doc, change] = [model.get("_doc"), model.get("_change")];
    if (!(change.rev > doc.rev)) return; // the document was read after it
    if (change.from === doc.rev) model.set("_doc", changed(doc, change));
    else model.send({ kind: "document" }); // one was missed while this page was opened
  };
  model.on("change:_change", onChange);
  onChange(); // a change can arrive before this script has loaded
  return () => model.off("change:_change", onChange);
}
