// The index that is live and those before it that are kept, and the way back to them.

import { ask } from "./ask.js";
import { cell, h, row, setText, table } from "./dom.js";
import { bytes, count, missing, moment, relative } from "./format.js";
import { mayManage } from "./rights.js";

const listPath = "/indexing/{tenant}/generations";
const rollbackPath = "/indexing/{tenant}/rollback";
const pollMillis = 15_000;

// generations shows them. on.started is called with the job that goes back. It is empty if the service keeps none.
export function generations(context, on) {
  const { app, tenant } = context;
  if (!app.api.serves("get", listPath)) return { element: "", update: () => {}, reload: () => {}, stop: () => {} };
  const list = h("div", {});
  const note = h("p", { class: "note bad", role: "alert", hidden: true });
  const element = h("section", { class: "card", "aria-labelledby": "generations-heading", hidden: true },
    h("h2", { id: "generations-heading", text: "Indexes" }), note, list);
  let timer, shown = "", busy = false;

  async function load() {
    clearTimeout(timer);
    try {
      if (!document.hidden) show(await app.api.get(`${tenant}/generations`));
    } catch (error) {
      if (error.status === 401) app.failed(error);
      else if (!shown) element.hidden = true; // the tenant's index keeps none
    }
    if (!context.over) timer = setTimeout(load, pollMillis);
  }

  function show(all) {
    if (busy) return; // the focus is to go back to the button that asked
    element.hidden = all.length === 0;
    const key = JSON.stringify(all);
    if (key === shown && element.contains(document.activeElement)) return; // only ages have changed
    shown = key;
    const focused = document.activeElement?.closest?.("tr")?.dataset.name;
    list.replaceChildren(table("Indexes", [["Filled"], ["Live"], ["Products", "number"], ["Size", "number"], ["Way back", "number"]],
      all.map((each) => generationRow(each)), { class: "cards stacked" }));
    update();
    if (focused) list.querySelector(`tr[data-name="${CSS.escape(focused)}"] button`)?.focus();
  }

  function generationRow(each) {
    const button = h("button", { type: "button", text: "Roll back…", on: { click: () => rollBack(each) } });
    return row({ "data-name": each.name },
      h("th", { role: "rowheader", scope: "row" }, relative(each.createdAt), h("span", { class: "hint", text: each.createdAt ? moment(each.createdAt) : each.name }),
        each.jobId && h("a", { href: `#/${tenant}/${each.jobId}`, text: "its job" })),
      cell("Live", {}, each.live ? h("span", { class: "badge good", text: "Live now" }) : each.replacedAt ? `until ${relative(each.replacedAt)}` : missing,
        !each.live && each.replacedAt && h("span", { class: "hint", text: moment(each.replacedAt) })),
      cell("Products", { class: "number", text: count(each.documents) }),
      cell("Size", { class: "number", text: bytes(each.bytes) }),
      cell("Way back", { class: each.live ? "number none" : "number" }, each.live ? "" : button));
  }

  async function rollBack({ name, createdAt, documents }) {
    if (busy) return;
    busy = true;
    setText(note, "");
    note.hidden = true;
    try {
      const sure = await ask({ title: `Roll ${tenant} back?`, yes: "Roll back", text: [
        `Searches go back to the index ${createdAt ? `of ${moment(createdAt)}` : name}${documents === undefined ? "" : ` with ${count(documents)} products`},`,
        "in one step. Edits that were accepted since are carried into it first. The index that is live now is kept, and the next reindex goes forward again.",
      ].join(" ") });
      if (!sure) return;
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

  function update() {
    const may = mayManage(context) && app.api.serves("post", rollbackPath);
    for (const button of list.querySelectorAll("button")) {
      button.disabled = !may;
      if (may) button.removeAttribute("aria-describedby");
      else button.setAttribute("aria-describedby", "no-scope");
    }
  }

  load();
  return { element, update, reload: load, stop: () => clearTimeout(timer) };
}
