// The limits on reading the tenant's products, and the pause.

import { h, setText } from "./dom.js";
import { bytes, things } from "./format.js";
import { poll } from "./poll.js";
import { mayManage, noScope } from "./rights.js";

const path = "/indexing/{tenant}/throttle";
const pollMillis = 5000;

// pace shows the limits. Users with the right scope can change them. Its element is empty if the service has no endpoint
// for limits.
export function pace(context) {
  const { app, tenant } = context;
  if (!app.api.serves("get", path)) return { element: "", update: () => {}, stop: () => {} };
  const words = h("p", {}), note = h("p", { class: "hint", role: "status" });
  const speed = h("input", { id: "speed", type: "number", min: 0, step: "any", inputmode: "decimal", placeholder: "No limit" });
  const save = h("button", { type: "submit", text: "Set limit" });
  const pause = h("button", { type: "button", text: "Pause", on: { click: () => set({ paused: !limits.paused }) } });
  const element = h("section", { class: "card", "aria-labelledby": "pace-heading", hidden: true },
    h("div", { class: "heading" },
      h("div", {}, h("h2", { id: "pace-heading", text: "Pace" }), words, note),
      h("form", { class: "actions", on: { submit: onSubmit } },
        h("label", { for: "speed", text: "Products per second" }), speed, save, pause)));
  let limits = {}, written = ""; // the shown speed; the input differs from it while the user edits

  // Other users may also change the limits.
  const polling = poll(pollMillis, {
    ask: () => app.api.get(`${tenant}/throttle`),
    show,
    failed: (error) => app.failed(error),
  });

  function onSubmit(event) {
    event.preventDefault();
    written = speed.value;
    set({ documentsPerSecond: Number(speed.value) });
  }

  async function set(changed) {
    try {
      show(await app.api.put(`${tenant}/throttle`, { ...limits, ...changed }));
      polling.now(); // an answer that is under way may still have the old limits
      app.announce(words.textContent);
    } catch (error) {
      setText(note, app.failed(error));
    }
  }

  function show(now) {
    limits = now;
    const { documentsPerSecond: documents, bytesPerSecond: size, paused, window: hours } = now;
    const parts = [documents > 0 && `at most ${things(documents, "product")} per second`, size > 0 && `at most ${bytes(size)} per second`,
      hours && `only from ${hours.from} to ${hours.to}, ${hours.timeZone}`].filter(Boolean);
    const limited = parts.length > 0 ? `Products are read ${parts.join(", ")}.` : "Products are read as fast as the index accepts them.";
    setText(words, paused ? "Paused: nothing is read until you resume." : limited);
    setText(pause, paused ? "Resume" : "Pause");
    if (speed.value === written) speed.value = documents || "";
    written = String(documents || "");
    element.classList.toggle("paused", Boolean(paused));
    element.hidden = false;
    update();
  }

  function update() {
    const may = mayManage(context);
    for (const each of [speed, save, pause]) each.disabled = !may;
    if (!may) setText(note, noScope);
  }

  return { element, update, stop: polling.stop };
}
