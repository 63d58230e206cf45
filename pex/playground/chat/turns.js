// What was said in a conversation: the prompt's messages, the user's turns, the model's answers.

import { button, element, output } from "../../widgets/shared.js";
import { iconButton, makeViews, arrange } from "../controls.js";
import { makeEditor } from "../editor.js";
import { makeCall } from "./calls.js";

const STATES = { queued: "waiting…", running: "answering…", stopped: "stopped", error: "error" };

function makeSaid(role) {
  const node = element("div", `pex-chat-said pex-chat-${role}`);
  const head = element("div", "pex-chat-head");
  head.append(element("span", "pex-chat-role", role));
  const text = output("", "pex-chat-text");
  node.append(head, text);
  return { node, head, text };
}

/** A message of the prompt itself, filled in. */
export function makePromptMessage({ role, text }) {
  const said = makeSaid(role);
  said.node.classList.add("pex-chat-given");
  said.text.textContent = text;
  return said.node;
}

/** An answer of the model, with the calls of tools in it. */
function makeStep(act, id) {
  const said = makeSaid("assistant");
  const note = element("div", "pex-meta pex-chat-note");
  const calls = element("div", "pex-chat-calls");
  const facts = element("div", "pex-meta pex-chat-facts");
  said.node.append(note, calls, facts);
  const forms = [];

  function drawText(text) {
    const had = said.text.firstChild;
    const grows = had?.nodeType === Node.TEXT_NODE && said.text.childNodes.length === 1 && text.startsWith(had.data);
    if (!grows) said.text.replaceChildren(text);
    else if (text.length > had.data.length) had.appendData(text.slice(had.data.length));
  }

  return {
    node: said.node, head: said.head,
    waiting: () => forms.find((form) => form.waits),
    draw(answer, replies, last) {
      const found = answer ?? { state: "stopped", text: "", calls: [], facts: "" };
      said.node.dataset.state = found.state;
      const blank = found.state === "answered" && !found.text.trim() && !found.calls.length;
      drawText(blank ? "(empty answer)" : found.text);
      said.text.hidden = !found.text && !blank;
      note.textContent = [
        STATES[found.state], found.cut && "only the beginning is shown",
        found.stale && "answered before the prompt or the case changed",
      ].filter(Boolean).join(" · ");
      note.hidden = !note.textContent;
      while (forms.length > found.calls.length) forms.pop().node.remove();
      while (forms.length < found.calls.length) {
        const at = forms.length;
        forms.push(makeCall((name, rest) => act(name, { step: id, call: at, ...rest }), at + 1));
        calls.append(forms[at].node);
      }
      found.calls.forEach((call, at) => forms[at].draw(call, replies[at], last));
      calls.hidden = !forms.length;
      facts.textContent = found.facts;
      facts.hidden = !found.facts;
    },
  };
}

/** A turn: what the user said, and the answers to it. */
export function makeTurn(act, id) {
  const node = element("div", "pex-chat-turn");
  const said = makeSaid("user");
  const edit = iconButton("edit", "Edit this turn, and go on from there", () => change(true));
  said.head.append(edit);
  const editor = makeEditor("Turn");
  const foot = element("div", "pex-bar");
  foot.append(
    button("Send", () => {
      change(false);
      act("edit", { turn: id, text: editor.area.value });
    }),
    button("Cancel", () => change(false)),
    element("span", "pex-meta", "What follows is removed; Undo brings it back."),
  );
  const form = element("div", "pex-chat-form");
  form.append(editor.box, foot);
  form.hidden = true;
  said.node.append(form);
  const again = iconButton("again", "Retry this turn", () => act("retry"));
  const steps = makeViews((step) => makeStep(act, step));
  let text = "";
  let shown = [];

  function change(on) {
    form.hidden = !on;
    said.text.hidden = on;
    if (on) {
      editor.set(text);
      editor.area.focus();
    } else edit.focus();
  }

  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    change(false);
  });

  return {
    node,
    waiting: () => views().map((step) => step.waiting()).find(Boolean),
    draw(turn, answers, last, busy) {
      shown = turn.steps.map((step) => step.id);
      text = turn.text ?? "";
      said.node.hidden = turn.text === null;
      said.text.textContent = text;
      edit.disabled = busy;
      again.disabled = busy;
      steps.keep(shown);
      turn.steps.forEach((step, i) => {
        steps.get(step.id).draw(answers[`chat|${step.id}`], step.replies, last && i === turn.steps.length - 1);
      });
      arrange(node, [said.node, ...views().map((step) => step.node)]);
      if (last) views().at(-1).head.append(again);
      else again.remove();
    },
  };

  function views() {
    return shown.map((step) => steps.get(step));
  }
}
