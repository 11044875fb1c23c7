// Many jobs at once: those that were chosen, or all that fit the filter, which are counted before anything happens.
import { html, useState } from "./vendor/ui.js";
import { ask } from "./api.js";
import { ENDED, Sure, Trouble } from "./parts.js";
import { may } from "./session.js";
import { things } from "./time.js";

const ABREAST = 4; // requests at once
const AT_ONCE = 200; // jobs of one request, so that the page can say how far it is
const FITS = { cancel: (job) => !ENDED.has(job.state), retry: (job) => ENDED.has(job.state) };
const WORDS = { cancel: "Cancel", retry: "Retry" };

export function Bulk({ filter, jobs, chosen, onDone }) {
  const [asked, setAsked] = useState(null); // { verb, ids } or { verb, count }
  const [problem, setProblem] = useState(null);
  const [said, setSaid] = useState("");
  const mine = jobs.filter((job) => chosen.has(job.id));
  const begin = async (verb) => {
    setProblem(null);
    setSaid("");
    if (mine.length) return setAsked({ verb, ids: mine.filter(FITS[verb]).map((job) => job.id) });
    try {
      const told = await ask("POST", `/api/jobs:${verb}`, { body: { ...meant(filter), dry_run: true } });
      return setAsked({ verb, count: told.count });
    } catch (refusal) {
      return setProblem(refusal);
    }
  };
  const end = (words) => {
    setAsked(null);
    setSaid(words);
    onDone();
  };
  if (!may("submit")) return null;
  const which = mine.length ? `${mine.length} chosen` : "all that fit";
  return html`<span>${["cancel", "retry"].map((verb) => html`<button type="button" class="quiet" key=${verb}
      disabled=${!jobs.length} onClick=${() => begin(verb)}>${WORDS[verb]} ${which}…</button>`)}</span>
    <span role="status">${said}</span>
    <${Trouble} problem=${problem} />
    ${asked && html`<${Question} asked=${asked} filter=${filter} onEnd=${end} onNo=${() => setAsked(null)} />`}`;
}

// Without a filter all jobs are meant, which has to be said.
const meant = (filter) => (Object.keys(filter).length ? filter : { all: true });

function Question({ asked, filter, onEnd, onNo }) {
  const { verb, ids } = asked;
  const n = ids ? ids.length : asked.count;
  const [busy, setBusy] = useState(false);
  const [done, tell] = useState(0);
  const [problem, setProblem] = useState(null);
  const yes = async () => {
    setBusy(true);
    setProblem(null);
    try {
      const { count, failed } = ids ? { count: await each(verb, ids), failed: 0 } : await all(verb, filter, tell);
      onEnd(`${things(count, "job")}: told to ${verb === "cancel" ? "stop" : "run again"}${failed ? `; ${failed} could not be` : ""}.`);
    } catch (refusal) {
      setProblem(refusal);
      setBusy(false);
    }
  };
  const what = verb === "cancel" ? "have not ended" : ids || filter.state ? "have ended" : "failed, or were lost";
  return html`<${Sure} title=${`${WORDS[verb]} ${things(n, "job")}?`} action=${`${WORDS[verb]} ${things(n, "job")}`}
      busy=${busy || !n} danger=${verb === "cancel"} onYes=${yes} onNo=${onNo}>
    <p>${ids ? `Of those that you chose, ${n} ${what}.` : `${n} that fit the filter ${what}.`}</p>
    ${done > 0 && html`<p role="status">${things(done, "job")} so far…</p>`}
    <${Trouble} problem=${problem} />
  <//>`;
}

// All that fit, page by page.
async function all(verb, filter, tell) {
  const sum = { count: 0, failed: 0 };
  let page;
  do {
    const told = await ask("POST", `/api/jobs:${verb}`, { body: { ...meant(filter), limit: AT_ONCE, page_token: page } });
    sum.count += told.count;
    sum.failed += told.failed;
    page = told.next_page_token;
    tell(sum.count);
  } while (page);
  return sum;
}

// One that changed its state meanwhile is passed over; whatever else goes wrong ends it, and is said.
async function each(verb, ids) {
  const left = [...ids];
  let done = 0;
  const work = async () => {
    while (left.length) {
      try {
        await ask("POST", `/api/jobs/${encodeURIComponent(left.pop())}/${verb}`);
        done++;
      } catch (problem) {
        if (problem.status !== 409 && problem.status !== 404) throw problem;
      }
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, work));
  return done;
}
