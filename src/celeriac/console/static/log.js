// A job's log: thousands of lines, of which only those in view are drawn; found by level and word, followed, downloaded.
import { html, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/ui.js";
import { ask } from "./api.js";
import { Trouble, download } from "./parts.js";
import { count, moment } from "./time.js";

const HEIGHT = 20; // px of a line, as in job.css
const BEYOND = 20; // lines drawn above and below what is in view
const MOST = 20000; // lines kept by the page
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

// The lines so far; `look` asks for those after the last one. One question at a time, and none is forgotten.
export function useLog(id) {
  const [told, tell] = useState({ lines: [], dropped: 0, problem: null });
  const state = useRef({ after: 0, busy: false, wanted: false, id });
  const look = useCallback(async () => {
    const mine = state.current;
    if (mine.busy) return void (mine.wanted = true);
    mine.busy = true;
    try {
      const { items, dropped } = await ask("GET", `/api/jobs/${encodeURIComponent(id)}/logs?after=${mine.after}`);
      if (mine !== state.current) return;
      if (items.length) mine.after = items.at(-1).seq;
      tell((old) => ({ lines: items.length ? [...old.lines, ...items.flatMap(split)].slice(-MOST) : old.lines, dropped, problem: null }));
    } catch (problem) {
      if (mine === state.current && problem.status !== 404 && problem.status !== 410) tell((old) => ({ ...old, problem }));
    }
    mine.busy = false;
    if (mine.wanted) {
      mine.wanted = false;
      look();
    }
  }, [id]);
  useEffect(() => {
    state.current = { after: 0, busy: false, wanted: false, id };
    tell({ lines: [], dropped: 0, problem: null });
    look();
  }, [id]);
  return { ...told, look };
}

// A line of several lines is shown as several, so that all are equally high.
const split = (line) => line.text.split("\n").map((text, i) => ({ ...line, level: line.level.toUpperCase(), text, key: `${line.seq}.${i}`, first: i === 0 }));

export function Log({ log, id, ended }) {
  const [level, setLevel] = useState("");
  const [word, setWord] = useState("");
  const [following, setFollowing] = useState(true);
  const lines = useMemo(() => fitting(log.lines, level, word), [log.lines, level, word]);
  const save = () => download(`${id}.log`, log.lines.map((line) => `${line.at || "-"} ${line.level} ${line.text}\n`).join(""));
  return html`<section class="card log" aria-labelledby="log">
    <div class="head"><h2 id="log">Log</h2>
      ${log.lines.length > 0 && html`<div class="actions">
        <span class="help">${count(lines.length)}${lines.length === log.lines.length ? "" : ` of ${count(log.lines.length)}`} lines${
          log.dropped ? `, ${count(log.dropped)} more were too many to keep` : ""}</span>
        <input type="search" aria-label="Search the log" placeholder="Search" value=${word} onInput=${(event) => setWord(event.target.value)} />
        <select aria-label="Level" value=${level} onChange=${(event) => setLevel(event.target.value)}>
          <option value="">Every level</option>${LEVELS.slice(1).map((one) => html`<option value=${one}>${one} and above</option>`)}
        </select>
        <label class="inline"><input type="checkbox" checked=${following} onChange=${(event) => setFollowing(event.target.checked)} /> Follow</label>
        <button class="quiet" onClick=${save}>Download</button>
      </div>`}</div>
    <${Trouble} problem=${log.problem} />
    ${lines.length ? html`<${Lines} lines=${lines} following=${following} onLeave=${() => setFollowing(false)} />`
      : html`<p class="help">${log.lines.length ? "No line fits." : ended ? "It said nothing." : "Nothing yet. What the job prints and logs appears here."}</p>`}
  </section>`;
}

function fitting(lines, level, word) {
  const least = LEVELS.indexOf(level);
  const wanted = word.toLowerCase();
  if (least < 0 && !wanted) return lines;
  return lines.filter((line) => LEVELS.indexOf(line.level) >= least && line.text.toLowerCase().includes(wanted));
}

function Lines({ lines, following, onLeave }) {
  const box = useRef(null);
  const [top, setTop] = useState(0);
  const [room, setRoom] = useState(400);
  const byHand = useRef(0);
  useLayoutEffect(() => {
    setRoom(box.current.clientHeight);
    if (following) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, following]);
  const scroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    setTop(scrollTop);
    if (following && performance.now() - byHand.current < 1000 && scrollHeight - scrollTop - clientHeight > 2 * HEIGHT) onLeave();
  };
  const touch = () => (byHand.current = performance.now());
  const from = Math.max(0, Math.floor(top / HEIGHT) - BEYOND);
  const shown = lines.slice(from, Math.ceil((top + room) / HEIGHT) + BEYOND);
  return html`<div ref=${box} class="lines" role="log" aria-live="off" aria-label="Lines of the log" tabindex="0"
      onScroll=${scroll} onWheel=${touch} onTouchMove=${touch} onKeyDown=${touch} onPointerDown=${touch}>
    <div style=${{ height: `${lines.length * HEIGHT}px` }}>
      <div style=${{ transform: `translateY(${from * HEIGHT}px)` }}>${shown.map((line) => html`<div class="line ${line.level}" key=${line.key}>
        <time>${line.first ? moment(line.at) : ""}</time><b>${line.first && line.level !== "INFO" ? line.level : ""}</b><span>${line.text}</span></div>`)}
      </div>
    </div>
  </div>`;
}
