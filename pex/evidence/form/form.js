// A form as a page that contains its data: a row is a group of fields. What is typed stays in this
// browser until it is saved as a file. Nothing is sent anywhere.

import { button, element, output } from "../../widgets/shared.js";

const NOTHING = "This browser cannot store what you type: save it before you close the page.";

function startForm() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const where = `pex-form-${data.page}`;
  const sent = data.rows.map((row) => ({ key: row.key ?? "", values: { ...row }, fresh: false }));
  let kept = { by: "", changed: {}, added: [] };
  let keeps = true;
  try {
    kept = JSON.parse(localStorage.getItem(where)) ?? kept;
  } catch {
    keeps = false;
  }
  const fills = data.columns.filter((column) => column.fill);
  const root = document.getElementById("form");
  const status = element("span", "pex-meta");
  status.setAttribute("role", "status");
  const list = element("div");

  function store() {
    try {
      localStorage.setItem(where, JSON.stringify(kept));
    } catch {
      keeps = false;
    }
    tell();
  }

  function tell() {
    const count = Object.values(kept.changed).filter((values) => Object.keys(values).length).length;
    const added = kept.added.filter((values) => Object.values(values).some(Boolean)).length;
    const parts = [`${count} of ${sent.length} ${data.noun}${sent.length === 1 ? "" : "s"} filled in or changed`];
    if (!sent.length) parts.length = 0;
    if (data.empty) parts.push(`${added} new`);
    status.textContent = `${parts.join(", ")}. ${keeps ? "" : NOTHING}`;
  }

  function field(column, value, onInput) {
    const label = element("label", "pex-form-fill");
    label.append(element("span", "", column.title));
    if (column.help) label.append(element("small", "", column.help));
    let input;
    if (column.choices.length) {
      input = element("select", "pex-input");
      for (const choice of ["", ...column.choices]) {
        const option = element("option", "", choice || "–");
        option.value = choice;
        input.append(option);
      }
      input.value = column.choices.includes(value) ? value : "";
    } else {
      input = element(column.lines ? "textarea" : "input", "pex-input");
      input.value = value;
    }
    input.dir = "auto";
    input.addEventListener("input", () => onInput(input.value));
    label.append(input);
    return label;
  }

  function group(title, row, values, onChange) {
    const box = element("fieldset", "pex-form-row");
    box.append(element("legend", "", title));
    for (const column of data.columns) {
      if (!column.fill) {
        if (!row || !column.in_page) continue;
        const given = element("div", "pex-form-given");
        const text = output(row.values[column.title] || "–");
        text.tabIndex = 0;
        text.setAttribute("role", "group");
        text.setAttribute("aria-label", column.title);
        given.append(element("span", "pex-meta", column.title), text);
        box.append(given);
      } else {
        const first = values[column.title] ?? row?.values[column.title] ?? "";
        box.append(field(column, first, (value) => {
          onChange(column.title, value);
          box.classList.toggle("pex-form-done", Object.values(values).some(Boolean));
        }));
      }
    }
    box.classList.toggle("pex-form-done", Object.values(values).some(Boolean));
    return box;
  }

  function addNew(values) {
    const box = group(`New ${data.noun}`, null, values, (title, value) => {
      values[title] = value;
      store();
    });
    list.append(box);
    return box;
  }

  function save() {
    const rows = sent.map((row, number) => {
      const values = Object.fromEntries(fills.map((column) => [column.title, row.values[column.title] ?? ""]));
      return { key: row.key, values: { ...values, ...kept.changed[number] } };
    });
    for (const values of kept.added) {
      if (Object.values(values).some(Boolean)) rows.push({ key: "", values });
    }
    const { format, kind, experiment, run_id } = data;
    const file = { format, kind, experiment, run_id, by: kept.by.trim(), rows };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(file)], { type: "application/json" }));
    const who = kept.by.trim().replace(/[^\p{L}\p{N}]+/gu, "-");
    link.download = [kind, experiment, who].filter(Boolean).join("-") + ".json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  root.append(element("p", "pex-form-intro", data.instructions));
  const by = element("label", "pex-form-by");
  const name = element("input", "pex-input");
  name.autocomplete = "name";
  name.value = kept.by;
  name.addEventListener("input", () => {
    kept.by = name.value;
    store();
  });
  by.append(element("span", "", "Your name"), name);
  const bar = element("div", "pex-bar pex-form-bar");
  const done = button("Save as a file", save);
  done.classList.add("pex-primary");
  bar.append(status);
  if (data.empty) {
    bar.append(button(`Add a ${data.noun}`, () => {
      const values = {};
      kept.added.push(values);
      const box = addNew(values);
      box.querySelector("input, textarea, select").focus();
      store();
    }));
  }
  bar.append(done);
  root.append(by, bar, list);
  sent.forEach((row, number) => {
    const values = (kept.changed[number] ??= {});
    const title = row.values.title || `${data.noun[0].toUpperCase()}${data.noun.slice(1)} ${number + 1}`;
    list.append(group(title, row, values, (column, value) => {
      if (value === (row.values[column] ?? "")) delete values[column];
      else values[column] = value;
      store();
    }));
  });
  if (data.empty && !kept.added.length) kept.added.push({});
  for (const values of kept.added) addNew(values);
  tell();
}

startForm();
