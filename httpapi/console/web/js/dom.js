// Elements are made out of names and texts alone: a text never becomes markup.

const svgNamespace = "http://www.w3.org/2000/svg";

// h makes an element. props are attributes, but for text, and on, whose members are listeners. Children that are null or
// false are left out.
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

// svg makes an element of a drawing.
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(svgNamespace, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// setText changes a text only if it differs, so that nothing is read out or selected anew.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// cell is a cell of a table that says on a phone which column it is of.
export function cell(label, props, ...children) {
  return h("td", { role: "cell", "data-label": label, ...props }, ...children);
}

// table makes a table whose rows become cards on a phone; the roles keep it a table there.
export function table(caption, columns, rows, props = {}) {
  return h("table", { role: "table", ...props },
    h("caption", { class: "aside", text: caption }),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
      columns.map(([text, kind]) => h("th", { role: "columnheader", scope: "col", class: kind, text })))),
    h("tbody", { role: "rowgroup" }, rows));
}

// row is a row of such a table.
export function row(props, ...cells) {
  return h("tr", { role: "row", ...props }, ...cells);
}
