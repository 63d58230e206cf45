// The cell that keys act on.

/** @param {{row: number, column: number}} active its index and the place of its column in sight */
export function makeActiveCell(grid, rows, active) {
  function markActive() {
    grid.body.querySelector(".pex-active")?.classList.remove("pex-active");
    const cell = rows.cell(active.row, active.column);
    cell?.classList.add("pex-active");
    if (cell) grid.scroll.setAttribute("aria-activedescendant", cell.id);
    else grid.scroll.removeAttribute("aria-activedescendant");
  }

  function move(down, right) {
    active.row = Math.min(Math.max(0, active.row + down), Math.max(0, rows.count() - 1));
    active.column = Math.min(Math.max(0, active.column + right), grid.columns.shown.length - 1);
    showActive();
  }

  function showActive() {
    showRow();
    rows.paint();
    showRow(); // its height may be known only now
    const cell = rows.cell(active.row, active.column);
    if (!cell) return;
    const about = cell.parentNode.firstChild;
    const stuck = getComputedStyle(about).position === "sticky" ? about.offsetWidth : 0;
    if (cell.offsetLeft < grid.scroll.scrollLeft + stuck) grid.scroll.scrollLeft = cell.offsetLeft - stuck;
    else if (cell.offsetLeft + cell.offsetWidth > grid.scroll.scrollLeft + grid.scroll.clientWidth) {
      grid.scroll.scrollLeft = Math.min(cell.offsetLeft - stuck, cell.offsetLeft + cell.offsetWidth - grid.scroll.clientWidth);
    }
  }

  function showRow() {
    const at = rows.heights.top(active.row);
    const end = rows.heights.top(active.row + 1);
    const seen = grid.scroll.clientHeight - grid.head.offsetHeight;
    if (at < grid.scroll.scrollTop) grid.scroll.scrollTop = at;
    else if (end > grid.scroll.scrollTop + seen) grid.scroll.scrollTop = Math.min(at, end - seen);
  }

  return { markActive, move, showActive };
}
