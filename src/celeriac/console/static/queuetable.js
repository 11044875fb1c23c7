// Queues in a table, with the one thing that can be done to them: pause, and resume.
import { html, useState } from "./vendor/ui.js";
import { ask } from "./api.js";
import { Ago, Empty, Trouble } from "./parts.js";
import { to } from "./place.js";
import { count, duration } from "./time.js";

export function Queues({ queues, again }) {
  const [problem, setProblem] = useState(null);
  if (!queues.length) return html`<${Empty} title="No queues yet">A queue is there once a worker listens on it, or a job waits in it.<//>`;
  const act = (name, verb) => ask("POST", `/api/queues/${encodeURIComponent(name)}/${verb}`).then(() => setProblem(null), setProblem).then(again);
  return html`<${Trouble} problem=${problem} />
    <div class="scroll" tabindex="0" role="region" aria-label="Queues"><table class="stack">
      <thead><tr><th>Queue</th><th class="n">Ready</th><th class="n">In flight</th><th class="n">Later</th><th class="n">Oldest waits</th><th>Who listens</th><th><span class="unseen">Actions</span></th></tr></thead>
      <tbody>${queues.map((queue) => html`<tr key=${queue.name}>
        <td><a href=${to(`jobs?queue=${encodeURIComponent(queue.name)}`)}><strong>${queue.name}</strong></a>
          ${queue.paused && html` <span class="state cancelling">paused <${Ago} at=${queue.paused_since} /></span>`}</td>
        <td class="n" data-label="Ready">${count(queue.length)}</td><td class="n" data-label="In flight">${count(queue.in_flight)}</td>
        <td class="n" data-label="Later">${count(queue.delayed)}</td><td class="n" data-label="Oldest waits">${queue.length ? duration(queue.oldest) : "–"}</td>
        <td data-label="Who listens">${queue.consumers.join(", ") || html`<span class=${queue.length ? "wrong" : "faint"}>nobody</span>`}</td>
        <td class="end">${queue.paused
          ? html`<button onClick=${() => act(queue.name, "resume")} aria-label=${`Resume ${queue.name}`}>Resume</button>`
          : html`<button class="quiet" onClick=${() => act(queue.name, "pause")} aria-label=${`Pause ${queue.name}`}>Pause</button>`}</td>
      </tr>`)}</tbody>
    </table></div>`;
}
