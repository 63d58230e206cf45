// What all widgets share in the browser. Text from a model only ever becomes textContent; the one
// exception is `sanitised`, whose HTML was made harmless in Python.

export function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

export function button(text, onClick, label) {
  const node = element("button", "pex-button", text);
  node.type = "button";
  if (label) {
    node.setAttribute("aria-label", label);
    node.title = label;
  }
  node.addEventListener("click", onClick);
  return node;
}

/** @param {[string, string][]} choices value and text of each */
export function choice(label, choices, onChange) {
  const node = element("select", "pex-input");
  node.setAttribute("aria-label", label);
  for (const [value, text] of choices) {
    const option = element("option", "", text);
    option.value = value;
    node.append(option);
  }
  node.addEventListener("change", () => onChange(node.value));
  return node;
}

/** Text from elsewhere: in its own direction, with its line breaks. */
export function output(text, className = "") {
  const node = element("div", `pex-output ${className}`.trim(), text);
  node.dir = "auto";
  return node;
}

/** Keys pressed in a widget are the widget's: Jupyter's shortcuts would act on the notebook. */
export function keepKeys(root) {
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  root.addEventListener("keydown", (event) => {
    // An input method's own keys, such as the Enter that chooses a candidate. Safari ends the
    // composition before the last of them, which only its code gives away.
    if (event.isComposing || event.keyCode === 229) event.stopPropagation();
  }, true);
}

/** HTML that Python has sanitised; links open elsewhere. */
export function sanitised(html) {
  const node = element("div", "pex-markdown");
  node.innerHTML = html;
  for (const link of node.querySelectorAll("a")) link.target = "_blank";
  return node;
}

export function seconds(value) {
  return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`;
}

export function dollars(value) {
  return value < 0.1 ? `$${Number(value.toPrecision(2))}` : `$${value.toFixed(2)}`;
}

/** Call `work` once in the next frame, however often it is called. */
export function oncePerFrame(work) {
  let asked = 0;
  const later = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      work();
    });
  };
  later.cancel = () => cancelAnimationFrame(asked);
  return later;
}

/** A window over the page; Escape closes it and gives the focus back. */
export function dialog(label) {
  const node = element("dialog", "pex-dialog");
  node.setAttribute("aria-label", label);
  node.addEventListener("click", (event) => {
    if (event.target === node) node.close();
  });
  return node;
}

/** Put a text on the clipboard. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages that are not served securely have no such clipboard. Behind an open window nothing can
    // be selected, so the text is put into it.
    const area = document.createElement("textarea");
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

/** The pieces of a word-by-word difference, to be appended. */
export function differencePieces(pieces) {
  return pieces.map(([kind, text]) => (kind === "same" ? text : element(kind === "new" ? "ins" : "del", "", text)));
}

/** A word-by-word difference; a string says why there is none. */
export function drawDifference(pieces) {
  if (typeof pieces === "string") return element("div", "pex-soft", pieces);
  const node = output(undefined, "pex-long");
  node.append(...differencePieces(pieces));
  return node;
}

/** A link to a page of another program; nothing but the web is linked. */
export function linked(text, url) {
  if (!/^https?:/.test(url)) return text;
  const link = element("a", "pex-link", text);
  link.href = url;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}
