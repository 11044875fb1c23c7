// How everything stands: what is wrong first, then jobs by state, time, queues and workers.
import { html, useEffect, useRef, useState } from "./vendor/ui.js";
import { query } from "./api.js";
import { atMost, useAsked } from "./asked.js";
import { Chart } from "./chart.js";
import { Loading, Page, STATES, State, Trouble } from "./parts.js";
import { Queues as QueueTable } from "./queuetable.js";
import { go, place, setQuery, to } from "./place.js";
import { may } from "./session.js";
import { Signs, signsOf } from "./signs.js";
import { follow } from "./stream.js";
import { count, duration } from "./time.js";
import { WorkerTable } from "./workertable.js";

const SPANS = { hour: [3600, 60], day: [86400, 900], week: [604800, 3600] };
const EACH = { hour: "each minute", day: "each 15 min", week: "each hour" };
const EVERY = 5; // seconds between two looks
const CALM = 1000;

export function Overview() {
  const allowed = may("operate");
  useEffect(() => {
    if (!allowed) go(to("jobs"), { replace: true });
  }, [allowed]);
  return allowed ? html`<${Whole} />` : null;
}

function Whole() {
  const queues = useAsked("/api/queues", EVERY);
  const workers = useAsked("/api/workers", EVERY);
  const dead = useAsked("/api/dead?page_size=100", EVERY);
  const health = useAsked("/readyz", 2 * EVERY);
  const span = SPANS[place.value.query.span] ? place.value.query.span : "hour";
  const stats = useStats(span);
  useEffect(() => {
    const look = atMost(CALM, () => queues.again());
    const leave = follow(null, look);
    return () => {
      look.stop();
      leave();
    };
  }, []);
  const known = queues.value && workers.value && dead.value;
  const signs = known && signsOf({
    queues: queues.value.items, workers: workers.value.items, dead: dead.value.items.length,
    health: health.value, history: stats.value?.history,
  });
  const problem = queues.problem || workers.problem || dead.problem;
  return html`<${Page} title="Overview" aside=${html`<a class="button" href=${to("tasks")}>New job</a>`}>
    <${Trouble} problem=${problem} />
    ${!known && !problem && html`<${Loading} />`}
    ${signs && html`<${Signs} signs=${signs} />`}
    ${stats.value && html`<${Numbers} stats=${stats.value} span=${span} />`}
    ${queues.value && html`<section aria-labelledby="queues"><h2 id="queues">Queues</h2>
      <${QueueTable} queues=${queues.value.items} again=${queues.again} /></section>`}
    ${workers.value && html`<section aria-labelledby="workers"><h2 id="workers">Workers</h2>
      <${WorkerTable} workers=${workers.value.items} /></section>`}
  <//>`;
}

function useStats(span) {
  const [seconds, step] = SPANS[span];
  const [until, setUntil] = useState(() => Date.now());
  const path = `/api/stats${query({ since: new Date(until - seconds * 1000).toISOString(), until: new Date(until).toISOString(), step })}`;
  const asked = useAsked(path);
  const last = useRef(null);
  if (asked.value) last.current = { span, value: asked.value };
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setUntil(Date.now()), 2000 * EVERY);
    return () => clearInterval(timer);
  }, []);
  return { value: asked.value || (last.current?.span === span ? last.current.value : undefined) };
}

function Numbers({ stats, span }) {
  return html`<${States} stats=${stats} />
    <div class="toolbar" role="group" aria-label="How far back">${Object.keys(SPANS).map((name) => html`<button type="button" key=${name}
      class="chip" aria-pressed=${name === span} onClick=${() => setQuery({ span: name === "hour" ? "" : name })}>last ${name}</button>`)}</div>
    <${Charts} points=${stats.series || []} each=${EACH[span]} />`;
}

function States({ stats }) {
  const counts = stats.states || {};
  return html`<ul class="counts" aria-label="Jobs by state">${STATES.filter((state) => counts[state] || !["retrying", "cancelling", "lost"].includes(state)).map(
    (state) => html`<li key=${state}><a class="card" href=${to(`jobs?state=${state}`)}><strong>${count(counts[state] || 0)}</strong>
      <${State} state=${state} /></a></li>`)}</ul>`;
}

function Charts({ points, each }) {
  const at = (point) => Date.parse(point.at) / 1000;
  const ends = points.map((one) => [at(one), one.submitted, one.succeeded, one.failed + one.lost]);
  const waits = points.map((one) => [at(one), one.wait?.p50 ?? null, one.wait?.p95 ?? null]);
  return html`<div class="twin">
    <${Chart} title="Throughput" note=${each} rows=${ends} shown=${count} series=${[
      { label: "submitted", colour: "faint" }, { label: "succeeded", colour: "good", fill: true }, { label: "failed or lost", colour: "bad" }]} />
    <${Chart} title="Wait in the queue" rows=${waits} shown=${duration} series=${[
      { label: "half of the jobs", colour: "accent", fill: true }, { label: "95 of 100", colour: "warn" }]} />
  </div>`;
}
