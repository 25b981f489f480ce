// Makes tables sortable: headings become buttons, so that the keyboard works as the pointer does. Without this the tables
// read as they are.
"use strict";
(() => {
  const missing = (cell) => cell.dataset.sort === "";
  const key = (cell) => cell.dataset.sort ?? cell.textContent.trim();
  const order = (a, b) => {
    const x = Number(a), y = Number(b);
    const numeric = a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y);
    return numeric ? (x < y ? -1 : x > y ? 1 : 0) : a.localeCompare(b, "en", { numeric: true });
  };

  const sort = (table, column, heading) => {
    const falling = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row, place) => ({ row, place, cell: row.cells[column] }));
    rows.sort((a, b) => {
      if (missing(a.cell) || missing(b.cell)) return missing(a.cell) - missing(b.cell) || a.place - b.place;
      return (falling ? -1 : 1) * order(key(a.cell), key(b.cell)) || a.place - b.place;
    });
    body.append(...rows.map((entry) => entry.row));
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    if (table.tBodies[0].rows.length < 2) continue;
    Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => sort(table, column, heading));
    });
  }
})();
