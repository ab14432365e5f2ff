// Polling for views that stay up to date, and do not move while a pointer is pressed.

const clickMillis = 100; // the time from the end of a touch to its click
const pressMillis = 10_000; // a longer press is not a click

let held = Promise.resolve();
let release = () => {};

window.addEventListener("pointerdown", () => {
  release();
  held = new Promise((resolve) => { release = resolve; });
  setTimeout(release, pressMillis);
}, true);

for (const type of ["pointerup", "pointercancel"]) {
  window.addEventListener(type, () => setTimeout(release, clickMillis), true);
}

// released waits until no pointer is pressed. A click is lost if the element under the pointer moves between press and
// release, so views wait for the release before they show anything that the user has not just asked for.
export function released() { return held; }

// poll calls ask, and then show with the answer or failed with the error. While the page is visible, it calls ask again
// millis milliseconds after each answer. It returns now, which asks at once, and stop. Only the answer to the newest
// request is shown.
export function poll(millis, { ask, show, failed }) {
  let timer, latest = 0, over = false;

  async function now() {
    if (over) return;
    clearTimeout(timer);
    const mine = ++latest;
    const draw = await ask().then((answer) => () => show(answer), (error) => () => failed(error));
    await released();
    if (over || mine !== latest) return;
    timer = setTimeout(again, millis);
    draw();
  }

  function again() {
    if (document.hidden) timer = setTimeout(again, millis);
    else now();
  }

  now();
  return { now, stop() { over = true; clearTimeout(timer); } };
}
