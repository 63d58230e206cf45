// The heads above the answers: each variant's name and totals and, while the prompts are folded,
// what it is.

import { button, dollars, element, output, seconds } from "../widgets/shared.js";
import { iconButton, relabel } from "./controls.js";
import { thumbsChip, thumbsOf } from "./feedback.js";

const MOST_SCORES = 4;

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Each score by name: how many are good of how many, or the numbers. */
function scoresOf(cells) {
  const found = new Map();
  for (const cell of cells) {
    for (const [kind, , , name, value] of cell.marks ?? []) {
      if (!name || kind === "failed") continue;
      if (!found.has(name)) found.set(name, { good: 0, count: 0, numbers: [] });
      const score = found.get(name);
      if (kind === "number") score.numbers.push(value);
      else {
        score.count++;
        score.good += kind === "good";
      }
    }
  }
  return [...found];
}

/** What the answers of a column come to, as chips: [kind, text, explanation]. */
export function totals(cells) {
  const now = cells.filter((cell) => cell && !cell.stale);
  const answered = now.filter((cell) => cell.state === "answered");
  const chips = [];
  const scores = scoresOf(answered);
  for (const [name, { good, count, numbers }] of scores.slice(0, MOST_SCORES)) {
    const more = scores.length > 1 ? ` ${name}` : "";
    if (count) {
      const kind = good === count ? "good" : good ? "" : "bad";
      chips.push([kind, `${good}/${count} ${kind === "bad" ? "✗" : "✓"}${more}`, `${name}: ${good} of ${count} answers pass`]);
    } else if (numbers.length) {
      const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
      chips.push(["", `${name} ${Number(mean.toPrecision(3))}`, `${name}: mean of ${numbers.length}`]);
    }
  }
  if (scores.length > MOST_SCORES) chips.push(["", `+ ${scores.length - MOST_SCORES}`, scores.slice(MOST_SCORES).map(([name]) => name).join(", ")]);
  const thumbs = thumbsOf(answered);
  if (thumbs) chips.push(thumbs);
  const errors = now.filter((cell) => cell.state === "error").length;
  if (errors) chips.push(["bad", `! ${errors} error${errors === 1 ? "" : "s"}`, "calls that failed"]);
  const cut = answered.filter((cell) => cell.short).length;
  if (cut) chips.push(["warn", `${cut} cut off`, "answers that reached max_tokens"]);
  const times = answered.map((cell) => cell.seconds).filter((value) => value !== null && value !== undefined);
  if (times.length) chips.push(["plain", seconds(median(times)), `median time of ${times.length} answers`]);
  const cost = answered.reduce((sum, cell) => sum + (cell.usd ?? 0), 0);
  if (cost) chips.push(["plain", dollars(cost), `cost of ${answered.length} answers`]);
  return chips;
}

function makeHead(id, onEdit) {
  const node = element("div", "pex-play-title");
  node.setAttribute("role", "columnheader");
  node.dataset.head = id;
  const top = element("div", "pex-title-top");
  const name = output("", "pex-title-name");
  const baseline = element("span", "pex-chip", "baseline");
  const edit = iconButton("edit", "Edit", onEdit);
  top.append(name, baseline, edit);
  const about = element("div", "pex-meta pex-title-about");
  const chips = element("div", "pex-chips pex-title-totals");
  node.append(top, about, chips);
  let drawn = "";
  return {
    node,
    update(variant, isBaseline, found) {
      const now = JSON.stringify([variant.name, variant.model, variant.messages, isBaseline, found]);
      if (now === drawn) return;
      drawn = now;
      name.textContent = variant.name;
      baseline.hidden = !isBaseline;
      relabel(edit, `Edit ${variant.name}`);
      const words = variant.messages.map((message) => message.text).join(" ").replace(/\s+/g, " ").slice(0, 200);
      about.textContent = [variant.model || "no model", words].filter(Boolean).join(" · ");
      about.title = about.textContent;
      chips.hidden = !found.length;
      chips.replaceChildren(...found.map(([kind, text, title]) => {
        const chip = kind === "thumbs" ? thumbsChip(text) : element("span", kind === "plain" ? "pex-meta" : `pex-chip ${kind && `pex-chip-${kind}`}`, text);
        chip.title = title;
        return chip;
      }));
    },
  };
}

/** @param {(id: string) => void} onEdit open the prompts at a variant; "": open or fold them */
export function makeHeads(onEdit, promptsId) {
  const node = element("div", "pex-play-row pex-play-titles");
  node.setAttribute("role", "row");
  const first = element("div", "pex-play-title");
  first.setAttribute("role", "columnheader");
  const label = element("div", "", "Case");
  const fold = button("Fold prompts", () => onEdit(""));
  fold.classList.add("pex-quiet", "pex-fold");
  fold.setAttribute("aria-controls", promptsId);
  first.append(label, fold);
  node.append(first);
  const heads = new Map();
  return {
    node,
    draw(variants, baseline, cellsOf, folded) {
      fold.textContent = folded ? "Edit prompts" : "Fold prompts";
      fold.setAttribute("aria-expanded", String(!folded));
      for (const [id, head] of heads) {
        if (variants.some((variant) => variant.id === id)) continue;
        head.node.remove();
        heads.delete(id);
      }
      let before = first;
      for (const variant of variants) {
        if (!heads.has(variant.id)) heads.set(variant.id, makeHead(variant.id, () => onEdit(variant.id)));
        const head = heads.get(variant.id);
        if (before.nextSibling !== head.node) before.after(head.node);
        before = head.node;
        head.update(variant, variant.id === baseline && variants.length > 1, totals(cellsOf(variant.id)));
      }
    },
  };
}
