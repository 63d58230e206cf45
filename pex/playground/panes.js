// The two panes of the Playground: prompts above, cases and answers below, a splitter between.
// Columns stand above each other, so both panes are scrolled sideways together.

import { choice, element } from "../widgets/shared.js";
import { signButton } from "./controls.js";

const KEPT = "pex-playground-look";
const STEP = 0.05;
const LEAST = 0.15;
const MOST = 0.8;
const DENSITIES = [["compact", "Compact"], ["normal", "Normal"], ["full", "Full text"]];

/** How this browser shows Playgrounds; one without storage starts from the beginning. */
function keptLook() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

function keepLook(look) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(look));
  } catch (error) {
    console.warn(`pex: the layout is not kept in this browser: ${error.message}`);
  }
}

/**
 * @param {HTMLElement} el the whole widget
 * @param {HTMLElement} prompts one column for each variant
 * @param {HTMLElement[]} answers what is in the lower pane
 */
export function makePanes(el, prompts, answers) {
  const look = { split: 0.65, density: "normal", ...keptLook() };
  const node = element("div", "pex-play-pane");
  const above = element("div", "pex-play-prompts");
  const below = element("div", "pex-play-answers");
  const splitter = element("div", "pex-play-splitter");
  above.id = `pex-prompts-${Math.random().toString(36).slice(2)}`;
  above.append(prompts);
  below.append(...answers);
  splitter.setAttribute("role", "separator");
  splitter.setAttribute("aria-orientation", "horizontal");
  splitter.setAttribute("aria-controls", above.id);
  splitter.setAttribute("aria-label", "Height of the prompts");
  splitter.title = "Drag, or use the arrow keys, to change the height of the prompts";
  splitter.tabIndex = 0;
  node.append(above, splitter, below);
  let places = [0, 0, 0]; // sideways, prompts, answers

  function change(changes) {
    Object.assign(look, changes);
    keepLook(look);
    draw();
  }

  function draw() {
    look.split = Math.min(MOST, Math.max(LEAST, Number(look.split) || 0.65));
    node.style.setProperty("--pex-split", look.split);
    splitter.setAttribute("aria-valuenow", String(Math.round(look.split * 100)));
    splitter.setAttribute("aria-valuemin", String(LEAST * 100));
    splitter.setAttribute("aria-valuemax", String(MOST * 100));
    el.dataset.density = look.density;
    density.value = look.density;
  }

  function dragged(event) {
    const box = node.getBoundingClientRect();
    const height = parseFloat(getComputedStyle(node).getPropertyValue("max-height")) || box.height;
    change({ split: (event.clientY - box.top) / height });
  }

  splitter.addEventListener("pointerdown", (event) => {
    splitter.setPointerCapture(event.pointerId);
    splitter.addEventListener("pointermove", dragged);
    event.preventDefault();
  });
  splitter.addEventListener("lostpointercapture", () => splitter.removeEventListener("pointermove", dragged));
  splitter.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -STEP, ArrowDown: STEP }[event.key];
    if (!by) return;
    event.preventDefault();
    change({ split: look.split + by });
  });

  const density = choice("Density of the rows", DENSITIES, (value) => change({ density: value }));
  const full = signButton("grow", "Maximise", () => maximise(!el.matches(":popover-open")));

  function maximise(on) {
    if (on) {
      el.popover = "manual"; // in the top layer: no box of the notebook clips it
      el.showPopover();
    } else {
      el.hidePopover();
      el.removeAttribute("popover");
    }
    full.setAttribute("aria-pressed", String(on));
    full.lastChild.textContent = on ? "Restore" : "Maximise";
    full.focus();
  }

  // A focus that moves into a column out of sight scrolls its pane; the other one follows.
  for (const [pane, other] of [[above, below], [below, above]]) {
    pane.addEventListener("scroll", () => {
      if (!node.clientHeight) return;
      if (other.clientHeight) other.scrollLeft = pane.scrollLeft;
      places = [pane.scrollLeft, above.scrollTop, below.scrollTop];
    }, { passive: true });
  }
  above.addEventListener("wheel", (event) => {
    const across = event.deltaX || (event.shiftKey ? event.deltaY : 0);
    if (across) below.scrollLeft += across;
  }, { passive: true });
  const size = new ResizeObserver(() => {
    // One pane may have a scroll bar and the other not; the columns stay above each other.
    if (below.clientWidth) prompts.style.width = `${below.clientWidth}px`;
    // JupyterLab removes a cell that is out of sight from the page, and with it its scroll position.
    if (!below.clientHeight || below.scrollTop || below.scrollLeft || above.scrollTop) return;
    [above.scrollTop, below.scrollTop] = places.slice(1);
    below.scrollLeft = places[0];
  });
  size.observe(below);
  draw();

  return {
    node, density, full, prompts: above,
    get folded() {
      return el.classList.contains("pex-folded");
    },
    fold(on) {
      el.classList.toggle("pex-folded", on);
    },
    /** Escape leaves the whole window; returns whether it was there. */
    restore() {
      const was = el.matches(":popover-open");
      if (was) maximise(false);
      return was;
    },
    /** Bring a row of answers into view, below the heads. */
    show(row, heads) {
      const top = row.offsetTop - heads.offsetHeight;
      if (top < below.scrollTop || row.offsetTop + 40 > below.scrollTop + below.clientHeight) below.scrollTop = top;
      below.scrollIntoView({ block: "nearest" });
    },
    close: () => size.disconnect(),
  };
}
