// Server-sent events over fetch, since EventSource cannot send a token.

const quietMillis = 45_000; // servers send a heartbeat every 15 s

// events yields the events of a body as {id, data} or {retry}, as section 9.2 of the HTML standard defines them.
export async function* events(body, onBytes) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { id: "", data: [] };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    onBytes();
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data.length > 0) yield { id: event.id, data: event.data.join("\n") };
        event = { id: event.id, data: [] };
        continue;
      }
      const [, name, text] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (name === "id") event.id = text;
      else if (name === "data") event.data.push(text);
      else if (name === "retry" && /^\d+$/.test(text)) yield { retry: Number(text) };
    }
  }
}

// follow follows a job until it ends, or until the returned function is called. It calls listener.job with each state,
// listener.lost and listener.found when the connection breaks and works again, and listener.failed if the server refuses.
// While the page is hidden it keeps no connection open, since a browser has few of them for all pages of a server.
export function follow(api, tenant, id, listener) {
  const path = `${tenant}/reindex-jobs/${id}/events`;
  const stopped = new AbortController();
  let last = "";
  let retry = 2000;

  async function once() {
    const request = new AbortController();
    const end = () => request.abort();
    let watchdog = setTimeout(end, quietMillis);
    const onBytes = () => { clearTimeout(watchdog); watchdog = setTimeout(end, quietMillis); };
    const onHidden = () => { if (document.hidden) end(); };
    stopped.signal.addEventListener("abort", end);
    document.addEventListener("visibilitychange", onHidden);
    try {
      const response = await api.fetch(path, { headers: last ? { "Last-Event-ID": last } : {}, signal: request.signal });
      if (response.status === 204) return true;
      listener.found();
      for await (const event of events(response.body, onBytes)) {
        if (event.retry) { retry = event.retry; continue; }
        last = event.id;
        const job = JSON.parse(event.data);
        listener.job(job);
        if (ended(job)) return true;
      }
      return false;
    } finally {
      clearTimeout(watchdog);
      request.abort();
      document.removeEventListener("visibilitychange", onHidden);
    }
  }

  async function run() {
    for (let failures = 0; !stopped.signal.aborted;) {
      await visible(stopped.signal);
      let wait = retry;
      try {
        if (await once()) return;
        failures = 0;
      } catch (error) {
        if (stopped.signal.aborted) return;
        if ([401, 403, 404].includes(error.status)) return listener.failed(error);
        if (error.status === 400 && error.retryAfter) { // too many streams are open: get the job from time to time
          if (await look().catch(() => false)) return;
          wait = error.retryAfter * 1000;
        } else if (!document.hidden) {
          failures++;
          wait = Math.min(15_000, 500 * 2 ** failures) * (0.75 + Math.random() / 2);
          listener.lost(wait);
        }
      }
      await pause(wait, stopped.signal);
    }
  }

  async function look() {
    const job = await api.job(tenant, id);
    listener.found();
    listener.job(job);
    return ended(job);
  }

  run().catch((error) => { if (!stopped.signal.aborted) listener.failed(error); });
  return () => stopped.abort();
}

export function ended(job) {
  return job.status === "SUCCESS" || job.status === "FAILURE";
}

// visible waits until the page is visible.
function visible(signal) {
  if (!document.hidden) return Promise.resolve();
  return first(signal, (done) => {
    const look = () => { if (!document.hidden) done(); };
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  });
}

// pause waits for a time, or until the network is back.
function pause(millis, signal) {
  return first(signal, (done) => {
    const timer = setTimeout(done, millis);
    window.addEventListener("online", done);
    return () => { clearTimeout(timer); window.removeEventListener("online", done); };
  });
}

// first waits until wait calls its argument, or until the signal is aborted.
function first(signal, wait) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => { cleanUp(); signal.removeEventListener("abort", done); resolve(); };
    const cleanUp = wait(done);
    signal.addEventListener("abort", done);
  });
}
