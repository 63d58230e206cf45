// The window that brings a table in: pasted from a spreadsheet, dropped as a file, or named.

import { button, choice, dialog, element, output } from "../widgets/shared.js";
import { field, textInput } from "./controls.js";

const MOST_BYTES = 8e6;
const SHOWN_CHARS = 2000;
const TYPED_MS = 600;
const ROLES = [
  ["input", "Input"], ["expected", "Expected answer"], ["id", "ID"], ["group", "Group"], ["tags", "Tags"],
  ["leave out", "Leave out"],
];

/** @param {(message: object, buffers?: ArrayBuffer[]) => void} send to Python */
export function makeImporter(send) {
  const box = dialog("Add your data");
  box.classList.add("pex-table-dialog");
  const area = element("textarea", "pex-input pex-table-drop");
  area.placeholder = "Paste cells from a spreadsheet, or drop a file here\n(CSV, TSV, JSONL, Parquet, Excel)";
  area.setAttribute("aria-label", "Paste cells or drop a file");
  area.spellcheck = false;
  const first = element("input");
  first.type = "checkbox";
  first.checked = true;
  const header = element("label", "pex-check");
  header.append(first, " The first row has the names of the columns");
  const path = textInput("", "tickets.csv");
  const form = element("form", "pex-bar pex-table-file");
  const open = button("Open", () => form.requestSubmit());
  const file = element("input", "pex-table-picker");
  file.type = "file";
  file.accept = ".csv,.tsv,.jsonl,.parquet,.xlsx";
  file.setAttribute("aria-label", "File on this computer");
  form.append(field("Or a file that the kernel can read", path), open, field("Or one on this computer", file));
  const result = element("div", "pex-result");
  result.setAttribute("role", "status");
  const list = element("div", "pex-table-columns");
  const count = textInput("How many rows");
  count.type = "number";
  count.min = "1";
  const many = field("Rows to add", count);
  const add = button("Add cases", () => {
    say("Adding…");
    send({ kind: "add_table", columns: chosen(), limit: Math.round(Number(count.value)) || 1 });
  });
  add.classList.add("pex-first");
  const close = button("Close", () => box.close());
  const foot = element("div", "pex-dialog-foot");
  foot.append(many, add, close);
  box.append(element("h2", "pex-title", "Add your data"), area, header, form, result, list, foot);

  let source = null; // what was given last: {content, buffers}
  let rows = []; // for each column shown, its name, role and variable
  let timer = 0;

  function chosen() {
    return rows.map(({ name, role, variable }) => ({ name, role: role.value, variable: variable.value.trim() }));
  }

  function say(text, bad) {
    result.replaceChildren(text ? output(text, bad ? "pex-bad-text" : "") : "");
  }

  function forget() {
    rows = [];
    list.replaceChildren();
    many.hidden = true;
    add.disabled = true;
  }

  /** Have Python read something. */
  function read(content, buffers = [], reading = null) {
    clearTimeout(timer);
    source = { content, buffers };
    forget();
    say("Reading…");
    send({ kind: "table", header: first.checked, reading, ...content }, buffers);
  }

  function readText(text) {
    const bytes = new TextEncoder().encode(text);
    area.value = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
    if (tooLarge(bytes.length)) return;
    read({}, [bytes.buffer]);
  }

  function tooLarge(bytes) {
    if (bytes <= MOST_BYTES) return false;
    forget();
    say(`${(bytes / 1e6).toFixed(0)} MB are too many, at most ${MOST_BYTES / 1e6} MB. Save the table beside the notebook and give its path.`, true);
    return true;
  }

  async function readFile(found) {
    area.value = "";
    if (tooLarge(found.size)) return;
    try {
      read({ name: found.name }, [await found.arrayBuffer()]);
    } catch {
      say(`${found.name} cannot be read: is it a folder?`, true);
    }
  }

  function drop(event) {
    event.preventDefault();
    event.stopPropagation();
    const items = [...(event.dataTransfer?.items ?? [])];
    const folder = items.map((item) => item.webkitGetAsEntry?.()).find((entry) => entry?.isDirectory);
    const files = [...(event.dataTransfer?.files ?? [])];
    forget();
    if (folder) say(`${folder.name} is a folder: drop one file.`, true);
    else if (files.length > 1) say(`${files.length} files: drop one at a time.`, true);
    else if (files.length) readFile(files[0]);
    else readText(event.dataTransfer?.getData("text/plain") ?? "");
  }

  area.addEventListener("paste", (event) => {
    event.preventDefault(); // a large text in a field would stop the page
    event.stopPropagation();
    const files = [...(event.clipboardData?.files ?? [])];
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (text) readText(text);
    else if (files.length) readFile(files[0]);
    else say("The clipboard has no text: copy the cells with their headings.", true);
  });
  area.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => area.value.trim() && read({}, [new TextEncoder().encode(area.value).buffer]), TYPED_MS);
  });
  for (const name of ["dragenter", "dragover"]) {
    box.addEventListener(name, (event) => {
      event.preventDefault();
      event.stopPropagation();
    });
  }
  box.addEventListener("drop", drop);
  first.addEventListener("change", () => source && !source.content.file && !source.content.name && read(source.content, source.buffers));
  file.addEventListener("change", () => file.files[0] && readFile(file.files[0]));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    area.value = "";
    if (path.value.trim()) read({ file: path.value.trim() });
    else path.focus();
  });

  function row(column) {
    const role = choice(`Role of ${column.name}`, ROLES, () => (variable.hidden = role.value !== "input"));
    role.value = column.role.split(",")[0];
    const variable = textInput(`Name of ${column.name} in a prompt`);
    variable.value = column.variable;
    variable.hidden = role.value !== "input";
    const cells = [output(column.name), role, variable, output(column.example), element("span", "", column.empty)];
    rows.push({ name: column.name, role, variable });
    const line = element("tr");
    for (const cell of cells) {
      const place = element("td");
      place.append(cell);
      line.append(place);
    }
    return line;
  }

  function draw({ columns, more, count: found, room }) {
    rows = [];
    const table = element("table", "pex-table");
    const head = element("tr");
    for (const text of ["Column", "Role", "In a prompt {{ … }}", "Example", "Empty"]) head.append(element("th", "", text));
    const body = element("tbody");
    body.append(...columns.map(row));
    const top = element("thead");
    top.append(head);
    table.append(top, body);
    list.replaceChildren(table);
    if (more) list.append(element("p", "pex-meta", `and ${more} more columns, which are inputs`));
    list.tabIndex = 0;
    list.setAttribute("role", "region");
    list.setAttribute("aria-label", "What was understood");
    const most = Math.min(found, room);
    count.max = String(most);
    count.value = String(most);
    many.hidden = false;
    add.disabled = most < 1;
  }

  /** Show all readings that fit, to choose one. */
  function ask(text, choices) {
    say(text);
    const bar = element("div", "pex-table-choices");
    for (const { key, value, shown, row: sample } of choices) {
      const pick = button(`${key} ${shown}`, () => {
        const reading = { ...choices.given, [key]: value };
        read(source.content, source.buffers, reading);
      });
      const line = element("div", "pex-bar");
      line.append(pick, output(sample, "pex-soft"));
      bar.append(line);
    }
    result.append(bar);
    bar.querySelector("button")?.focus();
  }

  return {
    box,
    open() {
      forget();
      say("");
      area.value = "";
      file.value = "";
      box.showModal();
      area.focus();
    },
    /** What Python answered. */
    table(message) {
      if (message.added) {
        box.close(); // the line below the tools says what was added
      } else if (message.choices) {
        ask(message.text, Object.assign(message.choices, { given: message.reading }));
      } else if (!message.ok) {
        say(message.text, true);
      } else {
        say(message.sentences.join(" "));
        draw(message);
      }
    },
  };
}
