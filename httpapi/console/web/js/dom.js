// Functions that make elements from names and texts. A text never becomes markup.

const svgNamespace = "http://www.w3.org/2000/svg";

// listeners has the functions that an element of h calls, by the name of the event.
const listeners = new WeakMap();

// h makes an element. Its props are attributes, except for text; key, by which renew finds the element again; and on,
// whose members are listeners. Children that are null or false are left out.
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

// svg makes an SVG element.
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(svgNamespace, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name === "key") element.dataset.key = value;
    else if (name === "on") listen(element, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function listen(element, on) {
  listeners.set(element, on);
  for (const type of Object.keys(on)) element.addEventListener(type, (event) => listeners.get(element)[type](event));
}

// renew gives an element the same children as the given ones. It keeps existing children and changes them if they
// differ, so that presses, the focus, selections and open details last. It finds elements with a key by the key, and
// others by their position.
export function renew(element, ...children) {
  const fresh = children.flat().map((child) => (child instanceof Node ? child : new Text(child)));
  const keys = new Set(fresh.map(keyOf));
  for (const old of [...element.children]) if (!keys.has(keyOf(old))) old.remove();
  const focused = document.activeElement;
  let at = element.firstChild; // the children before it are done
  for (const child of fresh) {
    let old = at;
    while (old && !alike(old, child)) old = old.nextSibling;
    if (!old) {
      element.insertBefore(child, at);
      continue;
    }
    change(old, child);
    if (old === at) {
      at = at.nextSibling;
      continue;
    }
    element.insertBefore(old, at);
    if (old.contains(focused)) focused.focus({ preventScroll: true }); // a moved element loses the focus
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function keyOf(node) { return node.dataset?.key; }

// alike reports whether change can make old the same as fresh.
function alike(old, fresh) {
  return old.nodeName === fresh.nodeName && keyOf(old) === keyOf(fresh) && listeners.has(old) === listeners.has(fresh);
}

// change makes old the same as fresh.
function change(old, fresh) {
  if (old instanceof Text) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (listeners.has(fresh)) listeners.set(old, listeners.get(fresh));
  const own = (name) => name === "open" && old instanceof HTMLDetailsElement; // only the user opens and closes it
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !own(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !own(name)) old.setAttribute(name, value);
  }
  renew(old, ...fresh.childNodes);
}

// setText changes a text only if it differs, so that screen readers stay silent and selections last.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// cell is a cell of a table. On a phone it shows the label of its column.
export function cell(label, props, ...children) {
  return h("td", { role: "cell", "data-label": label, ...props }, ...children);
}

// head is the header of a row of a table.
export function head(...children) {
  return h("th", { role: "rowheader", scope: "row" }, ...children);
}

// hint is a secondary text.
export function hint(text) { return h("span", { class: "hint", text }); }

// table makes a table whose rows become cards on a phone. The roles keep it a table for screen readers.
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
