// One field of a form, from its JSON Schema: what it is called, what it takes, what is wrong with it.
import { html, useEffect, useId, useRef, useState } from "./vendor/ui.js";
import { Upload } from "./file.js";
import { bytes } from "./time.js";
import { emptyValue, firstGroup, firstValue, limits, pointer, shapeOf } from "./schema.js";

const INPUTS = { text: "text", date: "date", time: "time", email: "email", url: "url", password: "password" };

// `name` is the property's; `at` its JSON Pointer; `wrong` maps pointers to what is wrong there.
export function Field({ schema, whole, name, at, value, required, onChange, wrong }) {
  const id = useId();
  const shape = shapeOf(schema, whole);
  const Asked = KINDS[shape.kind] || Line;
  const detail = wrongAt(wrong, at, shape.kind);
  const help = [shape.description, limits(shape)].filter(Boolean).join(" · ");
  const told = [help && `${id}-help`, detail && `${id}-wrong`].filter(Boolean).join(" ");
  const facts = { id, "aria-describedby": told || undefined, "aria-invalid": detail ? "true" : undefined };
  const about = html`
    ${help && html`<p class="help" id="${id}-help">${help}</p>`}
    ${detail && html`<p class="wrong" id="${id}-wrong">${detail}</p>`}`;
  const given = { shape, whole, at, value, required, onChange, wrong, facts, label: name, about };
  if (shape.kind === "group" || shape.kind === "list" || shape.kind === "variant") return html`<${Asked} ...${given} />`;
  return html`<div class="field ${shape.kind}">
    <label for=${id}>${name}${!required && html` <small>optional</small>`}</label>
    <${Asked} ...${given} />${about}
  </div>`;
}

function wrongAt(wrong, at, kind) {
  if (wrong[at]) return wrong[at];
  if (kind === "group" || kind === "list") return undefined; // their own fields say it
  return Object.entries(wrong).find(([where]) => where.startsWith(`${at}/`))?.[1];
}

// What was left empty is not sent, or is null where only that can be.
function unsaid(shape, required) {
  return shape.nullable ? null : required && shape.kind === "text" ? "" : undefined;
}

function Line({ shape, value, required, onChange, facts }) {
  const change = (event) => onChange(event.target.value === "" ? unsaid(shape, required) : event.target.value);
  if (shape.kind === "text" && (shape.maxLength > 200 || String(value ?? "").includes("\n"))) {
    return html`<textarea ...${facts} rows="4" value=${value ?? ""} onInput=${change} />`;
  }
  return html`<input ...${facts} type=${INPUTS[shape.kind] || "text"} step=${shape.kind === "time" ? 1 : undefined}
    maxlength=${shape.maxLength} value=${value ?? ""} onInput=${change} autocomplete="off" />`;
}

// The text stays as it was typed ("1." on the way to "1.5"); what is no number goes to the server, which says so.
function Numeral({ shape, value, required, onChange, facts }) {
  const [text, setText] = useState(value ?? "");
  const change = (event) => {
    const typed = event.target.value;
    const trimmed = typed.trim();
    setText(typed);
    const number = Number(trimmed);
    onChange(trimmed === "" ? unsaid(shape, required) : Number.isFinite(number) ? number : trimmed);
  };
  return html`<input ...${facts} type="text" inputmode=${shape.type === "integer" ? "numeric" : "decimal"} value=${text}
    onInput=${change} autocomplete="off" />`;
}

function Switch({ value, onChange, facts }) {
  return html`<input ...${facts} type="checkbox" role="switch" checked=${Boolean(value)}
    onChange=${(event) => onChange(event.target.checked)} />`;
}

function Choice({ shape, value, required, onChange, facts }) {
  const options = shape.enum || [shape.const];
  const chosen = options.findIndex((one) => one === value);
  const open = shape.nullable || !required || chosen < 0;
  const change = (event) => onChange(event.target.value === "" ? unsaid(shape, false) : options[event.target.value]);
  return html`<select ...${facts} value=${chosen < 0 ? "" : String(chosen)} onChange=${change}>
    ${open && html`<option value="">–</option>`}
    ${options.map((one, i) => html`<option value=${String(i)}>${String(one)}</option>`)}
  </select>`;
}

// In the viewer's own zone; sent with it.
function Moment({ shape, value, required, onChange, facts }) {
  const at = value ? new Date(value) : null;
  const local = at && !Number.isNaN(+at) ? new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19) : "";
  const change = ({ target }) => onChange(target.value ? new Date(target.value).toISOString() : unsaid(shape, required));
  return html`<input ...${facts} type="datetime-local" step="1" value=${local} onChange=${change} />`;
}

function File({ shape, required, onChange, facts }) {
  const [picked, setPicked] = useState("");
  const change = async ({ target }) => {
    const [file] = target.files;
    if (!file) return onChange(unsaid(shape, required));
    setPicked(`${file.name}, ${bytes(file.size)}`);
    const data = new Uint8Array(await file.arrayBuffer());
    let text = "";
    for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
    const encoded = btoa(text);
    return onChange(shape.format === "base64url" ? encoded.replace(/\+/g, "-").replace(/\//g, "_") : encoded);
  };
  return html`<input ...${facts} type="file" onChange=${change} /><small>${picked}</small>`;
}

function Sent({ shape, value, required, onChange, facts }) {
  return html`<${Upload} value=${value} onChange=${onChange} nothing=${unsaid(shape, required)} facts=${facts} />`;
}

function Free({ shape, value, required, onChange, facts }) {
  const [text, setText] = useState(value === undefined || value === null ? "" : JSON.stringify(value, null, 2));
  const [problem, setProblem] = useState("");
  const change = (event) => {
    setText(event.target.value);
    try {
      onChange(event.target.value.trim() ? JSON.parse(event.target.value) : unsaid(shape, required));
      setProblem("");
    } catch (error) {
      setProblem(`This is no JSON: ${error.message}`);
    }
  };
  return html`<textarea ...${facts} class="code" rows="4" spellcheck="false" value=${text} onInput=${change} />
    <p class="help">JSON</p>${problem && html`<p class="wrong" role="status">${problem}</p>`}`;
}

function Group({ shape, whole, at, value, required, onChange, wrong, label, about }) {
  const given = value !== undefined && value !== null;
  const optional = shape.nullable || !required;
  const toggle = (event) => onChange(event.target.checked ? firstGroup(shape, whole) : unsaid(shape, required));
  return html`<fieldset>
    <legend>${optional
      ? html`<label><input type="checkbox" checked=${given} onChange=${toggle} /> ${label} <small>optional</small></label>`
      : label}</legend>
    ${about}
    ${given && html`<${Fields} shape=${shape} whole=${whole} at=${at} value=${value} onChange=${onChange} wrong=${wrong} />`}
  </fieldset>`;
}

export function Fields({ shape, whole, at, value, onChange, wrong }) {
  const latest = useRef(value);
  latest.current = value;
  const change = (name) => (one) => {
    const made = { ...latest.current, [name]: one };
    if (one === undefined) delete made[name];
    latest.current = made;
    onChange(made);
  };
  return Object.entries(shape.properties || {}).map(
    ([name, inner]) => html`<${Field} key=${name} schema=${inner} whole=${whole} name=${name} at=${pointer(at, name)}
      value=${value?.[name]} required=${(shape.required || []).includes(name)} onChange=${change(name)} wrong=${wrong} />`,
  );
}

function List({ shape, whole, at, value, onChange, wrong, label, required, about }) {
  const items = Array.isArray(value) ? value : [];
  const keys = useRef([]);
  const next = useRef(0);
  while (keys.current.length < items.length) keys.current.push(next.current++);
  const add = () => onChange([...items, firstValue(shape.items, whole, true) ?? emptyValue(shapeOf(shape.items, whole), whole)]);
  const remove = (i) => {
    keys.current.splice(i, 1);
    onChange(items.filter((_, j) => j !== i));
  };
  const change = (i) => (one) => onChange(items.map((old, j) => (j === i ? one : old)));
  return html`<fieldset>
    <legend>${label}${!required && html` <small>optional</small>`}</legend>
    ${about}
    ${items.map((one, i) => html`<div class="item" key=${keys.current[i]}>
      <${Field} schema=${shape.items} whole=${whole} name=${`${label} ${i + 1}`} at=${pointer(at, i)} value=${one}
        required=${true} onChange=${change(i)} wrong=${wrong} />
      <button type="button" class="quiet" aria-label=${`Remove ${label} ${i + 1}`} onClick=${() => remove(i)}>✕</button>
    </div>`)}
    <button type="button" class="quiet" disabled=${items.length >= (shape.maxItems ?? Infinity)} onClick=${add}>
      Add to ${label}</button>
  </fieldset>`;
}

function Variant({ shape, whole, at, value, required, onChange, wrong, label, about }) {
  const id = useId();
  const [chosen, choose] = useState(() => Math.max(0, shape.variants.findIndex((one) => suits(one, value))));
  const inner = shape.variants[chosen];
  const touched = useRef(false);
  useEffect(() => {
    if (touched.current) onChange(firstValue({ ...inner, default: undefined }, whole, true));
    touched.current = true;
  }, [chosen]);
  return html`<fieldset>
    <legend>${label}</legend>${about}
    <div class="field"><label for=${id}>Given as</label>
      <select id=${id} value=${String(chosen)} onChange=${(event) => choose(Number(event.target.value))}>
        ${shape.variants.map((one, i) => html`<option value=${String(i)}>${one.title || one.type || "any"}</option>`)}
      </select></div>
    <${Field} key=${chosen} schema=${inner} whole=${whole} name=${label} at=${at} value=${value} required=${required}
      onChange=${onChange} wrong=${wrong} />
  </fieldset>`;
}

function suits(one, value) {
  const type = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
  return one.type === type || (one.type === "integer" && Number.isInteger(value));
}

const KINDS = {
  boolean: Switch, number: Numeral, choice: Choice, moment: Moment, file: File, upload: Sent, json: Free, group: Group, list: List,
  variant: Variant,
};
