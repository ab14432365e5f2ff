// The view of one job, in progress or ended.

import { ask } from "./ask.js";
import { difference } from "./difference.js";
import { h, setText } from "./dom.js";
import { durations } from "./durations.js";
import { facts } from "./facts.js";
import { count, left, moment, percent, relative, things } from "./format.js";
import { rejections } from "./rejections.js";
import { released } from "./poll.js";
import { mayManage, noScope } from "./rights.js";
import { speed } from "./speed.js";
import { badge, done, entity, fraction, goesBack, outcome, phaseNames, phasesOf, sentence } from "./state.js";
import { ended, follow } from "./stream.js";

// jobPanel shows the job of the latest call of show, until stop is called. It calls on.state with each state of the job,
// and on.ended when a job ends while it is shown.
export function jobPanel(context, on) {
  const { app, tenant } = context;
  const element = h("section", { class: "job", "aria-label": "Job" });
  let id = "", stop = () => {};

  function show(wanted) {
    if (wanted === id && (id || element.hasChildNodes())) return;
    stop();
    id = wanted;
    stop = () => {};
    if (!id) {
      element.replaceChildren(h("div", { class: "card empty" },
        h("p", { text: "This tenant has not been reindexed yet." })));
      return;
    }
    const view = jobView(context, id);
    element.replaceChildren(...view.elements);
    let running = false;
    const unfollow = follow(app.api, tenant, id, {
      job(job) {
        view.show(job);
        on.state(job);
        if (ended(job) && running) on.ended();
        running = !ended(job);
      },
      lost: () => app.banner("The connection was lost. Reconnecting…"),
      found: () => app.banner(),
      failed(error) {
        const words = app.failed(error);
        if (error.status === 404) element.replaceChildren(h("p", { class: "card empty", text: words }));
        else if (error.status !== 401) app.banner(words);
      },
    });
    stop = () => { unfollow(); view.stop(); };
  }

  return { element, show, stop: () => stop() };
}

// jobView makes the elements for one job and shows its states in them.
function jobView(context, id) {
  const { app, tenant } = context;
  const state = h("span", {});
  const headline = h("h2", { text: "Loading…" });
  const about = h("p", { class: "hint" });
  const numbers = h("p", { class: "progress-text" });
  const bar = h("progress", { max: 1, "aria-label": "Progress" });
  const steps = h("ol", { class: "steps", "aria-label": "Phases" });
  const message = h("p", { class: "note bad", hidden: true });
  const cancel = h("button", { type: "button", class: "danger", text: "Cancel run…", hidden: true, on: { click: onCancel } });
  const cancelNote = h("p", { class: "hint", id: "cancel-note", hidden: true });
  const sections = [speed(), facts(), rejections(context, id), difference(context, id), durations(context)];
  const [chart, figures, rejected, differs, times] = sections;
  const split = h("div", { class: "split" }, chart.element, figures.element);
  let latest, drawing = false, stopped = false, announced = "";

  async function onCancel() {
    const sure = await ask({ title: "Cancel this run?", yes: "Cancel run",
      text: `${goesBack(latest) ? "" : "The loaded products are discarded. "}Searches keep using the current index.` });
    if (!sure) return;
    cancel.disabled = true;
    say("Cancelling…");
    try {
      await app.api.delete(`${tenant}/reindex-jobs/${id}`);
    } catch (error) {
      cancel.disabled = false;
      say(error.status === 409 ? "The run had already ended." : app.failed(error));
    }
  }

  function say(text) {
    setText(cancelNote, text);
    cancelNote.hidden = !text;
  }

  // drawSoon shows the latest state in the next frame, since states may come faster than frames.
  async function drawSoon() {
    if (drawing) return;
    drawing = true;
    await released();
    await new Promise(requestAnimationFrame);
    drawing = false;
    if (!stopped) draw();
  }

  function draw() {
    const job = latest, over = ended(job), part = fraction(job);
    state.replaceChildren(badge(job));
    setText(headline, sentence(job));
    const started = job.metadata?.createdAt;
    setText(about, [entity(job), `Started ${relative(started)}, ${moment(started)}`, `Job ${job.id}`].filter(Boolean).join(" · "));
    setText(numbers, counted(job, over, part));
    split.hidden = goesBack(job); // a rollback loads nothing
    if (part === undefined) bar.removeAttribute("value");
    else bar.value = part;
    bar.hidden = over;
    drawSteps(job, over);
    message.hidden = !job.message || outcome(job)[0] === "stopped"; // the headline has the same text
    setText(message, job.message ?? "");
    cancel.hidden = over;
    if (!cancel.hidden && !mayManage(context)) { cancel.disabled = true; say(noScope); }
    if (over) say("");
    for (const section of sections) section.show(job);
    announce(job, over, part);
  }

  function counted(job, over, part) {
    if (goesBack(job)) return `${things(job.changesApplied, "edit")} applied`;
    if (over) return `${things(job.processedCount, "product")} indexed`;
    const expected = `${count(done(job))} of ${job.estimated ? "about " : ""}${things(job.expectedCount, "product")}`;
    return [job.expectedCount === undefined ? things(done(job), "product") : expected,
      part === undefined ? "" : percent(part),
      job.remainingSeconds === undefined ? "" : left(job.remainingSeconds)].filter(Boolean).join(" · ");
  }

  function drawSteps(job, over) {
    const phases = phasesOf(job);
    if (!steps.hasChildNodes()) steps.append(...phases.map((phase) => h("li", {}, h("span", { text: phaseNames[phase] }))));
    const at = job.status === "SUCCESS" ? phases.length : phases.indexOf(job.phase);
    [...steps.children].forEach((step, i) => {
      step.className = i < at ? "done" : i > at ? "" : over ? "failed" : "now";
      if (i === at) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
  }

  // announce reports changes to screen readers: each phase, and each tenth of the progress.
  function announce(job, over, part) {
    const key = `${job.status}.${job.phase}.${over || part === undefined ? "" : Math.floor(part * 10)}`;
    if (key === announced) return;
    announced = key;
    app.announce([sentence(job), over || part === undefined ? "" : percent(part), job.message ?? ""].filter(Boolean).join(". "));
  }

  return {
    elements: [
      h("div", { class: "card now" },
        h("div", { class: "job-head" }, h("div", {}, state, headline, about), h("div", { class: "actions" }, cancel, cancelNote)),
        numbers, bar, steps, message,
        split),
      rejected.element, differs.element, times.element,
    ],
    show(job) {
      latest = job;
      chart.add(job);
      drawSoon();
    },
    stop() {
      stopped = true;
      rejected.stop();
    },
  };
}
