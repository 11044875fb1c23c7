// How far a job is, how fast it goes, and how long it will still take at that pace.
import { html, useEffect, useRef, useState } from "./vendor/ui.js";
import { now } from "./api.js";
import { Bar } from "./parts.js";
import { duration, number, tick } from "./time.js";

const WINDOW = 30000; // ms of which the pace is the mean

export function Progress({ job, told }) {
  const progress = newest(job, told);
  const pace = usePace(job, progress);
  if (!progress || (job.done && job.state === "succeeded")) return null;
  const { current, total, percent, message } = progress;
  const left = pace && total > current ? (total - current) / pace : null;
  return html`<div class="progress">
    <${Bar} percent=${percent} label="Progress" />
    <p><strong>${percent === null ? "" : `${number(percent)} %`}</strong>${percent === null ? "" : " · "}${shown(current)}${total === null ? "" : ` of ${shown(total)}`}
      ${!job.done && pace && html`<span> · ${rate(pace)}${left !== null && ` · about ${duration(left)} left`}</span>`}</p>
    ${message && message !== `${current} of ${total}` && html`<p class="message">${shown(message)}</p>`}
  </div>`;
}

const shown = (value) => (typeof value === "number" ? number(value) : typeof value === "string" ? value : value === null ? "" : JSON.stringify(value));

function rate(perSecond) {
  if (perSecond >= 1) return `${number(Math.round(perSecond * 10) / 10)} per second`;
  return perSecond * 60 >= 1 ? `${number(Math.round(perSecond * 600) / 10)} per minute` : `${number(Math.round(perSecond * 36000) / 10)} per hour`;
}

// What the stream told may be older than the answer, or newer: a run only goes forward.
function newest(job, told) {
  if (job.done || !told) return job.progress;
  if (!job.progress) return told;
  return (told.current ?? 0) >= (job.progress.current ?? 0) ? told : job.progress;
}

// From what was seen in the last seconds; before that from the start of the run.
function usePace(job, progress) {
  const seen = useRef([]);
  const [pace, setPace] = useState(null);
  const current = progress?.current;
  tick.value;
  useEffect(() => {
    seen.current = [];
  }, [job.attempt, job.started_at]);
  useEffect(() => {
    if (typeof current !== "number" || job.done) return setPace(null);
    const at = now();
    seen.current = [...seen.current.filter((one) => at - one.at < WINDOW), { at, current }];
    const [first] = seen.current;
    const whole = job.started_at ? (at - Date.parse(job.started_at)) / 1000 : 0;
    const seconds = (at - first.at) / 1000;
    if (seconds >= 2 && current > first.current) setPace((current - first.current) / seconds);
    else if (whole > 0.5 && current > 0) setPace(current / whole);
    return undefined;
  }, [current, job.done]);
  return pace;
}
