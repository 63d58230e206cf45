// The window for a provider's key. What is typed goes to the kernel in one message and is cleared
// here at once: it is in no model, no draft and no storage of the browser.

import { button, dialog, element, output } from "../widgets/shared.js";
import { field } from "./controls.js";

export function makeKeyWindow(outbox) {
  const box = dialog("Key");
  const title = element("h2", "pex-title");
  const about = element("p", "pex-meta");
  const form = element("form", "pex-form");
  const key = element("input", "pex-input");
  key.type = "password";
  key.autocomplete = "off";
  key.spellcheck = false;
  const label = field("", key);
  const keep = element("input");
  keep.type = "checkbox";
  const kept = element("label", "pex-check");
  kept.append(keep, " Save in .pex/keys.env: private, ignored by git, read by batches too");
  form.append(label, kept, Object.assign(element("input"), { type: "submit", hidden: true }));
  const result = element("div", "pex-result");
  result.setAttribute("role", "status");
  const use = button("Use key", () => form.requestSubmit());
  use.classList.add("pex-first");
  const close = button("Cancel", () => box.close());
  const foot = element("div", "pex-dialog-foot");
  foot.append(use, close);
  box.append(title, about, form, result, foot);
  let provider = "";
  let told = ""; // where the key is, once it was taken

  function say(text, good) {
    result.replaceChildren(text ? output(text, good ? "" : "pex-bad-text") : "");
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!key.value.trim() || use.disabled) return key.focus();
    use.disabled = true;
    say("Checking the key…", true);
    outbox.say("key", { provider, text: key.value, keep: keep.checked });
    key.value = "";
  });
  box.addEventListener("close", () => {
    key.value = "";
    provider = "";
  });

  return {
    box,
    open(offer) {
      provider = offer.provider;
      told = "";
      title.textContent = `Key for ${provider}`;
      label.firstChild.textContent = offer.variable;
      about.textContent = `It is sent to ${offer.place || "the provider's address"} and nowhere else.`;
      key.value = "";
      keep.checked = false;
      use.disabled = false;
      close.textContent = "Cancel";
      say(offer.state === "refused" ? offer.note : "", false);
      box.showModal();
      key.focus();
    },
    /** Whether the kernel took the key; what the provider says of it comes after. */
    taken({ provider: of, ok, text }) {
      if (of !== provider) return;
      told = ok ? text : "";
      if (!ok) use.disabled = false;
      say(ok ? `${text} Asking ${provider}…` : text, ok);
      if (!ok) key.focus();
    },
    /** What the provider says of a key that was taken. */
    checked(offer) {
      if (offer.provider !== provider || !told) return;
      use.disabled = false;
      const refused = offer.state === "refused";
      const good = `${offer.models.length.toLocaleString()} models.`;
      say(refused ? `${provider} ${offer.note}` : `${told} ${offer.state === "ready" ? good : offer.note}`, !refused);
      told = "";
      close.textContent = refused ? "Cancel" : "Close";
      (refused ? key : close).focus();
    },
  };
}
