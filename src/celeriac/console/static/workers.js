// The workers: who is there, what they run now, how busy they are; another size of their pool, and their end.
import { html, useState } from "./vendor/ui.js";
import { ask } from "./api.js";
import { useAsked } from "./asked.js";
import { listPath } from "./filters.js";
import { Loading, Page, State, Sure, Trouble } from "./parts.js";
import { toJob } from "./place.js";
import { Took } from "./rows.js";
import { things } from "./time.js";
import { WorkerTable } from "./workertable.js";

const ELASTIC = new Set(["prefork", "gevent", "eventlet"]); // pools that can have another size while they live
const LARGEST = 1000;

const workerPath = (worker, verb) => `/api/workers/${encodeURIComponent(worker.name)}/${verb}`;

export function Workers() {
  const { value, problem, again } = useAsked("/api/workers", 3);
  const running = useAsked(listPath({ state: ["running", "cancelling"] }), 3);
  const [asked, setAsked] = useState(null); // { verb, worker }
  const close = () => setAsked(null);
  const more = (worker) => worker.alive && !worker.stopping && html`<span class="actions end">
    ${ELASTIC.has(worker.pool) && html`<button class="quiet" aria-label=${`Resize ${worker.name}`} onClick=${() => setAsked({ verb: "pool", worker })}>Resize…</button>`}
    <button class="quiet" aria-label=${`Shut down ${worker.name}`} onClick=${() => setAsked({ verb: "shutdown", worker })}>Shut down…</button></span>`;
  return html`<${Page} title="Workers">
    <p class="lead">A worker that is shut down lets its jobs finish, and gives back what it has not begun.</p>
    <${Trouble} problem=${problem} />
    ${!value && !problem && html`<${Loading} />`}
    ${value && html`<${WorkerTable} workers=${value.items} more=${more} />`}
    ${asked && html`<${asked.verb === "pool" ? Resize : ShutDown} worker=${asked.worker} again=${again} onClose=${close} />`}
    ${running.value && html`<section aria-labelledby="running"><h2 id="running">What runs now</h2>
      ${running.value.items.length ? html`<${Running} jobs=${running.value.items} />` : html`<p class="help">Nothing at this moment.</p>`}</section>`}
  <//>`;
}

// What is told to a worker, and what it says to that.
function useTold({ worker, verb, again, onClose }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const tell = async (body) => {
    setBusy(true);
    setProblem(null);
    try {
      await ask("POST", workerPath(worker, verb), { body });
      onClose();
    } catch (refusal) {
      setProblem(refusal);
      setBusy(false);
    }
    again();
  };
  return { busy, problem, tell };
}

function Resize({ worker, again, onClose }) {
  const [size, setSize] = useState(String(worker.concurrency));
  const { busy, problem, tell } = useTold({ worker, verb: "pool", again, onClose });
  const n = Number(size);
  const fits = Number.isInteger(n) && n >= 1 && n <= LARGEST;
  return html`<${Sure} title=${`How many jobs at once may ${worker.name} run?`} action="Resize" danger=${false} busy=${busy || !fits}
      onYes=${() => tell({ size: n })} onNo=${onClose}>
    <div class="field"><label for="size">Size of its pool</label>
      <input id="size" type="number" min="1" max=${LARGEST} value=${size} aria-invalid=${fits ? undefined : "true"} onInput=${(event) => setSize(event.target.value)} />
      <p class="help">It has ${worker.concurrency}. The new size holds until it ends; those that are busy are not ended for it.</p></div>
    <${Trouble} problem=${problem} />
  <//>`;
}

function ShutDown({ worker, again, onClose }) {
  const { busy, problem, tell } = useTold({ worker, verb: "shutdown", again, onClose });
  const runs = worker.running ? `${things(worker.running, "job")} on it may finish first, within its grace.` : "It runs nothing now.";
  return html`<${Sure} title=${`Shut ${worker.name} down?`} action="Shut it down" busy=${busy} onYes=${() => tell()} onNo=${onClose}>
    <p>${runs} What it has not begun goes back to its queue. Whatever started it may start it again.</p>
    <${Trouble} problem=${problem} />
  <//>`;
}

function Running({ jobs }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="What runs now"><table class="stack">
    <thead><tr><th>State</th><th>Job</th><th>Worker</th><th class="n">For</th></tr></thead>
    <tbody>${jobs.map((job) => html`<tr key=${job.id}><td><${State} state=${job.state} /></td>
      <td><a href=${toJob(job.id)}>${job.task}</a> <small class="id">${job.id.slice(0, 8)}</small></td>
      <td data-label="On">${job.worker || "–"}</td><td class="n" data-label="For"><${Took} job=${job} /></td></tr>`)}</tbody>
  </table></div>`;
}
