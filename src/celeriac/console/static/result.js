// What a job returned: a picture as a picture, a file as a file, and else the JSON that it is.
import { html, useState } from "./vendor/ui.js";
import { ask } from "./api.js";
import { Files, isFile } from "./file.js";
import { Copy, Json, Trouble, download } from "./parts.js";
import { bytes } from "./time.js";

const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+$/;
const FILE = /^data:([\w.+-]+\/[\w.+-]+);base64,([A-Za-z0-9+/=]+)$/;

export function Result({ job }) {
  const [loaded, setLoaded] = useState(null);
  const [problem, setProblem] = useState(null);
  if (job.state !== "succeeded") return null;
  const large = isFile(job.result) ? null : job.links?.result;
  const value = loaded ? loaded.value : job.result;
  const load = () => ask("GET", large).then((value) => setLoaded({ value }), setProblem);
  if (large && !loaded) {
    return html`<section class="card" aria-labelledby="result"><h2 id="result">Result</h2>
      <p>It is too large to be shown at once. <button onClick=${load}>Load it</button></p><${Trouble} problem=${problem} /></section>`;
  }
  const text = JSON.stringify(value, null, 2);
  return html`<section class="card" aria-labelledby="result">
    <div class="head"><h2 id="result">Result</h2>${!isFile(value) && html`<div class="actions"><${Copy} text=${text} />
      <button class="quiet" onClick=${() => download(`${job.id}.json`, text, "application/json")}>Download</button></div>`}</div>
    <${Files} job=${job} value=${value} pictures=${true} />
    ${!isFile(value) && html`<${Value} value=${value} id=${job.id} />`}
  </section>`;
}

function Value({ value, id }) {
  if (value === null) return html`<p class="help">It returned nothing.</p>`;
  const pictures = texts(value).filter(([, text]) => PICTURE.test(text));
  const files = texts(value).filter(([, text]) => FILE.test(text) && !PICTURE.test(text));
  return html`
    ${pictures.map(([name, text]) => html`<figure><img src=${text} alt=${name || "The result, a picture"} />
      <figcaption>${name} <a download=${`${id}-${name || "picture"}`} href=${text}>Download</a></figcaption></figure>`)}
    ${files.map(([name, text]) => html`<p><a download=${`${id}-${name || "file"}`} href=${text}>Download ${name || "the file"}</a>
      <small> ${FILE.exec(text)[1]}, ${bytes(Math.floor(text.length * 0.75))}</small></p>`)}
    ${typeof value === "string" && PICTURE.test(value) ? null : html`<${Json} value=${named(value)} label="Result" />`}`;
}

// In the JSON a file is named, not spelled out.
function named(value) {
  const name = (text) => (FILE.test(text) ? `${text.slice(0, text.indexOf(","))} …, ${bytes(Math.floor(text.length * 0.75))}` : text);
  if (typeof value === "string") return name(value);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, typeof one === "string" ? name(one) : one]));
}

// The result itself when it is text, else the texts of its first level.
function texts(value) {
  if (typeof value === "string") return [["", value]];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).filter(([, one]) => typeof one === "string");
}
