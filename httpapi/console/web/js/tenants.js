// The list of tenants that the token may see, each with its newest job.

import { cell, h, head, hint, renew, row, table } from "./dom.js";
import { count, duration, moment, percent, relative } from "./format.js";
import { poll } from "./poll.js";
import { badge, fraction } from "./state.js";
import { ended } from "./stream.js";

const pageSize = 50;
const pollMillis = 4000;
const grammar = /^[a-z][a-z0-9]{2,15}$/;
const columns = [["Tenant"], ["State"], ["Products", "number"], ["Rejected", "number"], ["Took", "number"], ["Started", "number"]];

export function showTenants(app) {
  app.place([["Tenants", "#/"]]);
  const starts = [""]; // the tenant before each page, up to the current one

  const filter = h("input", { type: "search", id: "filter", autocomplete: "off", spellcheck: "false", autocapitalize: "none",
    maxlength: 16, placeholder: "Name begins with…", on: { input: () => { starts.length = 1; polling.now(); } } });
  const list = h("div", { class: "list" }, h("p", { class: "hint", text: "Loading…" }));
  const previous = h("button", { type: "button", text: "Previous", on: { click: () => { starts.pop(); polling.now(); } } });
  const next = h("button", { type: "button", text: "Next", on: { click: () => { starts.push(next.value); polling.now(); } } });
  const pager = h("nav", { class: "pager", "aria-label": "Pages of tenants", hidden: true }, previous, next);

  const polling = poll(pollMillis, {
    async ask() {
      const prefix = filter.value.trim().toLowerCase();
      return [await app.api.tenants({ prefix, after: starts.at(-1), pageSize: pageSize + 1 }), prefix];
    },
    show([tenants, prefix]) {
      app.banner();
      show(tenants, prefix);
    },
    failed: (error) => app.banner(`${app.failed(error)} Trying again…`),
  });

  function show(tenants, prefix) {
    const page = tenants.slice(0, pageSize);
    previous.disabled = starts.length === 1;
    next.disabled = tenants.length <= pageSize;
    next.value = page.at(-1)?.tenant ?? "";
    pager.hidden = previous.disabled && next.disabled;
    const none = prefix ? `No tenant that you may see begins with “${prefix}”.` : "There are no tenants with jobs yet.";
    const shown = page.length > 0 ? table("Tenants", columns, page.map(tenantRow), { class: "cards" })
      : h("p", { class: "empty", text: none });
    const unlisted = grammar.test(prefix) && !page.some(({ tenant }) => tenant === prefix);
    renew(list, shown, unlisted ? h("p", {}, h("a", { href: `#/${prefix}`, text: `Open ${prefix}` }),
      " — tenants are listed after their first job.") : []);
  }

  app.main.replaceChildren(
    h("div", { class: "heading" }, h("h1", { text: "Tenants" }),
      h("div", { class: "field" }, h("label", { for: "filter", class: "aside", text: "Filter by name" }), filter)),
    list, pager);
  return polling.stop;
}

function tenantRow({ tenant, job }) {
  const link = h("a", { href: `#/${tenant}`, text: tenant });
  if (!job) return row({ key: tenant }, head(link), cell("State", {}, hint("No job yet")),
    ...["Products", "Rejected", "Took", "Started"].map((label) => cell(label, { class: "number none", text: "" })));
  const part = fraction(job);
  return row({ key: tenant },
    head(link),
    cell("State", {}, badge(job), !ended(job) && part !== undefined && hint(` ${percent(part)}`)),
    cell("Products", { class: "number", text: count(job.processedCount) }),
    cell("Rejected", { class: job.rejectedCount > 0 ? "number warn" : "number", text: count(job.rejectedCount) }),
    cell("Took", { class: "number", text: duration(job.durations?.totalMillis) }),
    cell("Started", { class: "number", title: moment(job.metadata?.createdAt), text: relative(job.metadata?.createdAt) }));
}
