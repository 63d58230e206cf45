// Proposed cases, one after the other. Python has them and writes every decision to disk; the
// browser shows one, and the decision counts when Python says so.

import { button, element, keepKeys, output } from "../../widgets/shared.js";

function renderReview({ model, el }) {
  const root = element("div", "pex pex-kit pex-review");
  root.tabIndex = 0;
  keepKeys(root);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Review of proposed cases");
  const head = element("div", "pex-review-head");
  const bar = element("progress");
  bar.setAttribute("aria-label", "decided");
  const count = element("span", "pex-review-count");
  head.append(bar, count);
  const body = element("div", "pex-review-case");
  const foot = element("div", "pex-review-foot");
  const line = element("p", "pex-review-line");
  line.setAttribute("role", "status");
  root.append(head, body, foot, line);
  el.append(root);
  let editing = false;
  let waiting = false;
  let fields = [];

  const send = (kind, more = {}) => {
    const { shown } = model.get("_state");
    if (waiting) return;
    waiting = true;
    model.send({ kind, id: shown?.id ?? "", ...more });
  };
  const changes = () => Object.fromEntries(fields.filter(({ box, value }) => box.value !== value).map(({ name, box }) => [name, box.value]));
  const save = () => send("accept", { changes: changes() });
  const edit = (on) => {
    editing = on;
    draw();
    (on ? fields[0]?.box : root)?.focus();
  };
  const acts = {
    a: ["Accept", () => send("accept")],
    r: ["Reject", () => send("reject")],
    e: ["Edit", () => edit(true)],
    u: ["Undo reject", () => send("undo")],
    ArrowLeft: ["Previous", () => send("go", { by: -1 })],
    ArrowRight: ["Next", () => send("go", { by: 1 })],
  };

  function row(name, value, editable) {
    const node = element("div", "pex-review-row");
    const label = element(editing && editable ? "label" : "div", "pex-review-name", name);
    node.append(label);
    if (editing && editable) {
      const box = element("textarea", "pex-input");
      box.value = value;
      box.rows = Math.min(8, value.split("\n").length + 1);
      box.dir = "auto";
      label.append(box);
      fields.push({ name, box, value });
    } else {
      const text = output(value, "pex-review-text");
      text.tabIndex = 0;
      text.setAttribute("role", "region");
      text.setAttribute("aria-label", name);
      node.append(text);
    }
    return node;
  }

  function draw() {
    const state = model.get("_state");
    const { shown } = state;
    const focused = root.contains(document.activeElement) || root.getRootNode().activeElement === root;
    fields = [];
    bar.max = Math.max(1, state.total);
    bar.value = state.decided;
    count.textContent = state.count;
    line.textContent = state.line;
    if (!shown) {
      body.replaceChildren(element("p", "", state.end));
    } else {
      body.replaceChildren(...shown.rows.map(([name, value, editable]) => row(name, value, editable)), element("p", "pex-review-origin", shown.origin));
    }
    if (editing) {
      const cancel = button("Cancel (Esc)", () => edit(false));
      foot.replaceChildren(button("Save and accept (Ctrl+Enter)", save), cancel);
    } else {
      const there = shown ? Object.entries(acts) : Object.entries(acts).filter(([key]) => key === "u");
      foot.replaceChildren(
        ...there.map(([key, [text, act]]) => {
          const node = button("", act, `${text} (${key.replace("Arrow", "").toLowerCase()})`);
          node.append(element("kbd", "", { ArrowLeft: "←", ArrowRight: "→" }[key] ?? key), ` ${text}`);
          return node;
        }),
      );
    }
    if (focused && !editing) root.focus({ preventScroll: true });
  }

  const onKey = (event) => {
    if (editing) {
      if (event.key === "Escape") edit(false);
      else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
      else return event.stopPropagation(); // Jupyter's own keys
    } else {
      const act = acts[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      // At the end the keys do nothing: Jupyter would insert a cell for an `a` too many.
      if (event.key === "u" || model.get("_state").shown) act[1]();
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const onState = () => {
    waiting = false;
    editing = model.get("_state").keep_editing && editing;
    if (!editing) draw();
    else line.textContent = model.get("_state").line;
  };
  root.addEventListener("keydown", onKey);
  model.on("change:_state", onState);
  draw();
  return () => model.off("change:_state", onState);
}

export default { render: renderReview };
