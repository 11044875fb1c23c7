// A retry with other arguments: the task's own form, filled as the job was.
import { html, useEffect, useRef, useState } from "./vendor/ui.js";
import { ask } from "./api.js";
import { useAsked } from "./asked.js";
import { Arguments } from "./form.js";
import { Loading, Trouble } from "./parts.js";
import { hidesSomething, withoutHidden } from "./schema.js";

export function Retry({ job, onClose, onDone }) {
  const dialog = useRef(null);
  const { value: task, problem } = useAsked(`/api/tasks/${encodeURIComponent(job.task)}`);
  useEffect(() => {
    dialog.current.showModal();
  }, []);
  return html`<dialog ref=${dialog} class="wide" onClose=${onClose} aria-labelledby="retry-title">
    <h2 id="retry-title">Run ${job.task} again</h2>
    <${Trouble} problem=${problem} />
    ${!task && !problem && html`<${Loading} />`}
    ${task && html`<${Form} job=${job} task=${task} onDone=${onDone} onClose=${() => dialog.current.close()} />`}
    ${problem && html`<button class="quiet" onClick=${() => dialog.current.close()}>Close</button>`}
  </dialog>`;
}

function Form({ job, task, onDone, onClose }) {
  const [value, setValue] = useState(() => withoutHidden(job.arguments || {}));
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await ask("POST", `/api/jobs/${encodeURIComponent(job.id)}/retry`, { body: { arguments: value } });
      onDone();
    } catch (refusal) {
      setProblem(refusal);
      setBusy(false);
    }
  };
  return html`<form onSubmit=${submit} novalidate>
    ${hidesSomething(job.arguments) && html`<p class="sign">Secrets are not shown: give them again.</p>`}
    ${job.arguments === null && html`<p class="sign">The arguments were too large to keep: give them again.</p>`}
    <${Arguments} schema=${task.schema} value=${value} onChange=${setValue} problem=${problem} />
    <div class="actions end">
      <button type="button" class="quiet" onClick=${onClose}>Leave it</button>
      <button class="strong" disabled=${busy}>Retry with these</button>
    </div>
  </form>`;
}
