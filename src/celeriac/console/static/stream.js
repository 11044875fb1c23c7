// The tab's one event stream. What happens is gathered and handed on once per frame, so that a thousand updates in a
// second are as calm as one. Where no stream can be had, followers are told to look for themselves every few seconds.
import { signal } from "./vendor/ui.js";
import { address, query } from "./api.js";

const KINDS = ["state", "progress", "log", "end", "reset", "deleted"];
const LOOK = 3000; // ms between two looks without a stream
const AGAIN = [2000, 5000, 15000, 30000]; // ms before the stream is asked for once more

export const live = signal("off"); // off, live, or polling

const followers = new Map(); // who follows -> { jobs: null for everyone's, or ids, heard }
let source = null;
let asked = "";
let gathered = [];
let flushing = 0;
let refused = 0;
let looking = 0;
let returning = 0;

export function follow(jobs, heard) {
  const me = Symbol("follower");
  followers.set(me, { jobs: jobs && new Set(jobs), heard });
  queueMicrotask(connect);
  return () => {
    followers.delete(me);
    queueMicrotask(connect);
  };
}

function connect() {
  const wanted = question();
  if (wanted === asked) return;
  close();
  asked = wanted;
  refused = 0;
  if (wanted === null) live.value = "off";
  else open();
}

function question() {
  const all = [...followers.values()];
  if (!all.length) return null;
  const everyone = all.some((one) => !one.jobs);
  const ids = [...new Set(all.flatMap((one) => [...(one.jobs || [])]))].sort();
  if (everyone) return address(`/api/events${query({ jobs: ids.join(","), all: ids.length ? "true" : "" })}`);
  if (!ids.length) return null;
  if (ids.length === 1) return address(`/api/jobs/${encodeURIComponent(ids[0])}/events`); // a signed link opens it, too
  return address(`/api/events${query({ jobs: ids.join(",") })}`);
}

function open() {
  const mine = (source = new EventSource(asked));
  mine.onopen = () => {
    if (mine !== source) return;
    refused = 0;
    live.value = "live";
    clearInterval(looking);
    tell({ kind: "open", job: null }); // whatever happened before or between is looked up
  };
  for (const kind of KINDS) mine.addEventListener(kind, (event) => mine === source && take(kind, event));
  mine.onerror = () => {
    if (mine !== source) return;
    if (mine.readyState === EventSource.CLOSED) retire();
    else poll(); // the browser comes back by itself, with the id of the last event
  };
}

// An answer that is no stream ends an EventSource for good: all jobs have ended, too many watch, or none is offered.
function retire() {
  source.close();
  source = null;
  poll();
  clearTimeout(returning);
  const pause = AGAIN[Math.min(refused++, AGAIN.length - 1)];
  returning = setTimeout(() => !source && asked !== null && open(), pause);
}

function poll() {
  if (live.value === "polling") return;
  live.value = "polling";
  clearInterval(looking);
  looking = setInterval(() => document.hidden || tell({ kind: "look", job: null }), LOOK);
}

function close() {
  clearInterval(looking);
  clearTimeout(returning);
  source?.close();
  source = null;
  asked = null;
  live.value = "off";
}

function take(kind, event) {
  try {
    tell({ kind, ...JSON.parse(event.data) });
  } catch {
    tell({ kind: "open", job: null }); // unreadable: look for yourself
  }
}

function tell(event) {
  gathered.push(event);
  if (flushing) return;
  flushing = 1;
  if (document.hidden) setTimeout(flush, 1000); // a hidden tab has no frames
  else requestAnimationFrame(flush);
}

function flush() {
  const events = gathered;
  gathered = [];
  flushing = 0;
  for (const { jobs, heard } of [...followers.values()]) {
    const mine = jobs ? events.filter((event) => !event.job || jobs.has(event.job)) : events;
    if (mine.length) heard(mine);
  }
}

window.addEventListener("pagehide", close);
window.addEventListener("pageshow", (event) => event.persisted && connect());
