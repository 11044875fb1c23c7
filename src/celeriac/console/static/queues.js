// The queues: what waits where, for how long, and who listens.
import { html, useEffect } from "./vendor/ui.js";
import { atMost, useAsked } from "./asked.js";
import { Loading, Page, Trouble } from "./parts.js";
import { Queues as Table } from "./queuetable.js";
import { follow } from "./stream.js";

export function Queues() {
  const { value, problem, again } = useAsked("/api/queues", 5);
  useEffect(() => {
    const look = atMost(1000, again);
    const leave = follow(null, look);
    return () => {
      look.stop();
      leave();
    };
  }, []);
  return html`<${Page} title="Queues">
    <p class="lead">A paused queue hands out no more jobs; those that run go on, and new ones wait.</p>
    <${Trouble} problem=${problem} />
    ${!value && !problem && html`<${Loading} />`}
    ${value && html`<${Table} queues=${value.items} again=${again} />`}
  <//>`;
}
