// Which jobs the list shows: a row of fields whose values are the address of the page.
import { html, useEffect, useRef, useState } from "./vendor/ui.js";
import { now, query } from "./api.js";
import { useAsked } from "./asked.js";
import { STATES } from "./parts.js";
import { go, place, setQuery, toJob } from "./place.js";
import { may } from "./session.js";

const BETWEEN = "days";
const SPANS = [
  ["", "any time"], ["3600", "the last hour"], ["86400", "the last day"], ["604800", "the last week"],
  ["2592000", "the last 30 days"], [BETWEEN, "between days"],
];
export const SIZE = 50;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

// What the address asks for, as the API takes it; `within` is rounded so that one look has one question, and `from` and
// `to` are days of the viewer's zone, both included.
export function filterOf({ state, task, queue, q, within, from, to }) {
  const filter = { task, queue, q };
  if (state) filter.state = state.split(",");
  if (within > 0) filter.created_after = new Date(Math.floor(now() / 60000) * 60000 - within * 1000).toISOString();
  if (within === BETWEEN) Object.assign(filter, { created_after: day(from), created_before: day(to, 1) });
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
}

function day(text, later = 0) {
  const [year, month, date] = (text || "").split("-").map(Number);
  const at = new Date(year, month - 1, date + later);
  return Number.isNaN(+at) ? undefined : at.toISOString();
}

export const listPath = (filter, token) => `/api/jobs${query({ ...filter, page_size: SIZE, page_token: token })}`;

export function Filters() {
  const asked = place.value.query;
  const { value: tasks } = useAsked("/api/tasks");
  const { value: queues } = useAsked(may("operate") ? "/api/queues" : null);
  const set = (name) => (event) => change({ [name]: event.target.value });
  return html`<form class="filters" role="search" aria-label="Which jobs" onSubmit=${open}>
    <${Search} text=${asked.q || ""} />
    <${Select} label="Task" value=${asked.task} names=${(tasks?.items || []).map((one) => one.name)} onChange=${set("task")} />
    <${Select} label="Queue" value=${asked.queue} names=${(queues?.items || []).map((one) => one.name)} onChange=${set("queue")} />
    <label>Submitted <select value=${asked.within || ""} onChange=${set("within")}>
      ${SPANS.map(([value, told]) => html`<option value=${value}>${told}</option>`)}
    </select></label>
    ${asked.within === BETWEEN && ["from", "to"].map((name) => html`<label key=${name}>${name === "from" ? "From" : "To"}
      <input type="date" value=${asked[name] || ""} onChange=${set(name)} /></label>`)}
    <${States} chosen=${(asked.state || "").split(",").filter(Boolean)} />
    ${Object.keys(asked).length > 0 && html`<button type="button" class="quiet" onClick=${() => setQuery({})}>Clear</button>`}
  </form>`;
}

// Enter opens what is an id.
function open(event) {
  event.preventDefault();
  const text = document.getElementById("search").value.trim();
  if (ID.test(text)) go(toJob(text));
}

function change(values) {
  const { page, ...rest } = place.value.query;
  setQuery({ ...rest, ...values });
}

function Select({ label, value, names, onChange }) {
  const all = !value || names.includes(value) ? names : [value, ...names];
  return html`<label>${label} <select value=${value || ""} onChange=${onChange}>
    <option value="">any</option>${all.map((name) => html`<option value=${name}>${name}</option>`)}
  </select></label>`;
}

function Search({ text }) {
  const [typed, type] = useState(text);
  const sent = useRef(text);
  useEffect(() => {
    if (text !== sent.current) type((sent.current = text)); // the address changed by itself: back, or cleared
  }, [text]);
  useEffect(() => {
    if (typed === sent.current) return undefined;
    const timer = setTimeout(() => change({ q: (sent.current = typed) }), 300);
    return () => clearTimeout(timer);
  }, [typed]);
  return html`<label class="search">Search <input type="search" id="search" value=${typed} maxlength="500"
    placeholder="words of arguments and errors, or an id" onInput=${(event) => type(event.target.value)} /></label>`;
}

function States({ chosen }) {
  const toggle = (state) => {
    const next = chosen.includes(state) ? chosen.filter((one) => one !== state) : [...chosen, state];
    change({ state: next.join(",") });
  };
  return html`<fieldset class="states"><legend>State</legend>
    ${STATES.map((state) => html`<button type="button" key=${state} class="chip ${state}" onClick=${() => toggle(state)}
      aria-pressed=${chosen.includes(state)}>${state}</button>`)}
  </fieldset>`;
}
