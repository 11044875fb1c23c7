// Schedules: what Celery beat submits by itself, when, and when next where the clock alone decides it.
import { html } from "./vendor/ui.js";
import { query } from "./api.js";
import { useAsked } from "./asked.js";
import { Ago, Empty, Loading, Page, Trouble } from "./parts.js";
import { to } from "./place.js";
import { may } from "./session.js";

export function Schedules() {
  const { value, problem } = useAsked("/api/schedules", 30);
  const tasks = useAsked("/api/tasks").value;
  const jobs = new Set(tasks?.items.map((task) => task.name)); // other tasks have no form here
  return html`<${Page} title="Schedules">
    <p class="lead">What Celery beat submits by itself, as the app's <code>beat_schedule</code> says. Whether a beat runs is not known here: start one, and one alone, beside the workers.</p>
    <${Trouble} problem=${problem} />
    ${!value && !problem && html`<${Loading} />`}
    ${value && !value.items.length && html`<${Empty} title="Nothing is scheduled">
      Put it into <code>CELERY["beat_schedule"]</code> of your app's configuration, and start <code>celery -A backend beat</code>.<//>`}
    ${value?.items.length > 0 && html`<${Table} schedules=${value.items} jobs=${jobs} />`}
  <//>`;
}

function Table({ schedules, jobs }) {
  return html`<div class="scroll jobs" tabindex="0" role="region" aria-label="Schedules"><table class="stack">
    <thead><tr><th>Schedule</th><th>Task</th><th>When</th><th>Next</th><th><span class="unseen">Actions</span></th></tr></thead>
    <tbody>${schedules.map((one) => html`<tr key=${one.name} data-name=${one.name}>
      <td><strong>${one.name}</strong></td>
      <td>${one.task} ${some(one.arguments) && html`<div class="code">${JSON.stringify(one.arguments)}</div>`}</td>
      <td data-label="When">${one.words}</td>
      <td data-label="Next">${one.next_run_at ? html`<${Ago} at=${one.next_run_at} />` : html`<span class="faint">beat knows</span>`}</td>
      <td class="end">${jobs.has(one.task) && may("submit") && html`<a href=${form(one)} aria-label=${`Run now: ${one.name}`}>Run now…</a>`}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

const some = (given) => Boolean(given && Object.keys(given).length);
const form = ({ task, arguments: given }) => to(`tasks/${encodeURIComponent(task)}${query({ arguments: JSON.stringify(given || {}) })}`);
