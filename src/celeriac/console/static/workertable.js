// Workers in a table: where they run, what they listen on, how busy they are.
import { html } from "./vendor/ui.js";
import { Ago, Empty } from "./parts.js";
import { count } from "./time.js";

const SHARE = 100;

export function WorkerTable({ workers, more }) {
  if (!workers.length) return html`<${Empty} title="No worker is running">Start one: <code>celery -A backend worker</code>, or everything at once: <code>python3 dev.py up</code>.<//>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Workers"><table class="stack">
    <thead><tr><th>Worker</th><th>Listens on</th><th>Pool</th><th class="n">Busy</th><th class="n">Done</th><th>Up since</th><th>Heard</th>${more && html`<th><span class="unseen">Actions</span></th>`}</tr></thead>
    <tbody>${workers.map((worker) => html`<tr key=${worker.name} data-name=${worker.name}>
      <td><strong>${worker.name}</strong> <small class="faint">${worker.host} ${worker.pid || ""}</small></td>
      <td data-label="Listens on">${worker.queues.join(", ")}</td><td data-label="Pool">${worker.pool} × ${worker.concurrency}</td>
      <td class="n" data-label="Busy"><${Load} worker=${worker} /></td><td class="n" data-label="Done">${count(worker.total)}</td>
      <td data-label="Up since"><${Ago} at=${worker.started} /></td>
      <td data-label="Heard">${worker.stopping ? html`<span class="state cancelling">stopping</span>` : worker.alive ? html`<${Ago} at=${worker.seen} />` : html`<span class="wrong">not since <${Ago} at=${worker.seen} /></span>`}</td>
      ${more && html`<td class="end">${more(worker)}</td>`}
    </tr>`)}</tbody>
  </table></div>`;
}

function Load({ worker }) {
  const share = worker.concurrency ? Math.min(SHARE, (SHARE * worker.running) / worker.concurrency) : 0;
  return html`<span class="load">${worker.running} of ${worker.concurrency}
    <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width="100" height="6" class="rest" /><rect width=${share} height="6" /></svg></span>`;
}
