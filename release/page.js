"use strict";
/* Sorting and filtering; without this script every table is there, whole. */
for (const table of document.querySelectorAll("table.grid:not(.plain)")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const value = (row, column) => row.cells[column].dataset.v;

  heads.forEach((head, column) => {
    const numeric = head.classList.contains("num");
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const rising = head.ariaSort ? head.ariaSort === "descending" : !numeric;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const sign = rising ? 1 : -1;
      const compare = (a, b) => {
        const x = value(a, column), y = value(b, column);
        if (x === "" || y === "") return (x === "") - (y === "");
        return sign * (numeric ? x - y : a.cells[column].textContent.localeCompare(b.cells[column].textContent));
      };
      body.append(...[...rows].sort(compare));
    };
  });

  const selects = [];
  const choices = document.createElement("div");
  choices.className = "choices";
  const count = document.createElement("span");
  count.className = "note";
  count.setAttribute("role", "status");
  const filter = () => {
    let shown = 0;
    for (const row of rows) {
      row.hidden = selects.some(({ column, select }) => select.value && value(row, column) !== select.value);
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  heads.forEach((head, column) => {
    const names = new Map(rows.map((row) => [value(row, column), row.cells[column].textContent]));
    if (!("choose" in head.dataset) || names.size < 2) return;
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.add(new Option("all", ""));
    for (const [key, words] of names) select.add(new Option(words, key));
    label.append(head.textContent, select);
    choices.append(label);
    select.onchange = filter;
    selects.push({ column, select });
  });
  if (selects.length) {
    choices.append(count);
    table.parentElement.before(choices);
    filter();
  }
}
