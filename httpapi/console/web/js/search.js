// The search box.

import { h, hint } from "./dom.js";
import { things } from "./format.js";
import { released } from "./poll.js";

const waitMillis = 250;

export function searchBox(context) {
  const { app, tenant } = context;
  const results = h("div", { class: "results" });
  const status = h("p", { class: "hint", role: "status" });
  const input = h("input", {
    type: "search", id: "search", autocomplete: "off", maxlength: 200, placeholder: "Search the live index…", on: { input: later },
  });
  let timer, request = new AbortController();

  function later() {
    clearTimeout(timer);
    timer = setTimeout(search, waitMillis);
  }

  async function search() {
    clearTimeout(timer);
    request.abort();
    const mine = request = new AbortController();
    const text = input.value.trim();
    if (!text) {
      results.replaceChildren();
      status.textContent = "";
      return;
    }
    try {
      const { total, hits } = await app.api.search(tenant, text, mine.signal);
      await released();
      if (mine.signal.aborted) return;
      const some = hits.length < total ? `, the first ${hits.length}:` : "";
      status.textContent = `${things(total, "product")} found${some}`;
      results.replaceChildren(...hits.map(hitView));
    } catch (error) {
      if (error.name === "AbortError") return;
      results.replaceChildren();
      status.textContent = app.failed(error);
    }
  }

  return h("search", { class: "search" },
    h("form", { on: { submit: (event) => { event.preventDefault(); search(); } } },
      h("label", { for: "search", class: "aside", text: `Search the live products of ${tenant}` }), input),
    status, results);
}

function hitView({ id, name, product }) {
  const title = [h("span", { class: "name", text: name || id }), name ? hint(` ${id}`) : null];
  if (product === undefined) return h("p", { class: "hit" }, title);
  const body = h("pre", { tabindex: "0", "aria-label": `Product ${id}` });
  return h("details", { class: "hit", on: { toggle: () => { body.textContent ||= JSON.stringify(product, null, 2); } } },
    h("summary", {}, title), body);
}
