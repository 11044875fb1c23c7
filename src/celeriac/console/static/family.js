// The jobs that belong together: what a job follows, what follows it, and the others of its group.
import { html } from "./vendor/ui.js";
import { useAsked } from "./asked.js";
import { State } from "./parts.js";
import { toJob } from "./place.js";

export function Family({ job }) {
  const parent = job.waiting?.parent || job.parent_id || null;
  const { value } = useAsked(job.links?.family || null);
  const others = (value?.items || []).filter((one) => one.id !== job.id);
  if (!parent && !others.length) return null;
  return html`<section class="card" aria-labelledby="family"><h2 id="family">Belongs to</h2>
    <ul class="family">
      ${parent && !others.some((one) => one.id === parent) && html`<li>follows <a href=${toJob(parent)} class="id">${parent}</a>
        ${job.waiting?.parent_state && html` <${State} state=${job.waiting.parent_state} />`}</li>`}
      ${others.map((one) => html`<li key=${one.id}>${one.id === parent ? "follows " : ""}<a href=${toJob(one.id)}>${one.task}</a>
        <small class="id"> ${one.id.slice(0, 8)} </small><${State} state=${one.state} /></li>`)}
    </ul>
  </section>`;
}
