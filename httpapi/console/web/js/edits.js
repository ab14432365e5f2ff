// The edits that were accepted and are not in the live index yet, and those that the index refused.

import { cell, h, head, renew, row, setText, table } from "./dom.js";
import { count, relative } from "./format.js";
import { poll } from "./poll.js";

const path = "/indexing/{tenant}/changes";
const pollMillis = 4000;
const most = 20;

// edits shows waiting and refused edits. Its element is empty if the service has no endpoint for them.
export function edits(context) {
  const { app, tenant } = context;
  if (!app.api.serves("get", path)) return { element: "", stop: () => {} };
  const words = h("p", {}), refused = h("div", { class: "groups" });
  const element = h("section", { class: "card", "aria-labelledby": "edits-heading", hidden: true },
    h("h2", { id: "edits-heading", text: "Edits of single products" }), words, refused);

  const polling = poll(pollMillis, {
    ask: () => app.api.get(`${tenant}/changes`),
    show,
    failed(error) {
      if (error.status === 404 || error.status === 409) element.hidden = true; // nothing is live yet
      else setText(words, app.failed(error));
    },
  });

  function show({ waiting, oldest, refusals = [] }) {
    element.hidden = false;
    setText(words, waiting > 1 ? `${count(waiting)} edits are not searchable yet; the oldest was accepted ${relative(oldest)}.`
      : waiting === 1 ? `1 edit is not searchable yet; it was accepted ${relative(oldest)}.`
        : "All accepted edits are searchable.");
    const last = refusals.slice(-most).reverse();
    renew(refused, last.length === 0 ? "" : h("details", {},
      h("summary", {}, h("span", { class: "count", text: count(refusals.length) }), " refused by the index"),
      table("Refused edits", [["Product"], ["Reason"]], last.map(({ id, reason }) => row({},
        head(id), cell("Reason", { text: reason }))), { class: "cards" })));
  }

  return { element, stop: polling.stop };
}
