// The jobs that belong together: what a job comes from, what came of it, the others of its chain, group or chord.
import { html } from "./vendor/ui.js";
import { useAsked } from "./asked.js";
import { State } from "./parts.js";
import { toJob } from "./place.js";
import { things } from "./time.js";

const SHOWN = 50; // of each kind
const EVERY = 5; // seconds between two looks at relatives of a job that has not ended
const ROLES = [
  ["root", "It began with"], ["parent", "It comes after"], ["before", "It gets the results of"],
  ["member", "In the same group"], ["next", "Then follows"], ["body", "The results go to"], ["child", "It submitted"],
];

export function Family({ job }) {
  const { value } = useAsked(job.links?.family, job.done ? 0 : EVERY);
  const all = value?.items || [];
  if (!all.length) return null;
  return html`<section class="card" aria-labelledby="family"><h2 id="family">Belongs together</h2>
    <dl class="family">${ROLES.map(([role, words]) => [words, all.filter((one) => one.role === role)]).filter(([, jobs]) => jobs.length).map(
      ([words, jobs]) => html`<div key=${words}><dt>${words}</dt>${jobs.slice(0, SHOWN).map((one) => html`<dd key=${one.id}>
        <${State} state=${one.state} /> <a href=${toJob(one.id)}>${one.task}</a> <small class="id">${one.id.slice(0, 8)}</small></dd>`)}
        ${jobs.length > SHOWN && html`<dd class="help">and ${things(jobs.length - SHOWN, "more", "more")}</dd>`}</div>`)}</dl>
  </section>`;
}
