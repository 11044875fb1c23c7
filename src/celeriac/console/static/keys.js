// The list of jobs by keyboard: j and k walk, x chooses, Enter opens, / searches. Only where nobody is typing.
import { useEffect, useRef } from "./vendor/ui.js";
import { go, toJob } from "./place.js";

const TYPING = "input:not([type=checkbox]), textarea, select";

export function useKeys(choose) {
  const latest = useRef(choose);
  latest.current = choose;
  useEffect(() => {
    const press = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches(TYPING)) return;
      const rows = [...document.querySelectorAll("table.jobs tbody tr")];
      const at = rows.findIndex((row) => row.classList.contains("here"));
      const acts = {
        j: () => walk(rows, at, at + 1),
        k: () => walk(rows, at, at < 0 ? 0 : at - 1),
        x: () => at >= 0 && latest.current(rows[at].dataset.id),
        "/": () => document.getElementById("search")?.focus(),
      };
      if (event.key === "Enter" && at >= 0 && !event.target.matches("a, button, input")) go(toJob(rows[at].dataset.id));
      if (!acts[event.key]) return;
      event.preventDefault();
      acts[event.key]();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

function walk(rows, from, to) {
  if (!rows[to]) return;
  rows[from]?.classList.remove("here");
  rows[to].classList.add("here");
  rows[to].querySelector("a").focus({ preventScroll: true });
  rows[to].scrollIntoView({ block: "nearest" });
}
