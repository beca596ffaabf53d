"use strict";
/* Sorting and filtering; without this script every table is there, whole. */
for (const table of document.querySelectorAll("table.grid:not(.plain)")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const words = (cell) => (cell.querySelector("b") ?? cell).textContent;
  const value = (row, column) => words(row.cells[column]);
  // A typeset number: "−" is its minus sign, "1,319" has a separator, "–" is undefined.
  const number = (text) => parseFloat(text.replace("−", "-").replaceAll(",", ""));

  heads.forEach((head, column) => {
    const numeric = head.classList.contains("num");
    // No <button>: what is in one is not drawn in the heads that a printed table repeats on every page.
    const button = document.createElement("span");
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    button.append(...head.childNodes);
    head.append(button);
    button.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      button.click();
    };
    button.onclick = () => {
      const rising = head.ariaSort ? head.ariaSort === "descending" : !numeric;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const sign = rising ? 1 : -1;
      const compare = (a, b) => {
        const [x, y] = [value(a, column), value(b, column)];
        if (!numeric) return sign * x.localeCompare(y);
        const [u, v] = [number(x), number(y)];
        return isNaN(u) || isNaN(v) ? isNaN(u) - isNaN(v) : sign * (u - v);
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
    const names = new Set(rows.map((row) => value(row, column)));
    if (!("choose" in head.dataset) || names.size < 2) return;
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.add(new Option("all", ""));
    for (const name of names) select.add(new Option(name));
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

/* Tables that are wider than the screen say so. */
const hint = (box) => box.toggleAttribute("data-more", box.scrollLeft + box.clientWidth < box.scrollWidth - 8);
const sizes = new ResizeObserver((entries) => entries.forEach((entry) => hint(entry.target)));
for (const box of document.querySelectorAll(".scroll")) {
  sizes.observe(box);
  box.addEventListener("scroll", () => hint(box), { passive: true });
}
