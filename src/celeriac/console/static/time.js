// Times and numbers as people read them, in the viewer's own zone and language.
import { signal } from "./vendor/ui.js";
import { now } from "./api.js";

export const tick = signal(0); // changes once a second, for whatever shows an age
setInterval(() => {
  if (!document.hidden) tick.value++;
}, 1000);

const DAY = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const DATE = { year: "numeric", month: "short", day: "numeric", ...DAY };
const time = new Intl.DateTimeFormat(undefined, DAY);
const date = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", ...DAY });
const whole = new Intl.DateTimeFormat(undefined, { ...DATE, timeZoneName: "short" });
const plain = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });

export const count = (n) => (typeof n === "number" ? plain.format(n) : String(n ?? "–"));
export const number = (n) => plain.format(n);
export const things = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

export function moment(iso) {
  if (!iso) return "–";
  const at = new Date(iso);
  return (at.toDateString() === new Date().toDateString() ? time : date).format(at);
}

export const moment_whole = (iso) => (iso ? whole.format(new Date(iso)) : "");

export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 0.001) return "under 1 ms";
  if (seconds < 0.0995) return `${Math.max(0, Math.round(seconds * 1000))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const s = Math.round(seconds);
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export const since = (iso) => (now() - Date.parse(iso)) / 1000;

export function ago(iso) {
  if (!iso) return "–";
  const seconds = since(iso);
  if (seconds < -1) return `in ${duration(-seconds)}`;
  return seconds < 5 ? "just now" : `${duration(seconds)} ago`;
}

export function bytes(n) {
  if (n < 1024) return `${n} B`;
  return n < 1048576 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / 1048576).toFixed(1)} MiB`;
}
