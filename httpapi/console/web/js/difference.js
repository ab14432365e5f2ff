// The difference between a job's index and the live one.

import { h, hint, setText } from "./dom.js";
import { count } from "./format.js";
import { released } from "./poll.js";
import { ended } from "./stream.js";

const path = "/indexing/{tenant}/reindex-jobs/{id}/difference";
const kinds = [["added", "Added"], ["removed", "Removed"], ["changed", "Changed"]];
const most = 100; // products shown per kind

export function difference(context, id) {
  const { app, tenant } = context;
  const note = h("p", { class: "hint" });
  const body = h("div", { class: "differs" });
  const element = h("section", { class: "card", "aria-labelledby": "differs-heading", hidden: true },
    h("h2", { id: "differs-heading", text: "Difference from the live index" }), note, body);
  let asked = false;

  async function show(job) {
    if (asked || !ended(job) || !job.dryRun || !app.api.serves("get", path)) return;
    asked = true;
    try {
      const found = await app.api.get(`${tenant}/reindex-jobs/${id}/difference`);
      await released();
      const edited = `products edited during the run, which are not compared: ${count(found.editedCount)}`;
      const parts = [`Products that are the same in both: ${count(found.unchangedCount)}`, found.editedCount > 0 && edited];
      setText(note, parts.filter(Boolean).join("; ") + ".");
      body.replaceChildren(...kinds.map(([kind, name]) => kindView(name, found[`${kind}Count`], found[kind])));
      element.hidden = false;
    } catch (error) {
      element.hidden = error.status === 404; // nothing was compared
      if (!element.hidden) setText(note, app.failed(error));
    }
  }

  return { element, show };
}

// kindView shows some products of a kind. A product is an id, or {id, fields} with the fields that differ.
function kindView(name, number, products) {
  const shown = products.slice(0, most);
  return h("div", {}, h("h3", {}, name, " ", h("span", { class: "figure", text: count(number) })),
    shown.length > 0 && h("ul", { class: "ids", tabindex: "0", "aria-label": `${name} products` },
      shown.map((product) => h("li", {}, product.id ?? product,
        product.fields?.length > 0 && hint(` ${product.fields.join(", ")}`)))),
    shown.length < number && shown.length > 0 && h("p", { class: "hint", text: `and ${count(number - shown.length)} more` }));
}
