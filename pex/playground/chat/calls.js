// The calls of tools in a model's answer: what was asked, and the form that answers it by hand.

import { button, element, output } from "../../widgets/shared.js";
import { checkbox } from "../controls.js";
import { makeEditor } from "../editor.js";

const HOW = { hand: "Reply by hand", error: "Error by hand", run: "Reply of the tool" };

/**
 * One call.
 * @param {(act: string, rest: object) => void} act what somebody does with it
 */
export function makeCall(act, number) {
  const node = element("section", "pex-chat-call");
  const name = element("div", "pex-chat-call-name");
  const given = output("", "pex-chat-code");
  const problem = element("div", "pex-problem");
  const label = element("div", "pex-meta");
  const reply = output("", "pex-chat-code");
  const form = element("form", "pex-chat-form");
  const editor = makeEditor("Reply", { placeholder: "What the tool replies: text or JSON" });
  const asError = checkbox("as an error", () => {}, "The model is told that the tool failed, with this text");
  const send = button("Reply", () => form.requestSubmit());
  const run = button("Run", () => act("run_tool", { effects: call.effects }));
  const about = element("div", "pex-meta");
  const foot = element("div", "pex-bar");
  foot.append(send, asError.node, run);
  form.append(editor.box, foot, about);
  node.append(name, given, problem, label, reply, form);
  let call = {};
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (call.running) return;
    act("reply", { text: editor.area.value, error: asError.box.checked });
  });
  editor.area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    form.requestSubmit();
  });
  return {
    node,
    focus: () => editor.area.focus(),
    get waits() {
      return !form.hidden;
    },
    /** @param {[string, string]|undefined} replied how, and with what */
    draw(found, replied, last) {
      call = found;
      node.setAttribute("role", "group");
      node.setAttribute("aria-label", `Call ${number} of ${call.name}`);
      editor.area.setAttribute("aria-label", `Reply of ${call.name}, call ${number}`);
      name.textContent = call.name;
      given.textContent = call.arguments;
      problem.textContent = call.problem;
      problem.hidden = !call.problem;
      form.hidden = Boolean(replied) || !last;
      label.textContent = replied ? HOW[replied[0]] : call.running ? "running…" : last ? "" : "no reply";
      label.hidden = !label.textContent;
      reply.textContent = replied?.[1] ?? "";
      reply.hidden = !replied;
      reply.classList.toggle("pex-bad-text", replied?.[0] === "error");
      run.hidden = !call.how;
      run.textContent = call.effects ? "Run, with its effects" : "Run";
      // A button that is disabled loses the focus; a second press while it runs does nothing.
      for (const node of [run, send]) node.setAttribute("aria-disabled", String(call.running));
      about.textContent = call.effects ? `It has effects, outside of this notebook: ${call.how}` : call.how;
      about.hidden = !call.how;
    },
  };
}
