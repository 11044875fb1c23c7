// The table of jobs: what each is, in a line; with keys to walk, choose and open.
import { html } from "./vendor/ui.js";
import { Ago, Bar, ENDED, State } from "./parts.js";
import { toJob } from "./place.js";
import { duration, since, tick } from "./time.js";

const LONGEST = 120;

export function Rows({ jobs, chosen, onChoose }) {
  const every = jobs.length > 0 && jobs.every((job) => chosen.has(job.id));
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Jobs"><table class="jobs stack">
    <thead><tr>
      <th><input type="checkbox" aria-label="Choose all of this page" checked=${every}
        onChange=${() => jobs.forEach((job) => every === chosen.has(job.id) && onChoose(job.id))} /></th>
      <th>State</th><th>Job</th><th>Arguments</th><th>Queue</th><th>Submitted</th><th class="n">Took</th>
    </tr></thead>
    <tbody>${jobs.map((job) => html`<${Row} key=${job.id} job=${job} chosen=${chosen.has(job.id)} onChoose=${onChoose} />`)}</tbody>
  </table></div>`;
}

function Row({ job, chosen, onChoose }) {
  const { progress } = job;
  const running = job.state === "running" && progress;
  return html`<tr data-id=${job.id} aria-selected=${chosen}>
    <td><input type="checkbox" aria-label=${`Choose ${job.task} ${job.id}`} checked=${chosen}
      onChange=${() => onChoose(job.id)} /></td>
    <td><${State} state=${job.state} />${running && html`<${Bar} percent=${progress.percent} label="Progress" />`}</td>
    <td><a href=${toJob(job.id)}><strong>${job.task || "unknown"}</strong></a> <small class="id">${job.id.slice(0, 8)}</small>
      ${job.error && html`<div class="why">${short(`${job.error.type}: ${job.error.message}`)}</div>`}</td>
    <td class="code" data-label="Arguments">${summary(job.arguments)}</td>
    <td data-label="Queue">${job.queue}</td>
    <td data-label="Submitted"><${Ago} at=${job.created_at} /></td>
    <td class="n" data-label="Took"><${Took} job=${job} /></td>
  </tr>`;
}

export function Took({ job }) {
  if (!job.started_at) return "–";
  if (job.finished_at) return duration((Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000);
  if (ENDED.has(job.state)) return "–";
  tick.value;
  return duration(Math.max(0, since(job.started_at)));
}

const short = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);

export function summary(values) {
  if (!values) return "";
  return short(Object.entries(values).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(" "));
}
