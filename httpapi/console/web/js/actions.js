// The buttons that start a reindex or a dry run of a tenant.

import { h } from "./dom.js";
import { mayManage, noScope } from "./rights.js";

// actions makes the buttons. It calls on.started with a job that was started or joined.
export function actions(context, on) {
  const { app, tenant } = context;
  const reason = h("p", { class: "hint", id: "no-scope", hidden: true, text: noScope });
  const message = h("p", { class: "note", role: "alert", hidden: true });
  const types = h("select", { "aria-label": "Entity type", hidden: true });
  const buttons = [button("Reindex", "primary", () => start({}))];
  if (app.api.takes("ReindexJobCreation", "dryRun")) buttons.unshift(button("Dry run", "", dryRun));

  function button(text, kind, act) {
    return h("button", { type: "button", class: kind, text, on: { click: () => run(act) } });
  }

  // run carries out one action at a time, and shows the reason if it fails.
  async function run(act) {
    if (context.busy) return;
    context.busy = true;
    say("");
    try {
      await act();
    } catch (error) {
      say(app.failed(error), "bad");
    } finally {
      context.busy = false;
    }
  }

  function say(text, kind = "") {
    message.textContent = text;
    message.className = `note ${kind}`;
    message.hidden = !text;
  }

  async function start(options) {
    const [entityType, rag] = (types.value || "PRODUCT").split("|");
    const body = { entityType, ...(rag ? { rag: true } : {}), ...options };
    const job = await app.api.post(`${tenant}/reindex-jobs`, body);
    app.announce(options.dryRun ? "The dry run was started." : "The reindex was started.");
    on.started(job);
  }

  // dryRun also asks for the difference from the live index. Not every index can be compared, so it tries again without
  // the difference if the request is refused.
  async function dryRun() {
    if (app.api.takes("ReindexJobCreation", "difference")) {
      try {
        return await start({ dryRun: true, difference: true });
      } catch (error) {
        if (error.status !== 400 || error.retryAfter) throw error;
      }
    }
    return start({ dryRun: true });
  }

  function update() {
    const may = mayManage(context);
    reason.hidden = may;
    for (const each of [...buttons, types]) {
      each.disabled = !may;
      if (may) each.removeAttribute("aria-describedby");
      else each.setAttribute("aria-describedby", "no-scope");
    }
  }

  return {
    element: h("div", { class: "actions" }, types, buttons, reason),
    message,
    update,
    // know offers the entity type of a job in the list of types.
    know(job) {
      if (!job) return;
      const value = `${job.entityType}|${job.rag ? "rag" : ""}`;
      for (const each of new Set(["PRODUCT|", value])) {
        if ([...types.options].some((option) => option.value === each)) continue;
        types.append(h("option", { value: each, text: each.replace(/\|$/, "").replace("|rag", " for retrieval") }));
      }
      types.hidden = types.options.length < 2;
    },
  };
}
