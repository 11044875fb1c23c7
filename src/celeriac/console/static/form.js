// A form for the arguments of a task, made of its JSON Schema; and the same request as a command line.
import { html, useEffect, useRef } from "./vendor/ui.js";
import { Fields } from "./field.js";
import { Copy, Trouble } from "./parts.js";

// `body` of a request may have the arguments inside; what is wrong is told at the fields all the same.
export function wrongFields(problem) {
  const wrong = {};
  for (const { pointer, detail } of problem?.errors || []) wrong[pointer.replace(/^\/arguments(?=\/)/, "")] ??= detail;
  return wrong;
}

export function Arguments({ schema, value, onChange, problem }) {
  const fields = useRef(null);
  const wrong = wrongFields(problem);
  useEffect(() => {
    if (problem) fields.current?.querySelector("[aria-invalid=true]")?.focus();
  }, [problem]);
  const known = Object.keys(schema.properties || {});
  const elsewhere = Object.entries(wrong).filter(([at]) => !known.includes(at.split("/")[1]));
  return html`<div ref=${fields} class="arguments">
    ${!known.length && html`<p class="help">It takes no arguments.</p>`}
    <${Fields} shape=${schema} whole=${schema} at="" value=${value} onChange=${onChange} wrong=${wrong} />
    <${Trouble} problem=${problem} />
    ${elsewhere.map(([at, detail]) => html`<p class="wrong">${at || "The whole"}: ${detail}</p>`)}
  </div>`;
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

export function curl(path, body, needsToken) {
  const lines = [`curl -X POST ${quoted(location.origin + path)}`];
  if (needsToken) lines.push(`-H "Authorization: Bearer $TOKEN"`);
  lines.push(`-H 'Content-Type: application/json'`, `-d ${quoted(JSON.stringify(body))}`);
  return lines.join(" \\\n  ");
}

export function Curl({ path, body, needsToken }) {
  const text = curl(path, body, needsToken);
  return html`<section class="card curl" aria-labelledby="curl">
    <div class="head"><h2 id="curl">The same from a terminal</h2><${Copy} text=${text} /></div>
    <pre tabindex="0" role="region" aria-label="curl">${text}</pre>
  </section>`;
}
