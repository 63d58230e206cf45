// Thumbs and a note on an answer. They belong to its text: another answer begins without.

import { element, output } from "../widgets/shared.js";
import { iconButton, relabel, sign, textInput } from "./controls.js";
import { tie } from "./outbox.js";

const WORDS = { up: "good", down: "bad" };

/** How many answers of a column have a thumb, as a chip of its head; undefined if none has. */
export function thumbsOf(cells) {
  const count = (thumb) => cells.filter((cell) => cell.thumb === thumb).length;
  const [up, down] = [count("up"), count("down")];
  return up || down ? ["thumbs", [up, down], `Your ratings: ${up} good, ${down} bad`] : undefined;
}

/** The chip of `thumbsOf`. Thumbs are drawn: not every machine has a font with them. */
export function thumbsChip([up, down]) {
  const chip = element("span", "pex-chip pex-thumbs-chip");
  for (const [thumb, count] of [["up", up], ["down", down]]) {
    if (!count) continue;
    if (chip.firstChild) chip.append(" · ");
    chip.append(sign(`${thumb}-thumb`), ` ${count}`, element("span", "pex-visually-hidden", ` ${WORDS[thumb]}`));
  }
  return chip;
}

/**
 * @param {string} key `<variant>|<case>`
 * @param {HTMLElement} node the answer, which has the keys + - n and gets the focus back
 */
export function makeFeedback(outbox, key, node) {
  let cell = null;
  const act = (rest) => ({ act: "feedback", cell: key, id: cell?.id ?? "", ...rest });
  const toggle = (thumb) => outbox.act("feedback", act({ thumb: cell?.thumb === thumb ? "" : thumb }));
  const up = iconButton("up-thumb", "Good answer", () => toggle("up"));
  const down = iconButton("down-thumb", "Bad answer", () => toggle("down"));
  const open = iconButton("note", "Note", () => edit(row.hidden));
  const buttons = element("span", "pex-icons pex-thumbs");
  buttons.append(up, down, open);
  for (const button of [up, down, open]) button.tabIndex = -1;
  const said = element("div", "pex-said");
  const input = textInput("Note", "What is good or bad about it?");
  input.maxLength = 4000;
  const row = element("div", "pex-note");
  row.hidden = true;
  row.append(input);
  const write = tie(outbox, input, () => `feedback|${key}|${cell?.id}`, (note) => act({ note }));

  function edit(on) {
    const inside = row.contains(document.activeElement);
    row.hidden = !on;
    open.setAttribute("aria-expanded", String(on));
    drawSaid();
    if (on) input.focus();
    else if (inside) node.focus();
  }

  function drawSaid() {
    const word = WORDS[cell?.thumb];
    const note = row.hidden ? cell?.note : "";
    said.hidden = !word && !note;
    said.replaceChildren();
    if (word) {
      const chip = element("span", `pex-chip pex-chip-${word} pex-thumbs-chip`);
      chip.append(sign(`${cell.thumb}-thumb`), ` ${word}`);
      said.append(chip);
    }
    if (note) said.append(output(note, "pex-meta pex-reason"));
    said.title = cell?.note ?? "";
  }

  input.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || !["Enter", "Escape"].includes(event.key)) return;
    event.stopPropagation(); // Escape would stop a run
    event.preventDefault();
    outbox.flush();
    edit(false);
  });
  node.addEventListener("keydown", (event) => {
    const todo = { "+": () => toggle("up"), "-": () => toggle("down"), n: () => edit(true) }[event.key];
    if (event.target !== node || !todo || buttons.hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    todo();
  });

  return {
    said, row, buttons,
    draw(now, name) {
      const other = now?.id !== cell?.id;
      cell = now?.state === "answered" && now.id ? now : null;
      buttons.hidden = !cell;
      if (!cell || other) edit(false);
      if (cell && other) input.value = cell.note; // what was being typed was about another answer
      for (const [button, thumb, label] of [[up, "up", "Good answer"], [down, "down", "Bad answer"]]) {
        button.setAttribute("aria-pressed", String(cell?.thumb === thumb));
        relabel(button, `${label} of ${name}`);
      }
      relabel(open, cell?.note ? `Edit the note on this answer of ${name}` : `Add a note to this answer of ${name}`);
      open.classList.toggle("pex-has-note", Boolean(cell?.note));
      relabel(input, `Note on this answer of ${name}`);
      if (cell) write(cell.note);
      drawSaid();
    },
  };
}
