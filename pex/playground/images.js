// Images in a message: picked, pasted or dropped, kept by the kernel, and named in the text as
// Markdown. Below the text each has a thumbnail. Their bytes are in no document and no draft.

import { element, output } from "../widgets/shared.js";
import { iconButton, signButton } from "./controls.js";

const IMAGE = /!\[([^\]\n]{0,1000})\]\(([^(){}\n]+)\)/g;
const KEPT = /^\.pex\/images\/[0-9a-f]{16}\.\w+$/;
const KINDS = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const MOST_BYTES = 8e6;
const TYPING_MS = 400;
const DOCUMENTS = { pdf: ["PDF", "application/pdf,.pdf"], audio: ["Recording", "audio/wav,audio/mpeg,.wav,.mp3"] };

/** The images that a text names without variables: {name, url, start, end}. */
function imagesIn(text) {
  return [...text.matchAll(IMAGE)].map((found) => ({
    name: found[1].trim() || found[2].trim().split("/").at(-1), url: found[2].trim(),
    start: found.index, end: found.index + found[0].length,
  }));
}

function sizeText(bytes) {
  return bytes < 1e5 ? `${Math.max(1, Math.round(bytes / 1e3))} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** What the kernel is asked about images, and what it has answered. */
export function makeImageStore(send) {
  const waiting = new Map();
  const shown = new Map(); // address -> promise of {source, bytes, text}
  let count = 0;

  function ask(content, buffers = []) {
    return new Promise((resolve) => {
      waiting.set(++count, resolve);
      send({ kind: "image", id: count, ...content }, buffers);
    });
  }

  function pictureOf({ ok, text, type }, [buffer]) {
    if (!ok) return { text };
    const blob = new Blob([buffer], { type });
    return { source: URL.createObjectURL(blob), bytes: blob.size };
  }

  return {
    /** Keep a file; the answer is {ok, text}: its Markdown, or why not. */
    async add(file) {
      const name = file.name || "image";
      if (!KINDS.includes(file.type)) return { ok: false, text: `${name} is not an image that models accept: expected PNG, JPEG, GIF or WebP` };
      if (file.size > MOST_BYTES) return { ok: false, text: `${name} has ${Math.round(file.size / 1e6)} MB; ${MOST_BYTES / 1e6} MB can be added here. Save it in the project, and write ![](its path) into the message.` };
      let content;
      try {
        content = await file.arrayBuffer();
      } catch {
        return { ok: false, text: `${name} cannot be read` };
      }
      return (await ask({ name }, [content])).message;
    },
    /** Keep a document of a kind; the answer is {ok, text}: its path, or why not. */
    async addDocument(file, kind) {
      const name = file.name || "document";
      if (file.size > MOST_BYTES) return { ok: false, text: `${name} has ${Math.round(file.size / 1e6)} MB; ${MOST_BYTES / 1e6} MB can be added here. Save it in the project, and write its path into the input.` };
      try {
        return (await ask({ document: kind, name }, [await file.arrayBuffer()])).message;
      } catch {
        return { ok: false, text: `${name} cannot be read` };
      }
    },
    /** How the document that an input names is shown: {name, facts, picture, sound}. */
    async document(kind, name, url) {
      const { message } = await ask({ document: kind, name, url });
      return message.ok ? message.preview : { name: url, facts: message.text, picture: "", sound: "" };
    },
    /** The picture at an address. */
    get(url) {
      if (/^https?:/.test(url)) return Promise.resolve({ text: "sent as its address" });
      if (!shown.has(url)) {
        shown.set(url, ask({ url }).then(({ message, buffers }) => {
          if (!message.ok) shown.delete(url); // its file may come
          return pictureOf(message, buffers);
        }));
      }
      return shown.get(url);
    },
    take(message, buffers) {
      waiting.get(message.id)?.({ message, buffers: buffers ?? [] });
      waiting.delete(message.id);
    },
    close() {
      for (const picture of shown.values()) picture.then(({ source }) => source && URL.revokeObjectURL(source));
    },
  };
}

/** One image below its message. */
function makeThumbnail(store, { name, url }, onRemove) {
  const node = element("li", "pex-image");
  const frame = element("span", "pex-image-frame");
  const label = element("span", "pex-image-name", name);
  label.title = url;
  const about = element("span", "pex-meta");
  const text = element("span", "pex-image-text");
  text.append(label, about);
  const gone = iconButton("gone", `Remove image ${name}`, onRemove);
  node.append(frame, text, gone);
  store.get(url).then(({ source, bytes, text: why }) => {
    about.textContent = source ? sizeText(bytes) : why;
    node.classList.toggle("pex-image-missing", !source && !/^https?:/.test(url));
    if (!source) return;
    const picture = element("img");
    picture.src = source;
    picture.alt = "";
    frame.append(picture);
  });
  return { node, gone };
}

/** What went wrong with images, until it is dismissed. */
function makeComplaint(area) {
  const node = element("div", "pex-image-wrong");
  const said = output("", "pex-bad-text");
  said.setAttribute("role", "alert");
  const say = (texts) => {
    said.textContent = texts.join("\n");
    node.hidden = !texts.length;
    if (texts.length) node.scrollIntoView({ block: "nearest" });
  };
  node.append(said, iconButton("gone", "Dismiss this message", () => {
    say([]);
    area.focus();
  }));
  say([]);
  return { node, say };
}

/** Another text in a field, as if it had been typed, but undone by itself. */
function typeInto(area, start, end, text) {
  area.setRangeText(text, start, end, "end");
  area.dispatchEvent(new CustomEvent("input", { bubbles: true, detail: { whole: true } }));
}

/**
 * Files that are pasted or dropped into a field.
 * @param {() => boolean} takes whether it can have images now
 */
function onFiles({ box, area }, takes, add) {
  function take(event, transfer) {
    const files = [...(transfer?.files ?? [])];
    if (!files.length || !takes() || area.readOnly) return;
    event.preventDefault();
    event.stopPropagation();
    box.classList.remove("pex-drop");
    add(files);
  }
  area.addEventListener("paste", (event) => {
    // A copied table has a picture of itself beside its text.
    if (!event.clipboardData?.types.includes("text/plain")) take(event, event.clipboardData);
  });
  box.addEventListener("dragover", (event) => {
    if (!takes() || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    box.classList.add("pex-drop");
  });
  box.addEventListener("dragleave", () => box.classList.remove("pex-drop"));
  box.addEventListener("drop", (event) => take(event, event.dataTransfer));
}

/**
 * The images of a message, and how they get there.
 * @param {{box: HTMLElement, area: HTMLTextAreaElement}} editor
 */
export function makeImages(store, editor) {
  const { area } = editor;
  const node = element("div", "pex-images");
  const list = element("ul");
  const wrong = makeComplaint(area);
  node.append(list, wrong.node);
  let enabled = false;
  let drawn = "";

  async function add(files) {
    const problems = [];
    for (const file of files) {
      const { ok, text } = await store.add(file);
      if (!ok) {
        problems.push(text);
        continue;
      }
      const [start, end] = [area.selectionStart, area.selectionEnd];
      const before = area.value.slice(0, start);
      const after = area.value.slice(end);
      typeInto(area, start, end, `${before && !before.endsWith("\n") ? "\n" : ""}${text}${after && !after.startsWith("\n") ? "\n" : ""}`);
      area.focus();
    }
    wrong.say(problems);
  }

  function remove(number) {
    const { start, end } = imagesIn(area.value)[number];
    const line = area.value[end] === "\n" && (!start || area.value[start - 1] === "\n");
    const last = !line && end === area.value.length && area.value[start - 1] === "\n";
    typeInto(area, start - last, end + line, "");
    (list.children[Math.min(number, list.children.length - 1)]?.querySelector("button") ?? area).focus();
  }

  function draw() {
    const found = enabled ? imagesIn(area.value) : [];
    const now = JSON.stringify(found.map(({ name, url }) => [name, url]));
    list.hidden = !found.length;
    if (now === drawn) return;
    drawn = now;
    list.replaceChildren(...found.map((image, i) => makeThumbnail(store, image, () => remove(i)).node));
  }

  onFiles(editor, () => enabled, add);
  area.addEventListener("input", draw);

  return {
    node, add,
    /** @param is whether the message can have images */
    update(is) {
      enabled = is;
      draw();
    },
  };
}

/** A document of a case: its first page or its sound, its pages or length. */
function makePreview({ name, facts, picture, sound }, onRemove) {
  const node = element("li", "pex-image pex-document");
  const label = element("span", "pex-image-name", name);
  label.title = name;
  const text = element("span", "pex-image-text");
  text.append(label, element("span", "pex-meta", facts));
  if (picture.startsWith("data:image/png;")) {
    const shown = element("img", "pex-document-page");
    shown.src = picture;
    shown.alt = `The first page of ${name}`;
    node.append(shown);
  }
  node.append(text);
  if (sound.startsWith("data:audio/")) {
    const player = element("audio");
    player.controls = true;
    player.src = sound;
    player.setAttribute("aria-label", `Recording ${name}`);
    node.append(player);
  }
  node.append(iconButton("gone", `Remove document ${name}`, onRemove));
  return node;
}

/** The image or document that an input of a case names, where a prompt shows the input as one. */
export function makeCaseImage(store, editor, name) {
  const { area } = editor;
  const node = element("div", "pex-images");
  const list = element("ul");
  const wrong = makeComplaint(area);
  const picker = makeImagePicker(add, `Choose an image for ${name}`);
  node.append(list, picker.node, picker.file, wrong.node);
  let kind = ""; // image, pdf or audio; "" for text
  let drawn = "";
  const clear = () => {
    typeInto(area, 0, area.value.length, "");
    area.focus();
  };

  async function add([file, ...others]) {
    if (!kind) return wrong.say([`Write ![]({{ ${name} }}) into a prompt first: then this input is an image; ![pdf as text]({{ ${name} }}) makes it a PDF.`]);
    if (others.length) return wrong.say(["An input is one file: choose one."]);
    const { ok, text } = await (kind === "image" ? store.add(file) : store.addDocument(file, kind));
    wrong.say(ok ? [] : [text]);
    if (!ok) return undefined;
    typeInto(area, 0, area.value.length, kind === "image" ? imagesIn(text)[0].url : text);
    return area.focus();
  }

  async function draw() {
    const url = area.value.trim();
    const document = kind in DOCUMENTS;
    const shown = document || KEPT.test(url) ? url : "";
    picker.node.hidden = !kind || Boolean(url);
    const now = shown && `${kind} ${shown}`;
    if (now === drawn) return;
    drawn = now;
    list.hidden = !shown;
    if (!shown) list.replaceChildren();
    else if (!document) list.replaceChildren(makeThumbnail(store, { name, url }, clear).node);
    else {
      const found = await store.document(kind, name, shown);
      if (drawn === now) list.replaceChildren(makePreview(found, clear));
    }
  }

  onFiles(editor, () => true, add);
  let timer = 0;
  area.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(draw, kind in DOCUMENTS ? TYPING_MS : 0); // a path that is typed is looked for once
  });

  return {
    node,
    /** @param is what a prompt shows this input as: image, pdf, audio, or "" */
    update(is) {
      if (is !== kind) picker.choose(is, name);
      kind = is;
      draw();
    },
  };
}

/** The button that picks files. */
export function makeImagePicker(take, label = "Add an image to the user message") {
  const file = element("input");
  file.type = "file";
  file.multiple = true;
  file.hidden = true;
  file.accept = KINDS.join(",");
  file.addEventListener("change", () => {
    take([...file.files]);
    file.value = "";
  });
  const node = signButton("plus", "Image", () => file.click(), label);
  node.classList.add("pex-quiet");
  return {
    node, file,
    /** What is picked for an input of this name: an image, or a document of a kind. */
    choose(kind, name) {
      const [what, accept] = DOCUMENTS[kind] ?? ["Image", KINDS.join(",")];
      file.accept = accept;
      node.lastChild.textContent = what;
      node.title = kind in DOCUMENTS ? `Choose a ${what === "PDF" ? what : what.toLowerCase()} for ${name}` : `Choose an image for ${name}`;
      node.setAttribute("aria-label", node.title);
    },
  };
}
