// The frame around every page: where one can go, who one is, light or dark; and which page an address names.
import { html, render, useEffect, useState } from "./vendor/ui.js";
import { link, signedOut } from "./api.js";
import { base, place, to } from "./place.js";
import { Dead } from "./dead.js";
import { Job } from "./job.js";
import { Jobs } from "./jobs.js";
import { live } from "./stream.js";
import { Overview } from "./overview.js";
import { Empty, Loading, Page, Trouble } from "./parts.js";
import { Queues } from "./queues.js";
import { Schedules } from "./schedules.js";
import { SignIn, lookWho, may, signOut, who } from "./session.js";
import { Task, Tasks } from "./tasks.js";
import { Workers } from "./workers.js";

const PAGES = [
  ["", Overview],
  ["jobs", Jobs],
  ["jobs/*", Job],
  ["tasks", Tasks],
  ["tasks/*", Task],
  ["queues", Queues],
  ["workers", Workers],
  ["schedules", Schedules],
  ["dead", Dead],
];
const MENU = [
  ["", "Overview", "operate"], ["jobs", "Jobs", "read"], ["tasks", "New job", "submit"], ["queues", "Queues", "operate"],
  ["workers", "Workers", "operate"], ["schedules", "Schedules", "operate"], ["dead", "Dead letters", "operate"],
];
const THEMES = { system: "As the system", light: "Light", dark: "Dark" };
const flower = document.querySelector("meta[name=flower]").content;

function pageOf(path) {
  for (const [pattern, part] of PAGES) {
    if (pattern === path) return [part, ""];
    const start = pattern.replace("*", "");
    if (pattern.endsWith("*") && path.startsWith(start)) return [part, decode(path.slice(start.length))];
  }
  return [Nowhere, ""];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const Nowhere = () => html`<${Page} title="There is no such page">
  <${Empty} title="Nothing is here">Go to <a href=${to("")}>the overview</a> or to <a href=${to("jobs")}>the jobs</a>.<//>
<//>`;

function Theme() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme);
  const change = (event) => {
    setTheme(event.target.value);
    document.documentElement.dataset.theme = event.target.value;
    localStorage.setItem("celeriac-theme", event.target.value);
    window.dispatchEvent(new Event("theme"));
  };
  return html`<select class="theme" aria-label="Light or dark" value=${theme} onChange=${change}>
    ${Object.entries(THEMES).map(([name, told]) => html`<option value=${name}>${told}</option>`)}
  </select>`;
}

function Header({ path }) {
  const room = path.split("/")[0];
  return html`<header>
    <a class="skip" href="#main">Skip to the page</a>
    <a class="brand" href=${base}>Celeriac</a>
    <nav aria-label="Console">
      ${MENU.filter(([, , scope]) => may(scope)).map(
        ([name, title]) => html`<a href=${to(name)} aria-current=${room === name ? "page" : undefined}>${title}</a>`,
      )}
      ${flower && html`<a href=${flower} target="_blank" rel="noopener">Flower <span aria-hidden="true">↗</span></a>`}
    </nav>
    <div class="corner">
      <${Live} />
      <${Theme} />
      ${who.value?.way === "session" && html`<button class="quiet" onClick=${signOut}>Sign out ${who.value.owner}</button>`}
    </div>
  </header>`;
}

const LIVE = { live: "live", polling: "every 3 s", off: "" };

function Live() {
  const told = { live: "Changes are shown as they happen.", polling: "No event stream: this page asks every 3 s." };
  return html`<span class="stream ${live.value}" role="status" title=${told[live.value]}>${LIVE[live.value]}</span>`;
}

function Console() {
  const [trouble, setTrouble] = useState(null);
  const { path, query } = place.value;
  useEffect(() => {
    const look = () => lookWho().then(() => setTrouble(null), setTrouble);
    if (!trouble) look();
    const again = trouble ? setTimeout(look, 1000 * (trouble.retryAfter || 3)) : 0;
    return () => clearTimeout(again);
  }, [trouble]);
  const [part, name] = pageOf(path);
  if (part === Job && query.key) Object.assign(link, { job: name, key: query.key });
  else link.key = "";
  let shown = html`<${part} key=${path} name=${name} />`;
  if (signedOut.value && !link.key) shown = html`<${SignIn} />`;
  else if (trouble) shown = html`<${Page} title="Celeriac"><${Trouble} problem=${trouble} /><//>`;
  else if (!who.value && !link.key) shown = html`<main id="main"><${Loading} /></main>`;
  return html`<${Header} path=${path} />${shown}`;
}

render(html`<${Console} />`, document.getElementById("console"));
