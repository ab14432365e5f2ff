// The chart of products per second over the time of a job.

import { h, setText, svg } from "./dom.js";
import { age, missing, rate } from "./format.js";
import { done } from "./state.js";
import { ended } from "./stream.js";

const width = 640, height = 160, bottom = 22, top = 10;
const most = 400; // points; if there are more, each two become one
const window_ = 1000; // the shortest time over which a speed is measured, in milliseconds

// Series holds the speeds of a job over the server's clock, in a limited number of points.
export class Series {
  points = []; // at: milliseconds since the job was created; took: milliseconds; speed: products per second
  #from; // the start of the next point
  #step = window_;

  add(at, total) {
    if (!this.#from || total < this.#from.total) {
      this.#from = { at, total };
      return;
    }
    const took = at - this.#from.at;
    if (took < this.#step) return;
    this.points.push({ at, took, speed: ((total - this.#from.total) * 1000) / took });
    this.#from = { at, total };
    if (this.points.length > most) this.#halve();
  }

  #halve() {
    const halved = [];
    for (let i = 0; i + 1 < this.points.length; i += 2) {
      const [a, b] = [this.points[i], this.points[i + 1]];
      const took = a.took + b.took;
      halved.push({ at: b.at, took, speed: (a.speed * a.took + b.speed * b.took) / took });
    }
    this.points = halved;
    this.#step *= 2;
  }
}

export function speed() {
  const series = new Series();
  const number = h("span", {}), about = h("span", { class: "hint" });
  const now = h("p", { class: "figure" }, number, " ", about);
  const line = svg("path", { class: "line" }), area = svg("path", { class: "area" });
  const grid = svg("g", { class: "grid" });
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", preserveAspectRatio: "none" }, grid, area, line);
  const [begin, end, peak] = [h("span", {}), h("span", {}), h("span", { class: "peak" })];
  const plot = h("div", { class: "plot", hidden: true }, peak, drawing, h("div", { class: "axis", "aria-hidden": "true" }, begin, end));
  const element = h("div", { class: "speed" }, h("h3", { text: "Products per second" }), now, plot);

  function show(job) {
    const average = averageOf(job);
    const last = series.points.at(-1);
    const whole = ended(job) || !last;
    setText(number, whole ? (average === undefined ? missing : rate(average)) : rate(last.speed));
    setText(about, whole && average !== undefined ? "on average" : "");
    plot.hidden = series.points.length < 2;
    element.classList.toggle("flat", plot.hidden);
    if (!plot.hidden) draw(average);
  }

  function draw(average) {
    const { points } = series;
    const first = points[0].at - points[0].took, last = points.at(-1).at;
    const highest = Math.max(...points.map(({ speed }) => speed), 1);
    const x = (at) => (((at - first) / (last - first)) * width).toFixed(1);
    const y = (speed) => (height - bottom - (speed / highest) * (height - bottom - top)).toFixed(1);
    const way = points.map(({ at, speed }, i) => `${i ? "L" : `M0 ${y(points[0].speed)}L`}${x(at)} ${y(speed)}`).join("");
    line.setAttribute("d", way);
    area.setAttribute("d", `${way}L${width} ${height - bottom}L0 ${height - bottom}Z`);
    grid.replaceChildren(...[0, 0.5, 1].map((part) => svg("path", { d: `M0 ${y(highest * part)}H${width}` })));
    setText(peak, `peak ${rate(highest)}`);
    setText(begin, age(first));
    setText(end, age(last));
    drawing.setAttribute("aria-label", `Products per second from ${age(first)} to ${age(last)} of the job: ` +
      `${rate(points.at(-1).speed)} at the end, at most ${rate(highest)}${average === undefined ? "" : `, ${rate(average)} on average`}.`);
  }

  return {
    element, show,
    add(job) {
      if (["load", "seal"].includes(job.phase)) series.add(elapsed(job), done(job));
    },
  };
}

// elapsed returns the age of a job at its last change, by the server's clock.
function elapsed(job) {
  return new Date(job.metadata.modifiedAt) - new Date(job.metadata.createdAt);
}

// averageOf returns the average speed of the load in products per second, or undefined.
export function averageOf(job) {
  const { loadMillis, pendingMillis = 0, openMillis = 0, beginMillis = 0 } = job.durations ?? {};
  const took = loadMillis ?? (job.phase === "load" && job.metadata ? elapsed(job) - pendingMillis - openMillis - beginMillis : 0);
  return took > 0 ? (done(job) * 1000) / took : undefined;
}
