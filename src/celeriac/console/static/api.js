// Calls to the JSON API. Whatever goes wrong is a Problem: a sentence, a remedy, and what is wrong in which field.
import { signal } from "./vendor/ui.js";

export const root = new URL("../..", import.meta.url).pathname; // where the app stands; the console is at root + console/
export const signedOut = signal(false); // the API has refused us for want of a token
export const clock = { ahead: 0 }; // ms that the server's clock is ahead of the viewer's
export const link = { job: "", key: "" }; // a signed link, which opens one job to whoever has it

export class Problem extends Error {
  constructor(told, status, retryAfter = 0) {
    super(told.detail || told.title || `The server answered ${status}.`);
    this.hint = told.hint || "";
    this.errors = told.errors || [];
    this.requestId = told.request_id || "";
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

export function address(path) {
  const url = new URL(root + path.replace(/^\//, ""), location.origin);
  if (link.key && decodeURIComponent(url.pathname).startsWith(`${root}api/jobs/${link.job}`)) {
    url.searchParams.set("key", link.key);
  }
  return url.pathname + url.search;
}

export async function ask(method, path, { body, raw, headers = {}, signal: stop, as = "json" } = {}) {
  const options = { method, headers: { Accept: "application/json", ...headers }, signal: stop };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  } else if (raw) {
    options.body = raw; // a file says its own media type
    options.headers["Content-Type"] = raw.type || "application/octet-stream";
  }
  const answer = await reach(path, options);
  noteClock(answer);
  if (answer.ok) return answer.status === 204 ? null : answer[as]();
  if (answer.status === 401 && path !== "/api/session") signedOut.value = true;
  throw new Problem(await told(answer), answer.status, seconds(answer.headers.get("Retry-After")));
}

async function reach(path, options) {
  try {
    return await fetch(address(path), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "The server cannot be reached.", hint: "It is tried again by itself." }, 0, 3);
  }
}

async function told(answer) {
  const kind = answer.headers.get("Content-Type") || "";
  if (!kind.includes("json")) return {};
  try {
    return await answer.json();
  } catch {
    return {}; // a proxy in front said json and sent none; the status still says what happened
  }
}

function seconds(text) {
  const number = Number(text);
  return Number.isFinite(number) && number > 0 ? number : 0;
}

function noteClock(answer) {
  const date = Date.parse(answer.headers.get("Date") || "");
  // The header has whole seconds, so only what is clearly more than that is another clock.
  if (date) clock.ahead = Math.abs(date - Date.now()) > 3000 ? date - Date.now() : 0;
}

export const now = () => Date.now() + clock.ahead;

export function query(values) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of [value].flat()) if (one !== "" && one !== undefined && one !== null) search.append(name, one);
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}
