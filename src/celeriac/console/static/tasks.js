// New job: the tasks there are, and a form for each.
import { html, useRef, useState } from "./vendor/ui.js";
import { address, ask } from "./api.js";
import { useAsked } from "./asked.js";
import { Arguments, Curl } from "./form.js";
import { Empty, Loading, Page, Trouble } from "./parts.js";
import { go, place, to, toJob } from "./place.js";
import { firstGroup } from "./schema.js";
import { who } from "./session.js";

const taskPath = (name) => `/api/tasks/${encodeURIComponent(name)}`;

export function Tasks() {
  const { value, problem } = useAsked("/api/tasks");
  return html`<${Page} title="New job">
    <${Trouble} problem=${problem} />
    ${!value && !problem && html`<${Loading} />`}
    ${value && !value.items.length && html`<${Empty} title="No task can be run from here yet">
      Put <code>@job</code> over a function of your app: it gets a form here, and an address in the API.<//>`}
    <ul class="tiles">${value?.items.map((task) => html`<li key=${task.name}>
      <a class="card" href=${to(`tasks/${encodeURIComponent(task.name)}`)}>
        <strong>${task.name}</strong><span>${task.summary}</span><small>queue ${task.queue}</small>
      </a></li>`)}</ul>
  <//>`;
}

export function Task({ name }) {
  const { value: task, problem } = useAsked(taskPath(name));
  const crumb = html`<a class="crumb" href=${to("tasks")}>New job</a>`;
  return html`<${Page} title=${name} crumb=${crumb}>
    <${Trouble} problem=${problem} />
    ${!task && !problem && html`<${Loading} />`}
    ${task && html`<p class="prose">${task.description || task.summary}</p>
      <${Form} task=${task} />`}
  <//>`;
}

// Arguments may come with the address (`?arguments={…}`), so that a form can be sent as a link.
function given(schema) {
  try {
    return JSON.parse(place.value.query.arguments || "{}") || {};
  } catch {
    return {}; // somebody's broken link: the form as it is
  }
}

function Form({ task }) {
  const [value, setValue] = useState(() => ({ ...firstGroup(task.schema, task.schema), ...given(task.schema) }));
  const [when, setWhen] = useState({ delay: "", queue: "", priority: "" });
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const key = useKey();
  const { path, body } = request(task, value, when);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const job = await ask("POST", path, { body, headers: { "Idempotency-Key": key(path, body) } });
      go(toJob(job.id));
    } catch (refusal) {
      setProblem(refusal);
      setBusy(false);
    }
  };
  return html`<div class="twin">
    <form class="card" onSubmit=${submit} novalidate>
      <${Arguments} schema=${task.schema} value=${value} onChange=${setValue} problem=${problem} />
      <${When} when=${when} onChange=${setWhen} queue=${task.queue} />
      <button class="strong" disabled=${busy}>Start</button>
    </form>
    <${Curl} path=${address(path)} body=${body} needsToken=${who.value?.way !== "local"} />
  </div>`;
}

// Sent again without an answer, or pressed twice, it is one job; what was changed is another.
function useKey() {
  const last = useRef({});
  return (path, body) => {
    const text = path + JSON.stringify(body);
    if (last.current.text !== text) last.current = { text, key: crypto.randomUUID?.() || String(Math.random()).slice(2) };
    return last.current.key;
  };
}

function request(task, value, when) {
  const more = {};
  if (when.delay) more.delay = Number.isFinite(Number(when.delay)) ? Number(when.delay) : when.delay;
  if (when.queue.trim()) more.queue = when.queue.trim();
  if (when.priority !== "") more.priority = Number(when.priority);
  if (!Object.keys(more).length) return { path: taskPath(task.name), body: value };
  return { path: "/api/jobs", body: { task: task.name, arguments: value, ...more } };
}

function When({ when, onChange, queue }) {
  const change = (name) => (event) => onChange({ ...when, [name]: event.target.value });
  return html`<details class="more"><summary>Later, elsewhere, sooner than others</summary>
    <div class="field"><label for="delay">Start in <small>seconds</small></label>
      <input id="delay" inputmode="decimal" value=${when.delay} onInput=${change("delay")} placeholder="0" /></div>
    <div class="field"><label for="queue">Queue</label>
      <input id="queue" value=${when.queue} onInput=${change("queue")} placeholder=${queue} /></div>
    <div class="field"><label for="priority">Priority</label>
      <select id="priority" value=${when.priority} onChange=${change("priority")}>
        <option value="">as usual</option>
        ${[...Array(10).keys()].map((n) => html`<option value=${String(n)}>${n}${n === 0 ? ", the most urgent" : ""}</option>`)}
      </select></div>
  </details>`;
}
