// Deployed traces, worst first. Python claims them and writes every decision; the browser shows
// the list and one trace, and a decision counts when Python says so.

import { button, element, keepKeys, output } from "../../widgets/shared.js";

const FORMS = {
  case: ["Corrected answer", true],
  path: ["Corrected answer; its tool calls become expected ones, their replies are recorded", true],
  requirement: ["What must hold, as a sentence", true],
  known: ["Requirement, case or issue", false],
  "not ours": [null, false],
  incident: [null, false],
};
const WRITES = ["c", "t", "r"]; // keys whose decisions go into an experiment's files
const HELP = "c case, t case with its path of tool calls, r requirement, k known, n not ours, i incident, ↓ or j next, ↑ or p previous, a all alike, u undo, e reason. In a form: Ctrl+Enter saves, Esc cancels. Personal data in what you write is replaced by placeholders.";

function renderTriage({ model, el }) {
  const root = element("div", "pex pex-kit pex-triage");
  root.tabIndex = 0;
  keepKeys(root);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Triage of traces");
  const count = element("span", "pex-triage-count");
  const why = element("span", "pex-triage-soft");
  const head = element("div", "pex-triage-head");
  head.append(count, why);
  const list = element("div", "pex-triage-list");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Traces, worst first");
  list.tabIndex = 0;
  const trace = element("div", "pex-triage-trace");
  trace.setAttribute("role", "region");
  trace.setAttribute("aria-label", "The whole trace");
  trace.tabIndex = 0;
  const sides = element("div", "pex-triage-sides");
  sides.append(list, trace);
  const form = element("div", "pex-triage-form");
  const foot = element("div", "pex-triage-foot");
  const line = element("p", "pex-triage-line");
  line.setAttribute("role", "status");
  root.append(head, sides, form, foot, line);
  el.append(root);

  let waiting = false;
  let open = ""; // the outcome whose form is open
  let reason = "";
  let alike = false;
  let boxes = {};
  const own = `pex-triage-${Math.random().toString(36).slice(2)}`;

  const state = () => model.get("_state");
  function send(kind, more = {}) {
    if (waiting) return;
    waiting = true;
    line.textContent = "…";
    model.send({ kind, id: state().shown?.id ?? "", reason, alike, ...more });
  }
  function decide(kind) {
    if (!state().shown) return;
    // Without text to write, one key decides, once the reason is there.
    if (!FORMS[kind][0] && reason) send(kind);
    else show(kind);
  }
  function show(kind) {
    open = kind;
    draw();
    (kind ? (boxes.text ?? boxes.reason) : root)?.focus();
    if (kind) foot.scrollIntoView?.({ block: "nearest" });
  }
  function save() {
    reason = boxes.reason.value.trim();
    const kind = open;
    if (kind === "reason") show("");
    else send(kind, { reason, text: boxes.text?.value ?? "" });
  }
  function move(by) {
    const { items, shown } = state();
    if (!items.length) return;
    const at = items.findIndex((item) => item.id === shown?.id);
    send("open", { id: items[(at + by + items.length) % items.length].id });
  }
  function everyone() {
    alike = !alike;
    draw();
  }
  const acts = {
    c: ["Case", () => decide("case")],
    t: ["Case with its path", () => decide("path")],
    r: ["Requirement", () => decide("requirement")],
    k: ["Known", () => decide("known")],
    n: ["Not ours", () => decide("not ours")],
    i: ["Incident", () => decide("incident")],
    j: ["Next", () => move(1)],
    p: ["Previous", () => move(-1)],
    a: ["All alike", everyone],
    e: ["Reason", () => show("reason")],
    u: ["Undo", () => send("undo")],
    "?": ["Help", () => (line.textContent = HELP)],
  };
  const others = { ArrowDown: "j", ArrowUp: "p" };

  function field(name, text, value, long) {
    const label = element("label", "", text);
    const box = element(long ? "textarea" : "input", "pex-input");
    if (long) box.rows = 4;
    else box.type = "text";
    box.value = value;
    box.dir = "auto";
    label.append(box);
    boxes[name] = box;
    return label;
  }
  function drawForm() {
    boxes = {};
    const parts = [];
    const [text, long] = FORMS[open] ?? [];
    if (text) parts.push(field("text", text, ["case", "path"].includes(open) ? state().shown.answer : "", long));
    parts.push(field("reason", "Reason (it stays for the next ones)", reason, false));
    form.replaceChildren(...parts);
    foot.replaceChildren(
      button(`Save${open === "reason" ? "" : `: ${open}`} (Ctrl+Enter)`, save),
      button("Cancel (Esc)", () => show("")),
    );
  }
  function drawActs() {
    boxes = {};
    form.replaceChildren();
    foot.replaceChildren(
      ...Object.entries(acts).map(([key, [text, act]]) => {
        const many = key === "a" ? `${text}: ${state().shown?.alike ?? 0}` : text;
        const node = button("", act, `${many} (${key})`);
        node.append(element("kbd", "", key), ` ${many}`);
        if (key === "a") node.setAttribute("aria-pressed", String(alike));
        const needs = WRITES.includes(key);
        node.disabled = (needs && !state().files) || (key !== "u" && key !== "?" && !state().shown);
        return node;
      }),
    );
  }
  function drawItem(item, number) {
    const node = element("div", "pex-triage-item");
    node.id = `${own}-${number}`;
    node.setAttribute("role", "option");
    const chosen = item.id === state().shown?.id;
    node.setAttribute("aria-selected", String(chosen));
    if (chosen) list.setAttribute("aria-activedescendant", node.id);
    const text = output(item.text);
    node.append(element("div", "pex-triage-why", item.why), text);
    node.append(element("div", "pex-triage-soft", `${item.cluster} · ${item.about}`));
    node.addEventListener("click", () => open || send("open", { id: item.id }));
    return node;
  }
  function drawPart([name, text]) {
    const node = element("div", "pex-triage-part");
    node.append(element("div", "pex-triage-name", name), output(text));
    return node;
  }
  function draw() {
    const now = state();
    const place = root.getRootNode();
    const focused = root.contains(place.activeElement);
    count.textContent = `${now.waiting.toLocaleString("en")} wait, ${now.decided} decided`;
    why.textContent = reason ? `Reason: ${reason}` : "";
    line.textContent = now.line;
    list.removeAttribute("aria-activedescendant");
    list.replaceChildren(...now.items.map(drawItem));
    list.querySelector('[aria-selected="true"]')?.scrollIntoView?.({ block: "nearest" });
    if (now.shown) trace.replaceChildren(...now.shown.parts.map(drawPart));
    else trace.replaceChildren(element("p", "", now.waiting ? "Others have what waits." : "Nothing waits."));
    root.classList.toggle("pex-triage-writes", Boolean(open));
    if (open) drawForm();
    else drawActs();
    if (focused && !open && place.activeElement !== list && place.activeElement !== trace) root.focus({ preventScroll: true });
  }
  const onKey = (event) => {
    if (open) {
      if (event.key === "Escape") show("");
      else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save();
      else return event.stopPropagation(); // Jupyter's own keys
    } else {
      const act = acts[others[event.key] ?? event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      const needs = WRITES.includes(event.key);
      if (needs && !state().files) line.textContent = "A case or requirement needs an experiment: pex.triage(…, to='…/experiment.yaml')";
      else act[1]();
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const onState = () => {
    waiting = false;
    if (open && state().keep) {
      line.textContent = state().line;
      return;
    }
    open = "";
    alike = false;
    draw();
  };
  root.addEventListener("keydown", onKey);
  model.on("change:_state", onState);
  draw();
  return () => model.off("change:_state", onState);
}

export default { render: renderTriage };
