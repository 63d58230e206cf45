// Conditions on answers: this score of that variant is so. All of them must hold, see query.py.

import { menu } from "./menu.js";
import { button, choice, element } from "./shared.js";

/** @param {{conditions: object[]}} query @param {(part: object) => void} change */
export function makeFilter(query, change) {
  let begin = null;
  let column, test, value;
  const chips = element("span", "pex-chips pex-grid-conditions");
  chips.hidden = true;
  const form = element("form", "pex-menu-form");
  const { node, close } = menu("Filter", form);
  const testOf = (name) => begin.tests.find(([each]) => each === name);

  function drawForm() {
    column = choice("Answer of", [["", "Any variant"], ...begin.variants.map((name, n) => [String(n), name])], () => {});
    test = choice("Condition", begin.tests.map(([name, text]) => [name, text]), drawValue);
    value = element("input", "pex-input");
    value.setAttribute("aria-label", "Value");
    const add = button("Add", () => form.requestSubmit());
    add.classList.add("pex-primary");
    form.replaceChildren(column, test, value, add);
    drawValue();
  }

  function drawValue() {
    const kind = testOf(test.value)?.[2];
    value.hidden = !kind;
    value.required = Boolean(kind);
    value.type = kind === "number" ? "number" : "text";
    value.step = "any";
  }

  function words({ column, test, value }) {
    const name = column === null ? "" : `${begin.variants[column]}: `;
    return `${name}${testOf(test)?.[1] ?? test} ${value}`.trim();
  }

  function drawChips() {
    chips.hidden = !query.conditions.length;
    chips.replaceChildren(...query.conditions.map((condition) => {
      const chip = button(`${words(condition)} ×`, () => {
        set(query.conditions.filter((each) => each !== condition));
        (chips.firstChild ?? node.firstChild).focus();
      }, `Remove the filter ${words(condition)}`);
      chip.className = "pex-chip pex-grid-condition";
      return chip;
    }));
  }

  function set(conditions) {
    change({ conditions });
    drawChips();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const added = { column: column.value === "" ? null : Number(column.value), test: test.value, value: value.hidden ? "" : value.value };
    close();
    set([...query.conditions, added]);
  });
  return {
    menu: node,
    chips,
    draw(newBegin) {
      const before = begin && JSON.stringify([begin.variants, begin.tests]);
      begin = newBegin;
      if (JSON.stringify([begin.variants, begin.tests]) !== before) drawForm();
      drawChips();
    },
  };
}
