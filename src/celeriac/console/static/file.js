// Files of jobs: sent before the job that takes them, seen and fetched where it took or returned them.
import { html, useRef, useState } from "./vendor/ui.js";
import { address, ask, query } from "./api.js";
import { bytes } from "./time.js";

export const FILE_MARK = "x-celeriac-file"; // in the schema of a parameter that takes a file
const PICTURES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);
const LARGEST = 20 << 20; // bytes of a picture that is shown without being asked for
const DEEPEST = 20;
const FIELDS = new Set(["file", "name", "media_type", "size"]);

export const isFile = (value) => typeof value?.file === "string" && Object.keys(value).every((name) => FIELDS.has(name));

// The files within a value, each once.
export function filesIn(value, depth = 0) {
  if (typeof value !== "object" || value === null || depth > DEEPEST) return [];
  if (isFile(value)) return [value];
  const found = Object.values(value).flatMap((one) => filesIn(one, depth + 1));
  return [...new Map(found.map((one) => [one.file, one])).values()];
}

// What a job took or returned; a picture is shown as one.
export function Files({ job, value, pictures = false }) {
  return filesIn(value).map((one) => {
    const at = address(`/api/jobs/${encodeURIComponent(job.id)}/files/${encodeURIComponent(one.file)}`);
    const name = one.name || "file";
    const told = [one.media_type, one.size !== undefined && bytes(one.size)].filter(Boolean).join(", ");
    const link = html`<a href=${at} download=${name}>Download ${name}</a> <small>${told}</small>`;
    if (!pictures || !PICTURES.has(one.media_type) || one.size > LARGEST) return html`<p key=${one.file}>${link}</p>`;
    return html`<figure key=${one.file}><img src=${at} alt=${name} loading="lazy" /><figcaption>${link}</figcaption></figure>`;
  });
}

// A field that sends the file at once; what goes into the form is what stands for it.
export function Upload({ value, onChange, nothing, facts }) {
  const [said, say] = useState("");
  const [problem, setProblem] = useState(null);
  const latest = useRef(0);
  const change = async ({ target }) => {
    const [file] = target.files;
    const mine = ++latest.current;
    setProblem(null);
    onChange(nothing);
    if (!file) return say("");
    say(`Sending ${file.name}, ${bytes(file.size)}…`);
    try {
      const sent = await ask("POST", `/api/files${query({ name: file.name })}`, { raw: file });
      if (mine !== latest.current) return undefined;
      say(`${file.name}, ${bytes(file.size)}: sent.`);
      return onChange(sent.argument);
    } catch (refusal) {
      if (mine !== latest.current) return undefined;
      say("");
      return setProblem(refusal);
    }
  };
  const kept = !said && isFile(value) ? `As it was: ${value.name || value.file}.` : "";
  return html`<input ...${facts} type="file" onChange=${change} />
    <small role="status">${said || kept}</small>
    ${problem && html`<p class="wrong" role="alert">${problem.message} ${problem.hint}</p>`}`;
}
