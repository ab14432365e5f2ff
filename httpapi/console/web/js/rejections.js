// The rejected products, grouped by reason.

import { cell, h, head, renew, row, setText, table } from "./dom.js";
import { count } from "./format.js";
import { released } from "./poll.js";
import { ended } from "./stream.js";

const most = 1000; // products in the list; by default the service lists 100 per job
const first = 20; // products of a group that are shown without a click
const pollMillis = 2000;

export function rejections(context, id) {
  const { app, tenant } = context;
  const heading = h("h2", { id: "rejected-heading", text: "Rejected products" });
  const note = h("p", { class: "hint" });
  const list = h("div", { class: "groups" });
  const element = h("section", { class: "card", "aria-labelledby": "rejected-heading", hidden: true }, heading, note, list);
  let latest = {}, known = "", loading = false, timer, due = 0, groups = [];
  const whole = new Set(); // the reasons of groups that show all their products

  // state changes when the list may change. Places are known only at the end of a run.
  const state = () => `${latest.rejectedCount ?? 0} ${ended(latest)}`;

  function show(job) {
    latest = job;
    element.hidden = !(job.rejectedCount > 0);
    setText(heading, `Rejected products: ${count(job.rejectedCount)}`);
    loadIfNew();
  }

  function loadIfNew() {
    if (context.over || loading || state() === known || !(latest.rejectedCount > 0)) return;
    clearTimeout(timer);
    timer = setTimeout(load, ended(latest) ? 0 : Math.max(0, due - performance.now()));
  }

  async function load() {
    const loaded = state(), number = latest.rejectedCount;
    loading = true;
    try {
      const { items, rejected } = await app.api.page(`${tenant}/reindex-jobs/${id}/failures`, { pageSize: most });
      await released();
      draw(items, Math.max(rejected || 0, number));
    } catch (error) {
      setText(note, app.failed(error));
    }
    known = loaded;
    due = performance.now() + pollMillis;
    loading = false;
    loadIfNew();
  }

  function draw(items, all) {
    groups = group(items);
    const inGroups = groups.length === 1 ? "in one group" : `in ${groups.length} groups`;
    setText(note, items.length < all ? `The first ${count(items.length)} are listed, ${inGroups}.` : "");
    drawGroups();
  }

  function drawGroups() {
    const fresh = !list.hasChildNodes();
    renew(list, groups.map((each, i) => groupView(each, fresh && i === 0)));
  }

  function groupView({ reason, items }, open) {
    const alike = items.every((item) => item.reason === reason);
    const placed = items.some((item) => item.where); // places are looked up at the end of a run
    const columns = [["Product"], ...(placed ? [["Place"]] : []), ...(alike ? [] : [["Reason"]])];
    const rest = whole.has(reason) ? 0 : items.length - first;
    const line = (item, i) => row({ key: item.id, tabindex: whole.has(reason) && i === first ? "-1" : null },
      head(item.id),
      placed && cell("Place", { class: item.where ? "place" : "place none", text: item.where ?? "" }),
      alike ? null : cell("Reason", { text: item.reason }));
    return h("details", { open, key: reason },
      h("summary", {}, h("span", { class: "count", text: count(items.length) }), " ", h("span", { text: reason })),
      table(reason, columns, (rest > 0 ? items.slice(0, first) : items).map(line), { class: "cards" }),
      rest > 0 && h("button", { type: "button", class: "quiet", text: `Show ${count(rest)} more`, on: { click: () => {
        whole.add(reason);
        drawGroups();
        [...list.children].find(({ dataset }) => dataset.key === reason).querySelector("[tabindex]").focus();
      } } }));
  }

  return { element, show, stop: () => clearTimeout(timer) };
}

// group groups products by their reasons, ignoring numbers and quoted names in them. The largest group comes first.
export function group(items) {
  const groups = new Map();
  for (const item of items) {
    const key = item.reason.replace(/"[^"]*"|'[^']*'|`[^`]*`|\d+/g, "…");
    const found = groups.get(key);
    if (found) found.items.push(item);
    else groups.set(key, { reason: item.reason, items: [item] });
  }
  return [...groups.values()].sort((a, b) => b.items.length - a.items.length);
}
