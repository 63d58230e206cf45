// Where a run is recorded, beside its answers. MLflow's pages are started on request (recorded.py).

import { button, element, linked } from "./shared.js";

const link = (url) => linked("open in MLflow", url);

/** @param {() => void} ask asks Python for the address of the run's page */
export function makeRecorded(ask) {
  const line = element("div", "pex-meta pex-recorded");
  line.setAttribute("role", "status");
  let name = "";
  let shown = "";

  function draw(...ways) {
    const had = line.contains(line.getRootNode().activeElement);
    line.replaceChildren("Recorded: ", element("em", "", name), " · ", ...ways);
    if (had) line.querySelector("a, button")?.focus();
  }

  function offer(...before) {
    const open = button("Open in MLflow", () => {
      open.disabled = true;
      open.textContent = "Starting MLflow…";
      ask();
    });
    open.title = "Starts MLflow's pages on this machine; they end with the kernel";
    draw(...before, open);
  }

  return {
    line,
    /** @param {[string, string, string] | null} run its name, its address if there is one, and its id */
    draw(run) {
      line.hidden = !run;
      if (!run || run[2] === shown) return;
      [name, , shown] = run;
      if (run[1]) draw(link(run[1]));
      else offer();
    },
    /** What Python has answered: an address, or why there is none. */
    answer({ url, error }) {
      if (url) draw(link(url));
      else offer(element("span", "pex-bad", `! ${error} `));
    },
  };
}
