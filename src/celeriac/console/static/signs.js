// What is wrong, and what to do about it: read from how queues, workers and the process itself stand.
import { html } from "./vendor/ui.js";
import { to } from "./place.js";
import { duration, things } from "./time.js";

const OLD = 60; // seconds that a job may wait before it is a sign

export function signsOf({ queues = [], workers = [], dead = 0, health = null, history = null }) {
  const signs = [];
  const say = (bad, what, remedy, address) => signs.push({ bad, what, remedy, address });
  for (const check of health?.checks || []) {
    if (!check.ok && !["workers", "history"].includes(check.name)) say(check.name === "broker", check.detail, "", null);
  }
  for (const queue of queues) {
    const waiting = queue.length > 0;
    if (queue.paused) say(waiting, `Queue ${queue.name} is paused${waiting ? `, and ${waits(queue.length)}` : ""}.`, "Resume it when it may go on.", "queues");
    else if (waiting && !queue.consumers.length) say(true, `Nobody is listening on ${queue.name}: ${waits(queue.length)}.`, `Start a worker with -Q ${queue.name}.`, "queues");
    else if (queue.oldest > OLD) say(true, `The oldest job on ${queue.name} waits ${duration(queue.oldest)}.`, "Start more workers for it, or give its jobs less to do.", "queues");
  }
  for (const worker of workers) {
    if (!worker.alive) say(true, `Worker ${worker.name} has not been heard lately.`, "Its jobs run again on others; look whether it still lives.", "workers");
  }
  if (!workers.some((worker) => worker.alive)) say(true, "No worker is running.", "Start one: celery -A backend worker.", "workers");
  if (dead) say(true, dead === 1 ? "1 dead letter waits for a decision." : `${things(dead, "dead letter")} wait for a decision.`, "Requeue or purge.", "dead");
  if (history?.on && !history.well) say(true, historyWords(history), "Jobs run all the same; lists and charts are late.", null);
  return signs.sort((a, b) => b.bad - a.bad);
}

const waits = (n) => (n === 1 ? "1 job waits" : `${things(n, "job")} wait`);

function historyWords(history) {
  if (history.error) return `The history is not written: ${history.error}`;
  return `The history is ${duration(history.lag)} behind.`;
}

export function Signs({ signs }) {
  if (!signs.length) return html`<p class="sign good" role="status"><strong>All is well.</strong> Somebody listens on every queue that has jobs.</p>`;
  return html`<ul class="signs" aria-label="What needs you">${signs.map((sign) => html`<li key=${sign.what} class="sign ${sign.bad ? "bad" : ""}">
    <strong>${sign.what}</strong> ${sign.remedy} ${sign.address && html`<a href=${to(sign.address)}>Look</a>`}
  </li>`)}</ul>`;
}
