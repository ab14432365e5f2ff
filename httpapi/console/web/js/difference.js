// What would change in searches, or has changed: the difference of a job's index to the one that was live.

import { h, setText } from "./dom.js";
import { count } from "./format.js";
import { ended } from "./stream.js";

const path = "/indexing/{tenant}/reindex-jobs/{id}/difference";
const kinds = [["added", "Added"], ["removed", "Removed"], ["changed", "Changed"]];

export function difference(context, id) {
  const { app, tenant } = context;
  const note = h("p", { class: "hint" });
  const body = h("div", { class: "differs" });
  const element = h("section", { class: "card", "aria-labelledby": "differs-heading", hidden: true },
    h("h2", { id: "differs-heading", text: "Difference to the live index" }), note, body);
  let asked = false;

  async function show(job) {
    if (asked || !ended(job) || !job.dryRun || !app.api.serves("get", path)) return;
    asked = true;
    element.hidden = false;
    try {
      const found = await app.api.get(`${tenant}/reindex-jobs/${id}/difference`);
      body.replaceChildren(...kinds.filter(([kind]) => found[kind] !== undefined).map(([kind, name]) => kindView(name, found[kind])));
    } catch (error) {
      setText(note, app.failed(error));
    }
  }

  return { element, show };
}

function kindView(name, { count: number = 0, ids = [] }) {
  return h("div", {}, h("h3", { text: `${name}: ${count(number)}` }),
    ids.length > 0 ? h("ul", { class: "ids" }, ids.map((id) => h("li", { text: id }))) : null,
    ids.length < number ? h("p", { class: "hint", text: `and ${count(number - ids.length)} more` }) : null);
}
