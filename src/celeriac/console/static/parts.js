// The small parts that pages are made of. All text is text: nothing here turns a string into markup.
import { html, useEffect, useRef, useState } from "./vendor/ui.js";
import { ago, moment_whole, tick } from "./time.js";

export const ENDED = new Set(["succeeded", "failed", "cancelled", "lost"]);
export const STATES = [
  "scheduled", "queued", "running", "retrying", "cancelling", "succeeded", "failed", "cancelled", "lost",
];
const MARKS = {
  scheduled: "◷", queued: "□", running: "▶", retrying: "↻", cancelling: "◌", succeeded: "■", failed: "✕",
  cancelled: "⊘", lost: "?",
};

export function State({ state }) {
  return html`<span class="state ${state}"><span aria-hidden="true">${MARKS[state] || "·"}</span> ${state}</span>`;
}

let first = true; // the browser itself says where one is after a load

export function Page({ title, crumb, children, aside }) {
  const head = useRef(null);
  useEffect(() => {
    document.title = `${typeof title === "string" ? title : "Job"} · Celeriac`;
  }, [title]);
  useEffect(() => {
    if (!first) head.current?.focus({ preventScroll: true }); // who hears the page is told where they are now
    first = false;
  }, []);
  return html`<main id="main">
    <div class="head">
      <div>${crumb}<h1 tabindex="-1" ref=${head}>${title}</h1></div>
      <div class="actions">${aside}</div>
    </div>
    ${children}
  </main>`;
}

export function Trouble({ problem }) {
  if (!problem) return null;
  return html`<div class="sign bad" role="alert">
    <strong>${problem.message}</strong> ${problem.hint}
    ${problem.requestId && problem.status >= 500 && html`<small> Request ${problem.requestId}.</small>`}
  </div>`;
}

export function Empty({ title, children }) {
  return html`<div class="empty"><h2>${title}</h2><p>${children}</p></div>`;
}

export const Loading = () => html`<p class="loading" role="status">Loading…</p>`;

export function Ago({ at }) {
  tick.value;
  return at ? html`<time datetime=${at} title=${moment_whole(at)}>${ago(at)}</time>` : "–";
}

export function Bar({ percent, label }) {
  const known = typeof percent === "number";
  const shown = known ? Math.max(0, Math.min(100, percent)) : undefined;
  return html`<div class="bar ${known ? "" : "unknown"}" role="progressbar" aria-label=${label} aria-valuemin="0"
    aria-valuemax="100" aria-valuenow=${shown}><div style=${known ? { width: `${shown}%` } : {}}></div></div>`;
}

export function Json({ value, label }) {
  return html`<pre class="json" tabindex="0" role="region" aria-label=${label}>${JSON.stringify(value, null, 2)}</pre>`;
}

export function Copy({ text, label = "Copy" }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  if (!navigator.clipboard) return null; // browsers offer it to pages over HTTPS, and to this machine's own
  return html`<button type="button" class="quiet" onClick=${copy}>${done ? "Copied" : label}</button>`;
}

// A question before something that cannot be undone, in the browser's own dialog: focus, Escape and all.
export function Sure({ title, children, action, onYes, onNo, busy, danger = true }) {
  const dialog = useRef(null);
  useEffect(() => {
    dialog.current.showModal();
  }, []);
  return html`<dialog ref=${dialog} onClose=${onNo} aria-labelledby="sure-title">
    <h2 id="sure-title">${title}</h2>
    <div>${children}</div>
    <div class="actions end">
      <button type="button" class="quiet" onClick=${() => dialog.current.close()}>Keep as it is</button>
      <button type="button" class=${danger ? "danger" : "strong"} disabled=${busy} onClick=${onYes}>${action}</button>
    </div>
  </dialog>`;
}

export function download(name, text, kind = "text/plain") {
  const url = URL.createObjectURL(new Blob([text], { type: `${kind};charset=utf-8` }));
  const anchor = Object.assign(document.createElement("a"), { href: url, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
