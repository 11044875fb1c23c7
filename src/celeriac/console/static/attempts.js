// What happened to a job, in order; and each of its runs, side by side in time.
import { html, useEffect } from "./vendor/ui.js";
import { useAsked } from "./asked.js";
import { Ago, State } from "./parts.js";
import { duration, moment } from "./time.js";

export function Events({ job }) {
  const { value, again } = useAsked(`${job.links.self}/timeline`);
  useEffect(() => again(), [job.state, job.attempt, job.attempts.length]);
  const all = (value?.items || []).filter((one) => one.at);
  return html`<section class="card" aria-labelledby="events"><h2 id="events">What happened</h2>
    <ol class="events">${all.map((one, i) => html`<li key=${i}>
      <time datetime=${one.at}>${moment(one.at)}</time> <${State} state=${one.state} />
      <small>${one.reason || ""}${i > 0 ? ` +${gap(all[i - 1], one)}` : ""}</small></li>`)}</ol>
  </section>`;
}

const gap = (before, after) => duration((Date.parse(after.at) - Date.parse(before.at)) / 1000);

export function Attempts({ job }) {
  const attempts = job.attempts || [];
  if (!attempts.length) return null;
  const times = attempts.flatMap((one) => [one.started_at, one.ended_at]).filter(Boolean).map((at) => Date.parse(at));
  const from = Math.min(...times);
  const span = Math.max(1, Math.max(...times) - from);
  return html`<section class="card" aria-labelledby="attempts"><h2 id="attempts">Attempts</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Attempts"><table>
      <thead><tr><th class="n">#</th><th>Outcome</th><th>Started</th><th class="n">Took</th><th>Worker</th><th class="lane">When</th></tr></thead>
      <tbody>${attempts.map((one, i) => html`<tr key=${i}>
        <td class="n">${i + 1}</td><td>${one.outcome}</td><td><${Ago} at=${one.started_at} /></td>
        <td class="n">${one.started_at && one.ended_at ? duration((Date.parse(one.ended_at) - Date.parse(one.started_at)) / 1000) : "–"}</td>
        <td>${one.worker || "–"}</td><td class="lane"><${Lane} one=${one} from=${from} span=${span} /></td>
      </tr>`)}</tbody>
    </table></div>
  </section>`;
}

function Lane({ one, from, span }) {
  if (!one.started_at || !one.ended_at) return null;
  const left = (100 * (Date.parse(one.started_at) - from)) / span;
  const width = Math.max(1, (100 * (Date.parse(one.ended_at) - Date.parse(one.started_at))) / span);
  return html`<svg class="span" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
    <rect x=${Math.min(99, left)} y="0" width=${Math.min(width, 100 - left)} height="8" /></svg>`;
}
