// Presses on cells. A browser sends no click if what was pressed is drawn anew before the button is
// let go, and a running grid draws all the time. It can also move: a notebook scrolls, a row grows.
// So a press counts if the pointer stayed where it was, or was released on the same cell.

const STILL = 4; // pixels that a hand moves by without meaning to

/** The row and column of the cell that an event is in, or null. */
function placeOf(event) {
  const cell = event.target.closest("[role=gridcell]");
  return cell && { row: Number(cell.parentNode.dataset.index), column: Number(cell.ariaColIndex) - 2 };
}

/** @param {(place: {row: number, column: number}, event: MouseEvent) => void} choose */
export function onCellPressed(body, choose) {
  body.addEventListener("mousedown", (down) => {
    const pressed = down.button ? null : placeOf(down);
    if (!pressed) return;
    const onRelease = (up) => {
      const place = body.contains(up.target) ? placeOf(up) : null;
      const same = place?.row === pressed.row && place.column === pressed.column;
      const still = Math.hypot(up.clientX - down.clientX, up.clientY - down.clientY) <= STILL;
      // Later: the browser has yet to give up a selection made before.
      if ((same || still) && !up.button) setTimeout(() => choose(pressed, up));
    };
    document.addEventListener("mouseup", onRelease, { capture: true, once: true });
  });

  body.addEventListener("click", (event) => {
    const place = event.detail ? null : placeOf(event); // only a program's, as of a screen reader
    if (place) choose(place, event);
  });
}
