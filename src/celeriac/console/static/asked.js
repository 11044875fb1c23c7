// What a part of a page has asked the API for: the answer, or the problem, asked again as often as it should be.
import { useEffect, useRef, useState } from "./vendor/ui.js";
import { ask } from "./api.js";

const PAUSE = 5; // seconds before what went wrong is tried again

// `every`: seconds between two looks, 0 for one alone; a hidden tab does not look. `again` looks at once.
export function useAsked(path, every = 0) {
  const [told, tell] = useState({ path: null });
  const look = useRef(() => {});
  useEffect(() => {
    if (!path) return undefined;
    const asking = asker(path, every, tell);
    look.current = asking.look;
    asking.look();
    return asking.stop;
  }, [path, every]);
  const mine = told.path === path ? told : {};
  return { value: mine.value, problem: mine.problem, again: () => look.current() };
}

function asker(path, every, tell) {
  const stopping = new AbortController();
  let timer = 0;
  let busy = false;
  let wanted = false;

  async function look() {
    if (busy) return void (wanted = true);
    busy = true;
    clearTimeout(timer);
    const pause = await once();
    busy = false;
    if (stopping.signal.aborted) return;
    if (wanted) {
      wanted = false;
      look();
    } else if (pause) timer = setTimeout(() => (document.hidden ? waitForEyes() : look()), pause * 1000);
  }

  async function once() {
    try {
      tell({ path, value: await ask("GET", path, { signal: stopping.signal }) });
      return every;
    } catch (problem) {
      if (stopping.signal.aborted) return 0;
      tell((old) => ({ path, value: old.path === path ? old.value : undefined, problem }));
      const passing = problem.status === 0 || problem.status === 429 || problem.status >= 500;
      return passing || every ? Math.max(every, PAUSE, problem.retryAfter || 0) : 0;
    }
  }

  const waitForEyes = () => document.addEventListener("visibilitychange", look, { once: true });
  const stop = () => {
    stopping.abort();
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
  return { look, stop };
}

// Call `run` at once, and then at most once in `ms` however often it is wanted: the last wish is always served.
export function atMost(ms, run) {
  let last = 0;
  let timer = 0;
  const call = () => {
    timer = 0;
    last = performance.now();
    run();
  };
  const want = () => {
    if (!timer) timer = setTimeout(call, Math.max(0, last + ms - performance.now()));
  };
  want.stop = () => clearTimeout(timer);
  return want;
}
