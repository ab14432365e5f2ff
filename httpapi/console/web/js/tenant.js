// The view of one tenant: its actions, a job, and the history.

import { actions } from "./actions.js";
import { h } from "./dom.js";
import { edits } from "./edits.js";
import { generations } from "./generations.js";
import { history } from "./history.js";
import { jobPanel } from "./job.js";
import { pace } from "./pace.js";
import { learnScopes } from "./rights.js";
import { schedule } from "./schedule.js";
import { searchBox } from "./search.js";

export function showTenant(app, tenant, jobId) {
  app.place([["Tenants", "#/"], [tenant, `#/${tenant}`]]);
  const context = { app, tenant, scopes: null, over: false };

  const panel = jobPanel(context, {
    state: (job) => past.update(job),
    ended() {
      past.reload();
      indexes.reload();
    },
  });
  const past = history(context, {
    select: (job) => { location.hash = `#/${tenant}/${job.id}`; },
    newest: (job) => { if (!selected) panel.show(job?.id ?? ""); buttons.know(job); },
  });
  const buttons = actions(context, { started });
  const indexes = generations(context, { started });
  const [limits, edited, planned] = [pace(context), edits(context), schedule(context)];
  let selected = jobId; // empty: the newest job

  function started(job) {
    selected = "";
    window.history.replaceState(null, "", `#/${tenant}`);
    panel.show(job.id);
    past.mark(job.id);
    past.reload();
    window.scrollTo(0, 0);
  }

  function onJob(event) {
    selected = event.detail;
    panel.show(selected || past.newestId());
    past.mark(selected || past.newestId());
    app.main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }

  app.main.replaceChildren(
    h("div", { class: "heading" }, h("h1", { text: tenant }), buttons.element),
    buttons.message,
    app.api.canSearch ? searchBox(context) : "",
    panel.element, indexes.element, edited.element, limits.element, planned.element, past.element);
  window.addEventListener("job", onJob);
  learnScopes(context, () => {
    buttons.update();
    limits.update();
    indexes.update();
  });
  if (selected) panel.show(selected);
  return () => {
    context.over = true;
    window.removeEventListener("job", onJob);
    panel.stop();
    past.stop();
    limits.stop();
    indexes.stop();
    edited.stop();
    planned.stop();
  };
}
