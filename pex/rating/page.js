// The rating as a separate page that contains its data. Ratings stay in this browser until they are
// saved as a file. Nothing here knows the names of the variants.

import { button } from "../widgets/shared.js";
import { makeRating } from "./pair.js";

function startPage() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const where = `pex-rating-${data.page}`;
  let kept = { last: "", raters: {} };
  let keeps = true;
  try {
    kept = JSON.parse(localStorage.getItem(where)) ?? kept;
  } catch {
    keeps = false;
  }
  const mine = () => kept.raters[kept.last] ?? {};
  /** The same name gets the same order, after a reload too. */
  const plan = () => data.plans[[...kept.last].reduce((sum, sign) => (sum * 31 + sign.codePointAt(0)) % 65521, 7) % data.plans.length];
  const unpack = (code) => ({ pair: data.pairs[code >> 2], swapped: Boolean(code & 2), again: Boolean(code & 1) });

  function store() {
    try {
      localStorage.setItem(where, JSON.stringify(kept));
    } catch {
      keeps = false;
    }
  }

  function state() {
    const total = data.plans[0].length;
    const done = Object.keys(mine()).length;
    let position = 0;
    while (position < total && mine()[position]) position += 1;
    const line = keeps ? "" : "This browser cannot store your ratings: save them before you close the page.";
    return { rater: kept.last, total, done, position, line, result: "" };
  }

  function save() {
    const ratings = Object.entries(mine()).map(([n, said]) => {
      const { pair, swapped, again } = unpack(plan()[n]);
      return { pair: pair.id, swapped, second_look: again, ...said };
    });
    const file = { format: data.format, experiment: data.experiment, run_id: data.run_id, rater: kept.last, ratings };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(file)], { type: "application/json" }));
    link.download = `ratings-${kept.last.replace(/[^\p{L}\p{N}]+/gu, "-") || "mine"}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  const saveButton = () => {
    const node = button("Save my ratings", save);
    node.classList.add("pex-primary");
    return node;
  };
  const root = document.getElementById("rating");
  const view = makeRating(root, {
    ...data.begin,
    keys: document,
    revealText: "",
    thanks: "Save your ratings as a file and send it to the person who asked you.",
    start(rater) {
      kept.last = rater;
      kept.raters[rater] ??= {};
      store();
      view.state(state());
    },
    need(n) {
      const { pair, swapped } = unpack(plan()[n]);
      const [left, right] = swapped ? [pair.second, pair.first] : [pair.first, pair.second];
      const said = mine()[n] ?? null;
      queueMicrotask(() => view.turn(n, { inputs: pair.inputs, expected: pair.expected, left, right, said }));
    },
    rate(n, said) {
      mine()[n] = { ...said, at: new Date().toISOString() };
      store();
      view.saved(n);
      queueMicrotask(() => view.state(state()));
    },
    reveal() {},
    drawEnd: () => [saveButton()],
  });
  root.querySelector(".pex-rating-head").append(saveButton());
  view.state(state());
}

startPage();
