// The workers: who is there, what they run now, how busy they are.
import { html } from "./vendor/ui.js";
import { useAsked } from "./asked.js";
import { listPath } from "./filters.js";
import { Loading, Page, State, Trouble } from "./parts.js";
import { toJob } from "./place.js";
import { Took } from "./rows.js";
import { WorkerTable } from "./workertable.js";

export function Workers() {
  const { value, problem } = useAsked("/api/workers", 3);
  const running = useAsked(listPath({ state: ["running", "cancelling"] }), 3);
  return html`<${Page} title="Workers">
    <p class="lead">A worker that is stopped by SIGTERM lets its jobs finish, and gives back what it has not begun.</p>
    <${Trouble} problem=${problem} />
    ${!value && !problem && html`<${Loading} />`}
    ${value && html`<${WorkerTable} workers=${value.items} />`}
    ${running.value && html`<section aria-labelledby="running"><h2 id="running">What runs now</h2>
      ${running.value.items.length ? html`<${Running} jobs=${running.value.items} />` : html`<p class="help">Nothing at this moment.</p>`}</section>`}
  <//>`;
}

function Running({ jobs }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="What runs now"><table>
    <thead><tr><th>State</th><th>Job</th><th>Worker</th><th class="n">For</th></tr></thead>
    <tbody>${jobs.map((job) => html`<tr key=${job.id}><td><${State} state=${job.state} /></td>
      <td><a href=${toJob(job.id)}>${job.task}</a> <small class="id">${job.id.slice(0, 8)}</small></td>
      <td>${job.worker || "–"}</td><td class="n"><${Took} job=${job} /></td></tr>`)}</tbody>
  </table></div>`;
}
