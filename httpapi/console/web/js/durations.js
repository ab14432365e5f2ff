// The durations of a job's phases, compared with the previous run.

import { cell, h, head, row, setText, svg, table } from "./dom.js";
import { change, count, duration, moment, rate } from "./format.js";
import { released } from "./poll.js";
import { averageOf } from "./speed.js";
import { goesBack, phaseNames, phases } from "./state.js";
import { ended } from "./stream.js";

export function durations(context) {
  const { app, tenant } = context;
  const heading = h("h2", { id: "times-heading", text: "Durations" });
  const note = h("p", { class: "hint" });
  const body = h("div", {});
  const element = h("section", { class: "card", "aria-labelledby": "times-heading", hidden: true }, heading, note, body);
  let shown = "";

  async function show(job) {
    if (!ended(job) || !job.durations || shown === job.id) return;
    shown = job.id;
    element.hidden = false;
    draw(job);
    if (goesBack(job)) return;
    const others = ["dryRun", "mode"].filter((field) => app.api.takes("ReindexJob", field)).map((field) => `${field}:missing`);
    try {
      const [before] = (await app.api.page(`${tenant}/reindex-jobs`, { pageSize: 1, q: [
        "status:SUCCESS", ...others, `entityType:${JSON.stringify(job.entityType)}`, `rag:${job.rag ? "exists" : "missing"}`,
        `metadata.createdAt:<"${job.metadata.createdAt}"`].join(" "),
      })).items;
      await released();
      if (!context.over && before) draw(job, before);
      else setText(note, "There is no earlier successful run to compare with.");
    } catch (error) {
      setText(note, app.failed(error));
    }
  }

  function draw(job, before) {
    const name = (phase) => `${phase}Millis`;
    const lasted = (durations, phase) => (durations?.[name(phase)] ?? 0) > 0;
    const seen = phases.filter((phase) => lasted(job.durations, phase) || lasted(before?.durations, phase));
    if (before) setText(note, `Compared with the run of ${moment(before.metadata.createdAt)}.`);
    const line = (label, now, past, show, kind) => row({ class: kind },
      head(label),
      cell("This run", { class: "number", text: show(now) }),
      before && cell("Previous run", { class: "number", text: show(past) }),
      before && cell("Difference", { class: "number", text: change(now, past) }));
    const perSecond = (n) => (n === undefined ? "–" : rate(n));
    const compared = before ? [["Previous run", "number"], ["Difference", "number"]] : [];
    body.replaceChildren(bar(job, seen), table("Durations", [["Phase"], ["This run", "number"], ...compared], [
      ...seen.map((phase) => line(phaseNames[phase], job.durations[name(phase)], before?.durations?.[name(phase)], duration)),
      line("Total", job.durations.totalMillis, before?.durations?.totalMillis, duration, "sum"),
      ...(goesBack(job) ? [] : [
        line("Products indexed", job.processedCount, before?.processedCount, count),
        line("Products rejected", job.rejectedCount, before?.rejectedCount, count),
        line("Products per second", averageOf(job), before && averageOf(before), perSecond)]),
    ], { class: "times" }));
  }

  return { element, show };
}

// bar shows the shares of the phases. The table has the same information as text.
function bar(job, seen) {
  const total = seen.reduce((sum, phase) => sum + (job.durations[`${phase}Millis`] ?? 0), 0) || 1;
  let x = 0;
  return svg("svg", { class: "shares", viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    seen.map((phase) => {
      const width = ((job.durations[`${phase}Millis`] ?? 0) / total) * 1000;
      x += width;
      return svg("rect", { class: phase, x: x - width, width, height: 10 });
    }));
}
