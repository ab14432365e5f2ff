// The figures of a job.

import { h, setText } from "./dom.js";
import { bytes, count } from "./format.js";

const figures = [
  ["Read", (job) => count(job.readCount), (job) => (job.readBytes ? bytes(job.readBytes) : "")],
  ["Indexed", (job) => count(job.processedCount)],
  ["Rejected", (job) => count(job.rejectedCount), null, (job) => job.rejectedCount > 0],
  ["Duplicates", (job) => count(job.duplicateCount), (job) => (job.conflictCount > 0 ? `${count(job.conflictCount)} differ` : ""),
    (job) => job.conflictCount > 0],
  ["Batches", (job) => count(job.batchCount)],
  ["Retries", (job) => count(job.retryCount), null, (job) => job.retryCount > 0],
  ["Batch size", (job) => bytes(job.batchBytes), () => "at most"],
  ["Concurrency", (job) => count(job.concurrency), (job) => (job.concurrency === 1 ? "batch" : "batches")],
  ["Edits applied", (job) => count(job.changesApplied), (job) => (job.changesRefused > 0 ? `${count(job.changesRefused)} refused` : ""),
    (job) => job.changesRefused > 0],
];

export function facts() {
  const rows = figures.map(([name, value, more, warns]) => {
    const [number, note] = [h("span", {}), h("span", { class: "hint" })];
    const element = h("div", {}, h("dt", { text: name }), h("dd", {}, number, " ", note));
    return { element, show(job) {
      const text = value(job);
      element.hidden = text === "–";
      setText(number, text);
      setText(note, more?.(job) ?? "");
      element.classList.toggle("warn", Boolean(warns?.(job)));
    } };
  });
  return {
    element: h("dl", { class: "facts", "aria-label": "Figures" }, rows.map(({ element }) => element)),
    show(job) { for (const row of rows) row.show(job); },
  };
}
