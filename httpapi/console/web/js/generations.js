// The live index and the kept ones, with buttons to roll back.

import { ask } from "./ask.js";
import { cell, h, head, hint, renew, row, setText, table } from "./dom.js";
import { bytes, count, missing, moment, relative, things } from "./format.js";
import { poll } from "./poll.js";
import { mayManage } from "./rights.js";

const listPath = "/indexing/{tenant}/generations";
const rollbackPath = "/indexing/{tenant}/rollback";
const pollMillis = 15_000;

// generations shows these indexes. It calls on.started with the job of a rollback. Its element is empty if the service
// has no endpoint for generations.
export function generations(context, on) {
  const { app, tenant } = context;
  if (!app.api.serves("get", listPath)) return { element: "", update: () => {}, reload: () => {}, stop: () => {} };
  const list = h("div", {});
  const note = h("p", { class: "note bad", role: "alert", hidden: true });
  const element = h("section", { class: "card", "aria-labelledby": "generations-heading", hidden: true },
    h("h2", { id: "generations-heading", text: "Indexes" }), note, list);
  let known = [], busy = false;

  const polling = poll(pollMillis, {
    ask: () => app.api.get(`${tenant}/generations`),
    show(all) {
      known = all;
      draw();
    },
    failed(error) {
      if (error.status === 401) app.failed(error);
      else if (known.length === 0) element.hidden = true; // there is nothing to show
    },
  });

  function draw() {
    element.hidden = known.length === 0;
    renew(list, table("Indexes", [["Filled"], ["Live"], ["Products", "number"], ["Size", "number"], ["Rollback", "number"]],
      known.map(generationRow), { class: "cards stacked" }));
  }

  function generationRow(each) {
    const may = mayManage(context) && app.api.serves("post", rollbackPath);
    const button = h("button", {
      type: "button", text: "Roll back…", disabled: !may, "aria-describedby": may ? null : "no-scope",
      on: { click: () => rollBack(each) },
    });
    return row({ key: each.name },
      head(relative(each.createdAt), hint(each.createdAt ? moment(each.createdAt) : each.name),
        each.jobId && h("a", { href: `#/${tenant}/${each.jobId}`, text: "Job" })),
      cell("Live", {}, liveView(each)),
      cell("Products", { class: "number", text: count(each.documents) }),
      cell("Size", { class: "number", text: bytes(each.bytes) }),
      cell("Rollback", { class: each.live ? "number none" : "number" }, each.live ? "" : button));
  }

  function liveView({ live, replacedAt }) {
    if (live) return h("span", { class: "badge good", text: "Live now" });
    return replacedAt ? [`until ${relative(replacedAt)}`, hint(moment(replacedAt))] : missing;
  }

  async function rollBack({ name, createdAt, documents }) {
    const index = createdAt ? `of ${moment(createdAt)}` : name;
    const holds = documents === undefined ? "" : ` with ${things(documents, "product")}`;
    const sure = await ask({ title: `Roll ${tenant} back?`, yes: "Roll back", text: [
      `Searches switch to the index ${index}${holds} in one step. Edits accepted since then are applied to it first.`,
      "The current index is kept, so that you can return to it.",
    ].join(" ") });
    if (!sure || busy) return;
    busy = true;
    setText(note, "");
    note.hidden = true;
    try {
      const job = await app.api.post(`${tenant}/rollback`, { generation: name });
      app.announce("The rollback was started.");
      on.started(job);
    } catch (error) {
      setText(note, app.failed(error));
      note.hidden = false;
    } finally {
      busy = false;
    }
  }

  return { element, update: draw, reload: polling.now, stop: polling.stop };
}
