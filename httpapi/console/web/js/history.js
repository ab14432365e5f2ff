// The history of the tenant's jobs, in pages.

import { cell, h, head, hint, renew, row, setText, table } from "./dom.js";
import { change, count, duration, missing, moment, relative } from "./format.js";
import { poll } from "./poll.js";
import { badge, entity, goesBack } from "./state.js";
import { ended } from "./stream.js";

const pageSize = 15;
const pollMillis = 5000;
const filters = [["", "All"], ["status:FAILURE", "Failed"], ["status:SUCCESS", "Succeeded"], ["rejectedCount:>0", "With rejections"]];
const base = "id,entityType,rag,status,phase,expectedCount,readCount,processedCount,rejectedCount,duplicateCount,message," +
  "durations,metadata";
const columns = [["Started"], ["Outcome"], ["Indexed", "number"], ["Rejected", "number"], ["Took", "number"], ["Change", "number"]];

// history makes the list. It calls on.select with the job that the user selects, and on.newest with the newest job.
export function history(context, on) {
  const { app, tenant } = context;
  const fields = [base, ...["dryRun", "mode"].filter((field) => app.api.takes("ReindexJob", field))].join(",");
  let page = 1, newest = "", marked = "";
  const choice = h("select", { id: "history-filter", on: { change: () => { page = 1; polling.now(); } } },
    filters.map(([value, text]) => h("option", { value, text })));
  const list = h("div", { class: "list" });
  const where = h("span", { class: "hint" });
  const previous = h("button", { type: "button", text: "Newer", on: { click: () => { page--; polling.now(); } } });
  const next = h("button", { type: "button", text: "Older", on: { click: () => { page++; polling.now(); } } });
  const pager = h("nav", { class: "pager", "aria-label": "Pages of the history", hidden: true }, previous, where, next);
  const element = h("section", { class: "card", "aria-labelledby": "history-heading" },
    h("div", { class: "heading" }, h("h2", { id: "history-heading", text: "History" }),
      h("div", { class: "field" }, h("label", { for: "history-filter", class: "aside", text: "Filter the history" }), choice)),
    list, pager);

  const polling = poll(pollMillis, {
    async ask() {
      const get = (part) => app.api.page(`${tenant}/reindex-jobs`, { q: choice.value, fields, ...part });
      const { items, total } = await get({ pageNumber: page, pageSize });
      // The job after the page, with which the last one is compared.
      const last = page * pageSize;
      const [after] = last < total ? (await get({ pageNumber: last + 1, pageSize: 1 })).items : [];
      return [items, after, total];
    },
    show: (answer) => draw(...answer),
    failed(error) {
      const words = app.failed(error);
      if (!list.hasChildNodes()) renew(list, h("p", { class: "note bad", text: words }));
    },
  });

  function draw(jobs, after, total) {
    if (page === 1 && choice.value === "") {
      newest = jobs[0]?.id ?? "";
      marked ||= newest;
      on.newest(jobs[0]);
    }
    const pages = Math.ceil(total / pageSize);
    previous.disabled = page <= 1;
    next.disabled = page >= pages;
    pager.hidden = pages <= 1;
    setText(where, `${count((page - 1) * pageSize + 1)} to ${count((page - 1) * pageSize + jobs.length)} of ${count(total)}`);
    const none = choice.value ? "No job matches the filter." : "There are no jobs yet.";
    const before = (job, i) => [...jobs.slice(i + 1), after].find((other) => other && alike(job, other));
    renew(list, jobs.length === 0 ? h("p", { class: "empty", text: none })
      : table("History of jobs", columns, jobs.map((job, i) => jobRow(job, before(job, i))), { class: "cards" }));
  }

  // alike reports whether the durations of two jobs can be compared.
  function alike(job, other) {
    return !goesBack(job) && !goesBack(other) && job.entityType === other.entityType && job.rag === other.rag;
  }

  function jobRow(job, before) {
    const link = h("a", { href: `#/${tenant}/${job.id}`, text: moment(job.metadata?.createdAt),
      on: { click: (event) => { event.preventDefault(); on.select(job); } } });
    const total = job.durations?.totalMillis;
    return row({ key: job.id, "aria-current": job.id === marked ? "true" : null },
      head(link, hint(` ${relative(job.metadata?.createdAt)}`), entity(job) && hint(` ${entity(job)}`)),
      cell("Outcome", {}, badge(job), job.message ? h("span", { class: "why", text: job.message }) : null),
      cell("Indexed", { class: "number", text: goesBack(job) ? missing : count(job.processedCount) }),
      cell("Rejected", { class: job.rejectedCount > 0 ? "number warn" : "number", text: goesBack(job) ? missing : count(job.rejectedCount) }),
      cell("Took", { class: "number", text: duration(total) }),
      cell("Change", { class: "number hint", text: ended(job) ? change(total, before?.durations?.totalMillis) : "" }));
  }

  return {
    element,
    reload: polling.now,
    // update shows the current counts of a job in progress.
    update(job) {
      const shown = !ended(job) && !goesBack(job) && list.querySelector(`tr[data-key="${CSS.escape(job.id)}"]`);
      if (!shown) return;
      for (const [label, text] of [["Indexed", count(job.processedCount)], ["Rejected", count(job.rejectedCount)]]) {
        setText(shown.querySelector(`td[data-label="${label}"]`), text);
      }
    },
    newestId: () => newest,
    mark(id) {
      marked = id;
      for (const each of list.querySelectorAll("tr[data-key]")) {
        if (each.dataset.key === id) each.setAttribute("aria-current", "true");
        else each.removeAttribute("aria-current");
      }
    },
    stop: polling.stop,
  };
}
