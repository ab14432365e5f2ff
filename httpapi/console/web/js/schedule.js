// The schedule of the tenant.

import { cell, h, head, hint, renew, row, table } from "./dom.js";
import { count, duration, missing, moment, relative } from "./format.js";
import { poll } from "./poll.js";

const path = "/indexing/{tenant}/schedule";
const pollMillis = 15_000;

// schedule shows the entries of the tenant's schedule. Its element is empty if the service has no endpoint for it.
export function schedule(context) {
  const { app, tenant } = context;
  if (!app.api.serves("get", path)) return { element: "", stop: () => {} };
  const list = h("div", {});
  const element = h("section", { class: "card", "aria-labelledby": "schedule-heading", hidden: true },
    h("h2", { id: "schedule-heading", text: "Schedule" }), list);

  const polling = poll(pollMillis, {
    ask: () => app.api.get(`${tenant}/schedule`),
    show,
    failed: (error) => app.failed(error), // the shown entries are still right
  });

  function show(entries) {
    element.hidden = entries.length === 0;
    renew(list, table("Schedule", [["Times"], ["Next"], ["Last"], ["Missed"]],
      entries.map((entry) => entryRow(tenant, entry)), { class: "cards stacked" }));
  }

  return { element, stop: polling.stop };
}

function entryRow(tenant, entry) {
  const late = entry.jitterSeconds > 0 ? `, up to ${duration(entry.jitterSeconds * 1000)} later` : "";
  return row({},
    head(h("code", { text: entry.cron }), hint(`${entry.timeZone}${late}`)),
    cell("Next", {}, ...at(entry.nextAt)),
    cell("Last", {}, ...at(entry.lastAt), entry.jobId && h("a", { href: `#/${tenant}/${entry.jobId}`, text: "Job" })),
    cell("Missed", { class: entry.missedCount > 0 ? "warn" : "" }, count(entry.missedCount),
      entry.lastMissedAt && hint(`the latest ${relative(entry.lastMissedAt)}`)));
}

function at(time) {
  return time ? [relative(time), hint(moment(time))] : [missing];
}
