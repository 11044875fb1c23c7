// The list of jobs: live, found by filters and words, and acted on in numbers.
import { html, useEffect, useMemo, useRef, useState } from "./vendor/ui.js";
import { atMost, useAsked } from "./asked.js";
import { Bulk } from "./bulk.js";
import { Filters, filterOf, listPath } from "./filters.js";
import { useKeys } from "./keys.js";
import { Empty, Loading, Page, Trouble } from "./parts.js";
import { place, setQuery, to } from "./place.js";
import { Rows } from "./rows.js";
import { Seen } from "./seen.js";
import { may } from "./session.js";
import { follow } from "./stream.js";
import { things } from "./time.js";

const NO_LIST = new Set([404, 405, 409, 501]);
const CALM = 1000; // ms between two looks at a list that keeps changing

export function Jobs() {
  const asked = place.value.query;
  const words = JSON.stringify({ ...asked, page: undefined });
  const filter = useMemo(() => filterOf(JSON.parse(words)), [words]);
  const { value, problem, again } = useAsked(listPath(filter, asked.page));
  const noList = problem && NO_LIST.has(problem.status);
  const [chosen, setChosen] = useState(new Set());
  useEffect(() => setChosen(new Set()), [words]);
  const choose = (id) => setChosen((old) => flip(old, id));
  useKeys(choose);
  const { jobs, fresh, refresh } = useLive(value?.items || [], again, Boolean(asked.page) || chosen.size > 0);
  const newJob = may("submit") && html`<a class="button" href=${to("tasks")}>New job</a>`;
  return html`<${Page} title="Jobs" aside=${newJob}>
    <${Filters} />
    <${Trouble} problem=${problem && !(noList && !value) ? problem : null} />
    ${noList && !value && html`<p class="sign">This server keeps no list of jobs: there is no history to look into. An id can be searched for.</p><${Seen} />`}
    ${!value && !problem && html`<${Loading} />`}
    ${value && html`
      <div class="toolbar">
        <${Bulk} filter=${filter} jobs=${jobs} chosen=${chosen} onDone=${() => { setChosen(new Set()); again(); }} />
        <button class="quiet" hidden=${!fresh} onClick=${refresh}>${things(fresh, "change")}: show</button>
      </div>
      ${jobs.length ? html`<${Rows} jobs=${jobs} chosen=${chosen} onChoose=${choose} />` : html`<${None} asked=${asked} more=${value.next_page_token} />`}
      <${Pages} asked=${asked} next=${value.next_page_token} />`}
    <p class="help keys"><kbd>j</kbd> <kbd>k</kbd> walk · <kbd>x</kbd> choose · <kbd>Enter</kbd> open · <kbd>/</kbd> search</p>
  <//>`;
}

function flip(old, id) {
  const made = new Set(old);
  if (!made.delete(id)) made.add(id);
  return made;
}

// What is told of jobs in view is shown at once; the list itself is asked again now and then, and never while somebody
// chooses from it or reads further back: then what has changed is counted.
function useLive(items, again, still) {
  const [patches, setPatches] = useState({});
  const [fresh, setFresh] = useState(0);
  const latest = useRef({});
  latest.current = { still, again, ids: new Set(items.map((job) => job.id)) };
  useEffect(() => {
    setPatches({});
    setFresh(0);
  }, [items]);
  useEffect(() => {
    const look = atMost(CALM, () => latest.current.again());
    const leave = follow(null, (events) => {
      const { ids } = latest.current;
      const told = events.filter((event) => event.job && event.state && ids.has(event.job));
      if (told.length) setPatches((old) => ({ ...old, ...Object.fromEntries(told.map((one) => [one.job, one.state])) }));
      if (!latest.current.still) look();
      else setFresh((n) => n + events.filter((event) => event.job && !ids.has(event.job)).length);
    });
    return () => {
      look.stop();
      leave();
    };
  }, []);
  const jobs = items.map((job) => (patches[job.id] && patches[job.id] !== job.state ? { ...job, state: patches[job.id] } : job));
  return { jobs, fresh, refresh: again };
}

function None({ asked, more }) {
  if (more) return html`<${Empty} title="None on this page">Older ones may fit: go on.<//>`;
  if (Object.keys(asked).length) return html`<${Empty} title="No job fits">Take a filter away, or look at a longer time.<//>`;
  return html`<${Empty} title="No jobs yet">Start one: <a href=${to("tasks")}>New job</a>.<//>`;
}

function Pages({ asked, next }) {
  if (!asked.page && !next) return null;
  return html`<nav class="pages" aria-label="Pages">
    ${asked.page && html`<button class="quiet" onClick=${() => setQuery({ ...asked, page: "" })}>Newest</button>`}
    ${next && html`<button class="quiet older" onClick=${() => setQuery({ ...asked, page: next })}>Older</button>`}
  </nav>`;
}
