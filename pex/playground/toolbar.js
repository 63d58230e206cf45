// Above the panes: the buttons, and the line that says what a run costs and how it goes on.

import { makeRecorded } from "../widgets/recorded.js";
import { button, choice, element } from "../widgets/shared.js";
import { checkbox, signButton } from "./controls.js";

const NOTHING = "Write a prompt and fill in a case, then run.";

export function makeTools(act) {
  const bar = element("div", "pex-bar pex-play-tools");
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Playground");
  const tools = {
    run: signButton("run", "Run all", act.run), stop: signButton("stop", "Stop", act.stop),
    fresh: checkbox("Ask for new answers", act.fresh, "Ask the models again instead of reusing earlier answers"),
    markdown: checkbox("Markdown", act.markdown, "Show answers as rendered Markdown, without images; differences stay plain text"),
    undo: signButton("undo", "Undo", act.undo), redo: signButton("redo", "Redo", act.redo),
    variant: signButton("plus", "Add variant", act.variant), cases: signButton("plus", "Add case", act.cases),
    table: button("Add data…", act.table),
    differences: button("Show differences", act.differences),
    against: choice("Compare with", [], act.against), save: button("Save…", act.save),
  };
  tools.run.classList.add("pex-first");
  const group = (...nodes) => {
    const node = element("span", "pex-group");
    node.append(...nodes);
    return node;
  };
  const steps = group(tools.undo, tools.redo);
  steps.classList.add("pex-group-steps");
  bar.append(
    group(tools.run, tools.stop, tools.fresh.node), steps,
    group(tools.variant, tools.cases, tools.table), group(tools.differences, tools.against), group(tools.save),
  );
  return { bar, group, ...tools };
}

/** A run: what it would cost, its progress, where it was recorded. */
export function makeStatus(openRun) {
  const bar = element("div", "pex-bar pex-play-status");
  const progress = document.createElement("progress");
  progress.setAttribute("aria-label", "answers");
  const line = element("span", "pex-play-line");
  const said = element("span", "pex-soft");
  said.setAttribute("role", "status");
  const recorded = makeRecorded(openRun);
  const error = element("div", "pex-bad-text pex-play-error");
  error.setAttribute("role", "alert");
  bar.append(progress, line, said, recorded.line, error);
  return {
    bar,
    opened: recorded.answer,
    draw(status, doc, cells, late) {
      const last = Math.max(0, ...cells.map((cell) => cell.run ?? 0));
      const now = cells.filter((cell) => (cell.run ?? 0) === last);
      progress.hidden = !status.running;
      progress.max = now.length || 1;
      progress.value = now.filter((cell) => !["queued", "running"].includes(cell.state)).length;
      const estimate = doc.estimate ? `Run all: ${doc.estimate}` : status.said || status.error ? "" : NOTHING;
      line.textContent = status.running ? status.line || "starting…" : estimate;
      if (said.textContent !== status.said) said.textContent = status.said ?? "";
      recorded.draw(status.running ? null : status.recorded);
      const wrong = [status.error, late && "The kernel is not responding; what you type is kept in this browser."];
      const text = wrong.filter(Boolean).join(" ");
      error.hidden = !text;
      if (error.textContent !== text) error.textContent = text;
    },
  };
}
