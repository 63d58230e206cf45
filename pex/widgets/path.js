// The path of an answer whose tools ran: a timeline, or two beside each other.

import { element } from "./shared.js";

/** When it happened within the whole path, as a bar. */
function bar(item) {
  const line = element("div", "pex-path-bar");
  const part = element("span", item.kind === "tool" ? "pex-path-tool-time" : "");
  part.style.insetInlineStart = `${100 * item.begin}%`;
  part.style.inlineSize = `max(2px, ${100 * item.length}%)`;
  line.setAttribute("aria-hidden", "true");
  line.append(part);
  return line;
}

function itemOf(item, at, folded) {
  const node = element("li", `pex-path-item pex-path-${item.kind}`);
  const head = element("div", "pex-path-head");
  head.append(element(item.kind === "tool" ? "code" : "span", "pex-path-title", item.title));
  if (item.kind === "tool" && item.call === at) head.append(element("span", "pex-chip pex-chip-warn", "they part here"));
  if (item.error) head.append(element("span", "pex-chip pex-chip-bad", `! ${item.error}`));
  if (item.facts) head.append(element("span", "pex-meta", item.facts));
  node.append(head, bar(item));
  if (item.kind !== "tool") {
    if (item.text) node.append(folded(item.text, "pex-message"));
    return node;
  }
  if (item.arguments) node.append(folded(item.arguments, "pex-path-given"));
  if (item.reply) node.append(folded(item.reply, "pex-message"));
  return node;
}

function listOf(name, line, items, at, folded) {
  const box = element("div", "pex-path");
  box.append(element("div", "pex-meta", name ? `${name}: ${line}` : line));
  const list = element("ol", "pex-path-list");
  list.setAttribute("aria-label", name ? `Path of ${name}` : "Path");
  list.append(...items.map((item) => itemOf(item, at, folded)));
  box.append(list);
  return box;
}

/** The nodes of a path; `folded` shows a text of which only the first lines matter at once. */
export function pathOf(path, variant, folded) {
  if (!path.other) return [listOf("", path.line, path.items, null, folded)];
  const both = element("div", "pex-paths");
  both.append(
    listOf(path.other.name, path.other.line, path.other.items, path.at, folded),
    listOf(variant, path.line, path.items, path.at, folded),
  );
  return [element("div", "pex-path-parting", path.parting), both];
}
