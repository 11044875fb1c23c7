// Dead letters: jobs that were lost too often, and messages that nobody can read. One decides: another run, or away.
import { html, useState } from "./vendor/ui.js";
import { ask, query } from "./api.js";
import { useAsked } from "./asked.js";
import { Ago, Empty, Loading, Page, Sure, Trouble } from "./parts.js";
import { place, setQuery, toJob } from "./place.js";
import { bytes, things } from "./time.js";

const letterPath = (id) => `/api/dead/${encodeURIComponent(id)}`;

export function Dead() {
  const { page } = place.value.query;
  const { value, problem, again } = useAsked(`/api/dead${query({ page_size: 50, page_token: page })}`, 10);
  const [asked, setAsked] = useState(null);
  const [refusal, setRefusal] = useState(null);
  const [said, setSaid] = useState("");
  const act = async (method, path, words) => {
    setRefusal(null);
    try {
      setSaid(words(await ask(method, path)));
    } catch (problem_) {
      setRefusal(problem_);
    }
    setAsked(null);
    again();
  };
  const all = value?.items.length > 0 && html`
    <button onClick=${() => setAsked("requeue")}>Requeue all…</button><button class="danger" onClick=${() => setAsked("purge")}>Purge all…</button>`;
  return html`<${Page} title="Dead letters" aside=${all}>
    <p class="lead">Jobs that were lost with their worker too often, and messages that no worker can read. They wait here until somebody decides.</p>
    <${Trouble} problem=${problem || refusal} />
    <p role="status">${said}</p>
    ${!value && !problem && html`<${Loading} />`}
    ${value && !value.items.length && html`<${Empty} title="No dead letters">Nothing was lost.<//>`}
    ${value?.items.length > 0 && html`<${Letters} letters=${value.items} act=${act} />`}
    ${value?.next_page_token && html`<nav class="pages" aria-label="Pages"><button class="quiet" onClick=${() => setQuery({ page: value.next_page_token })}>Older</button></nav>`}
    ${asked === "requeue" && html`<${Sure} title="Requeue every dead letter?" action="Requeue all" danger=${false} onNo=${() => setAsked(null)}
      onYes=${() => act("POST", "/api/dead/requeue", requeued)}><p>Each goes to the tail of its queue, its losses forgotten.</p><//>`}
    ${asked === "purge" && html`<${Sure} title="Throw every dead letter away?" action="Purge all" onNo=${() => setAsked(null)}
      onYes=${() => act("DELETE", "/api/dead", ({ purged }) => `${things(purged, "letter")} thrown away.`)}><p>Their jobs stay lost.</p><//>`}
  <//>`;
}

function requeued({ queued, refused }) {
  return `${things(queued.length, "job")} queued again${refused.length ? `, ${things(refused.length, "message")} that nobody can read` : ""}.`;
}

function Letters({ letters, act }) {
  const [shown, show] = useState("");
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Dead letters"><table class="stack">
    <thead><tr><th>When</th><th>Job</th><th>Why</th><th>Queue</th><th class="n">Size</th><th><span class="unseen">Actions</span></th></tr></thead>
    <tbody>${letters.map((letter) => html`<tr key=${letter.id}>
        <td data-label="When"><${Ago} at=${letter.at} /></td>
        <td>${letter.task ? html`<a href=${toJob(letter.id)}><strong>${letter.task}</strong></a>` : "unreadable"} <small class="id">${letter.id.slice(0, 8)}</small></td>
        <td data-label="Why">${letter.reason}</td><td data-label="Queue">${letter.queue}</td><td class="n" data-label="Size">${bytes(letter.bytes)}</td>
        <td class="end"><span class="actions end">
          <button class="quiet" aria-expanded=${shown === letter.id} onClick=${() => show(shown === letter.id ? "" : letter.id)}>Inspect</button>
          <button aria-label=${`Requeue ${letter.id}`} onClick=${() => act("POST", `${letterPath(letter.id)}/requeue`, requeued)}>Requeue</button>
          <button class="danger" aria-label=${`Purge ${letter.id}`} onClick=${() => act("DELETE", letterPath(letter.id), () => "Thrown away.")}>Purge</button></span></td>
      </tr>${shown === letter.id && html`<tr key=${`${letter.id} message`}><td colspan="6"><${Message} id=${letter.id} /></td></tr>`}`)}</tbody>
  </table></div>`;
}

function Message({ id }) {
  const { value, problem } = useAsked(letterPath(id));
  return html`<${Trouble} problem=${problem} />${value ? html`<pre tabindex="0" role="region" aria-label="Message">${value.message}</pre>` : !problem && html`<${Loading} />`}`;
}
