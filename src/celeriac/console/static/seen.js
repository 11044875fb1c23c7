// Where no list can be had, as without a history: the jobs that this page has heard of since it was opened.
import { html, useEffect, useState } from "./vendor/ui.js";
import { Empty } from "./parts.js";
import { Rows } from "./rows.js";
import { follow } from "./stream.js";
import { to } from "./place.js";

const MOST = 200;
const NONE = new Set();

export function Seen() {
  const [jobs, setJobs] = useState([]);
  useEffect(() => follow(null, (events) => setJobs((old) => told(old, events.filter((event) => event.job && event.state)))), []);
  return html`<p class="help">These are the jobs of which this page has heard since it was opened.</p>
    ${jobs.length ? html`<${Rows} jobs=${jobs} chosen=${NONE} onChoose=${() => {}} />`
      : html`<${Empty} title="Nothing heard yet">What happens to jobs from now on appears here. Start one: <a href=${to("tasks")}>New job</a>.<//>`}`;
}

function told(old, events) {
  if (!events.length) return old;
  const known = new Map(old.map((job) => [job.id, job]));
  for (const event of events) {
    const before = known.get(event.job) || { id: event.job, task: event.task, queue: "", created_at: event.at };
    known.set(event.job, { ...before, state: event.state });
  }
  return [...known.values()].sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at)).slice(0, MOST);
}
