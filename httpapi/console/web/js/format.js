// The formats of numbers, times and sizes.

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const relation = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

export const missing = "–";

export function count(n) {
  return n === undefined || n === null ? missing : whole.format(n);
}

// things formats a number of things, such as "1 product" or "2 products".
export function things(n, thing) {
  return `${count(n)} ${thing}${n === 1 ? "" : "s"}`;
}

export function rate(perSecond) {
  return perSecond < 10 ? short.format(perSecond) : whole.format(perSecond);
}

export function percent(fraction) {
  return `${Math.floor(fraction * 100)} %`;
}

export function bytes(n) {
  if (n === undefined || n === null) return missing;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${i === 0 ? whole.format(n) : short.format(n)} ${units[i]}`;
}

// duration formats milliseconds with at most two units.
export function duration(millis) {
  if (millis === undefined || millis === null) return missing;
  if (millis < 1000) return `${Math.round(millis)} ms`;
  const seconds = millis / 1000;
  if (seconds < 60) return `${short.format(seconds)} s`;
  const all = Math.round(seconds);
  if (all < 3600) return units(all, 60, "min", 1, "s");
  if (all < 86400) return units(all, 3600, "h", 60, "min");
  return units(all, 86400, "d", 3600, "h");
}

function units(seconds, large, largeName, small, smallName) {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeName}${rest > 0 ? ` ${rest} ${smallName}` : ""}`;
}

// left formats a remaining time, rounded as its accuracy requires.
export function left(seconds) {
  if (seconds < 5) return "a few seconds left";
  if (seconds < 60) return `about ${Math.ceil(seconds / 5) * 5} s left`;
  if (seconds < 3600) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${short.format(seconds / 3600)} h left`;
}

export function moment(text) {
  return text ? clock.format(new Date(text)) : missing;
}

// age formats milliseconds as a clock does, such as 1:02:03.
export function age(millis) {
  const seconds = Math.round(millis / 1000), two = (n) => String(n).padStart(2, "0");
  const short = `${Math.floor(seconds / 60) % 60}:${two(seconds % 60)}`;
  return seconds < 3600 ? short : `${Math.floor(seconds / 3600)}:${short.padStart(5, "0")}`;
}

// relative formats a time relative to now, such as "2 hours ago".
export function relative(text) {
  if (!text) return missing;
  const seconds = (new Date(text) - Date.now()) / 1000;
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= length) return relation.format(Math.round(seconds / length), unit);
  }
  if (Math.abs(seconds) < 10) return seconds > 0 ? "now" : "just now";
  return relation.format(Math.round(seconds), "second");
}

// change formats the difference between a number and an earlier one, in percent.
export function change(now, before) {
  if (!before || now === undefined || now === null) return "";
  const percent = Math.round(((now - before) / before) * 100);
  if (percent === 0) return now === before ? "same" : "under 1\u00a0%";
  if (percent > 999) return `${short.format(now / before)} ×`;
  return `${percent > 0 ? "+" : "−"}${Math.abs(percent)} %`;
}
