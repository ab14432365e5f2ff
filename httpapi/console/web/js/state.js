// Texts, colours and shapes for the status and the phase of a job.

import { h, svg } from "./dom.js";
import { ended } from "./stream.js";

export const phases = ["pending", "open", "begin", "load", "seal", "commit"];
const backPhases = ["pending", "begin", "seal", "commit"];

// goesBack reports whether a job is a rollback.
export function goesBack(job) { return job.mode === "ROLLBACK"; }

// phasesOf returns the phases that a job passes through.
export function phasesOf(job) { return goesBack(job) ? backPhases : phases; }

export const phaseNames = {
  pending: "Wait", open: "Open source", begin: "Open index", load: "Load", seal: "Complete and check", commit: "Switch over",
};

const doing = {
  pending: "Waiting for its turn", open: "Opening the source", begin: "Opening a new index", load: "Loading products",
  seal: "Completing and checking the new index", commit: "Switching searches over",
};
const goingBack = {
  pending: "Waiting for its turn", begin: "Opening the kept index", seal: "Applying edits to the kept index",
  commit: "Switching searches back",
};

// outcome returns the kind and the name of a job's status.
export function outcome(job) {
  switch (job.status) {
    case "PENDING": return ["waiting", "Waiting"];
    case "SUCCESS": return job.dryRun ? ["good", "Checked"] : ["good", "Succeeded"];
    case "FAILURE": return /cancelled/.test(job.message ?? "") ? ["stopped", "Cancelled"] : ["bad", "Failed"];
    default: return ["running", "Running"];
  }
}

const marks = {
  good: "M4.5 8.5l2.5 2.5 5-6", bad: "M5 5l6 6M11 5l-6 6", stopped: "M5 8h6", waiting: "M8 4.5V8l2.5 1.5", running: "M6 4.5v7l5.5-3.5z",
};

// badge shows a job's status by a colour, a shape and a word.
export function badge(job) {
  const [kind, name] = outcome(job);
  return h("span", { class: `badge ${kind}` },
    svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: marks[kind] })), name);
}

// sentence returns the headline of a job.
export function sentence(job) {
  if (!ended(job)) return (goesBack(job) ? goingBack : doing)[job.phase] ?? "Running";
  if (job.status === "SUCCESS" && goesBack(job)) return "The kept index is live again";
  if (job.status === "SUCCESS") return job.dryRun ? "The new index was checked and discarded" : "The new index is live";
  return outcome(job)[0] === "stopped" ? "The run was cancelled" : `Failed: ${(phaseNames[job.phase] ?? "run").toLowerCase()}`;
}

// done returns the number of products that were indexed, rejected or found to be duplicates.
export function done(job) {
  return (job.processedCount ?? 0) + (job.rejectedCount ?? 0) + (job.duplicateCount ?? 0);
}

// fraction returns the progress of a job from 0 to 1, or undefined.
export function fraction(job) {
  if (job.progress !== undefined) return job.progress;
  if (job.status === "SUCCESS") return 1;
  return job.expectedCount > 0 ? Math.min(1, done(job) / job.expectedCount) : undefined;
}

// entity describes a job that is not a plain reindex of products. It is empty otherwise.
export function entity(job) {
  const type = job.rag ? `${job.entityType} for retrieval` : job.entityType === "PRODUCT" ? "" : job.entityType;
  return [goesBack(job) ? "Rollback" : job.dryRun ? "Dry run" : "", type].filter(Boolean).join(", ");
}
