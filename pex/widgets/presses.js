// Presses on cells. A browser sends no click if what was pressed is drawn anew before the button is
// let go, and a running grid draws all the time. So the places of press and release are compared.

/** The row and column of the cell that an event is in, or null. */
function placeOf(event) {
  const cell = event.target.closest("[role=gridcell]");
  return cell && { row: Number(cell.parentNode.dataset.index), column: Number(cell.ariaColIndex) - 2 };
}

/** @param {(place: {row: number, column: number}, event: MouseEvent) => void} choose */
export function onCellPressed(body, choose) {
  let pressed = null; // the cell in which the mouse button went down

  body.addEventListener("mousedown", (event) => (pressed = event.button ? null : placeOf(event)));

  body.addEventListener("mouseup", (event) => {
    const place = placeOf(event);
    const same = pressed && place?.row === pressed.row && place.column === pressed.column;
    pressed = null;
    // Later: the browser has yet to give up a selection made before.
    if (same && !event.button) setTimeout(() => choose(place, event));
  });

  body.addEventListener("click", (event) => {
    const place = event.detail ? null : placeOf(event); // only a program's, as of a screen reader
    if (place) choose(place, event);
  });
}
