// One job: how it stands, why it waits, what it says, what came of it; and what can be done about it.
import { html, useEffect, useMemo, useRef, useState } from "./vendor/ui.js";
import { ask, link, query } from "./api.js";
import { atMost, useAsked } from "./asked.js";
import { Attempts, Events } from "./attempts.js";
import { Family } from "./family.js";
import { Files } from "./file.js";
import { Log, useLog } from "./log.js";
import { Ago, Copy, ENDED, Json, Loading, Page, State, Sure, Trouble } from "./parts.js";
import { go, to } from "./place.js";
import { Progress } from "./progress.js";
import { Result } from "./result.js";
import { Retry } from "./retry.js";
import { Took } from "./rows.js";
import { withoutHidden } from "./schema.js";
import { may } from "./session.js";
import { follow } from "./stream.js";

const SLOWLY = 15; // seconds between two looks at a job that has not ended, whatever the stream says
const CALM = 200; // ms between two looks that the stream asks for

export const jobPath = (id) => `/api/jobs/${encodeURIComponent(id)}`;

export function Job({ name: id }) {
  const [ended, setEnded] = useState(false);
  const { value: job, problem, again } = useAsked(jobPath(id), ended ? 0 : SLOWLY);
  const log = useLog(id);
  const progress = useProgress(id, job, again, log.look);
  useEffect(() => setEnded(Boolean(job?.done)), [job?.done]);
  useEffect(() => {
    if (job?.done) log.look(); // the last lines come with the end
  }, [job?.done, job?.attempt]);
  const crumb = !link.key && html`<a class="crumb" href=${to("jobs")}>Jobs</a>`;
  const aside = job && html`<${Actions} job=${job} again=${again} />`;
  return html`<${Page} title=${job ? job.task || "Job" : "Job"} crumb=${crumb} aside=${aside}>
    <p class="id">${id} <${Copy} text=${id} label="Copy id" /></p>
    ${job && !job.links.logs && html`<p class="sign">This is what the history remembers of it. Its log is kept no more.</p>`}
    <${Trouble} problem=${problem} />
    ${!job && !problem && html`<${Loading} />`}
    ${job && html`<${Shown} job=${job} log=${log} progress=${progress} />`}
  <//>`;
}

// The stream rings the bell; what is shown is what the API answers. Progress alone is shown as it is told.
function useProgress(id, job, again, lookLog) {
  const [told, tell] = useState(null);
  const latest = useRef({});
  latest.current = { again, lookLog };
  const open = job && !job.done;
  useEffect(() => {
    if (!open) return undefined;
    tell(null);
    const look = atMost(CALM, () => latest.current.again());
    const lookLog = atMost(CALM, () => latest.current.lookLog());
    const leave = follow([id], (events) => {
      const progress = events.findLast((event) => event.kind === "progress");
      if (progress) tell(progress);
      if (events.some((event) => event.kind !== "log" && event.kind !== "progress")) look();
      if (events.some((event) => event.kind !== "progress" && event.kind !== "state")) lookLog();
    });
    return () => {
      look.stop();
      lookLog.stop();
      leave();
    };
  }, [id, open]);
  return told;
}

function Shown({ job, log, progress }) {
  return html`
    <section class="card facts" aria-label="How it stands">
      <div class="now" role="status"><${State} state=${job.state} />${job.waiting && html`<span>${job.waiting.sentence}</span>`}</div>
      <${Progress} job=${job} told=${progress} />
      <dl>
        <div><dt>Submitted</dt><dd><${Ago} at=${job.created_at} />${job.owner && ` by ${job.owner}`}</dd></div>
        <div><dt>Started</dt><dd><${Ago} at=${job.started_at} /></dd></div>
        <div><dt>${job.done ? "Ended" : "Due"}</dt><dd><${Ago} at=${job.done ? job.finished_at : job.due_at} /></dd></div>
        <div><dt>Took</dt><dd><${Took} job=${job} /></dd></div>
        <div><dt>Queue</dt><dd>${job.queue || "–"}</dd></div>
        <div><dt>Worker</dt><dd>${job.worker || "–"}</dd></div>
        <div><dt>Attempt</dt><dd>${job.attempt}</dd></div>
        ${job.reason && html`<div><dt>Reason</dt><dd>${job.reason}</dd></div>`}
      </dl>
    </section>
    <${Failure} error=${job.error} state=${job.state} />
    <${Result} job=${job} />
    ${job.links.logs && html`<${Log} log=${log} id=${job.id} ended=${job.done} />`}
    <div class="twin">
      <section class="card" aria-labelledby="arguments"><h2 id="arguments">Arguments</h2>
        ${job.arguments === null ? html`<p class="help">They are not shown here: too large to keep, or not for this link.</p>`
          : html`<${Files} job=${job} value=${job.arguments} /><${Json} value=${job.arguments} label="Arguments" />`}
      </section>
      <${Events} job=${job} />
    </div>
    <${Attempts} job=${job} />
    ${!link.key && html`<${Family} job=${job} />`}`;
}

function Failure({ error, state }) {
  if (!error) return null;
  const words = ENDED.has(state) ? "Why it failed" : "Why the attempt before failed";
  return html`<section class="card failure" aria-labelledby="failure">
    <h2 id="failure">${words}</h2>
    <p><strong>${error.type}</strong> ${error.message}</p>
    ${error.traceback && html`<details open=${ENDED.has(state)}><summary>Traceback</summary>
      <pre tabindex="0" role="region" aria-label="Traceback">${error.traceback}</pre></details>`}
  </section>`;
}

const another = (job) => to(`tasks/${encodeURIComponent(job.task)}${query({ arguments: JSON.stringify(withoutHidden(job.arguments || {})) })}`);

function Actions({ job, again }) {
  const [asked, ask_] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const done = () => ask_("");
  const act = useMemo(() => (method, path, then) => async () => {
    setBusy(true);
    setProblem(null);
    try {
      await ask(method, path);
      ask_("");
      then();
    } catch (refusal) {
      ask_("");
      setProblem(refusal);
    } finally {
      setBusy(false);
    }
  }, []);
  const path = jobPath(job.id);
  const mayAct = may("submit") || Boolean(link.key);
  if (!mayAct) return null;
  return html`
    ${!job.done && job.links.cancel && html`<button class="danger" disabled=${job.state === "cancelling" || busy} onClick=${() => ask_("cancel")}>Cancel</button>`}
    ${job.done && may("submit") && !job.links.logs && html`<a class="button" href=${another(job)}>Start one like it</a>`}
    ${job.done && may("submit") && job.links.retry && html`
      <button disabled=${busy} onClick=${act("POST", `${path}/retry`, again)}>Retry</button>
      <button onClick=${() => ask_("edit")}>Edit and retry</button>
      <button class="quiet" onClick=${() => ask_("delete")}>Forget</button>`}
    <${Trouble} problem=${problem} />
    ${asked === "cancel" && html`<${Sure} title="Cancel this job?" action="Cancel the job" busy=${busy} onNo=${done}
      onYes=${act("POST", `${path}/cancel`, again)}><p>${job.state === "running" ? "It stops at its next step." : "It will not start."}</p><//>`}
    ${asked === "delete" && html`<${Sure} title="Forget this job?" action="Forget it" busy=${busy} onNo=${done}
      onYes=${act("DELETE", path, () => go(to("jobs")))}><p>Its record, log and result are gone then.</p><//>`}
    ${asked === "edit" && html`<${Retry} job=${job} onClose=${done} onDone=${() => { done(); again(); }} />`}`;
}
