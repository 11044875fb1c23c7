/* <job-progress src="/api/jobs/ID?key=…" cancel></job-progress>
   How far a job is, what it said last, how it ended; `cancel` adds a button. `src` is a signed link. It listens to events,
   comes back after any cut, and asks again and again where no stream is to be had. Fires job-state, job-progress, job-log,
   job-reset, job-end; the detail of job-end is the whole job. Style its parts: state, cancel, bar, words. */
const SHEET = new CSSStyleSheet();
SHEET.replaceSync(`
  :host { display: block; max-width: 40rem }
  :host([hidden]) { display: none }
  header { display: flex; justify-content: space-between; min-height: 2em }
  progress { width: 100%; accent-color: currentColor }
  p { margin: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-height: 1.2em }
`);
const OVER = ["succeeded", "failed", "cancelled", "lost", "cancelling", "unknown"];

class JobProgress extends HTMLElement {
  static observedAttributes = ["src"];
  #source; #last; #parts = {};

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [SHEET];
    const make = (tag) => document.createElement(tag);
    const add = (to, tag, part) => (this.#parts[part] = to.appendChild(Object.assign(make(tag), { part })));
    const header = root.appendChild(make("header"));
    add(header, "span", "state").role = "status";
    add(header, "button", "cancel").textContent = "Cancel";
    add(root, "progress", "bar").ariaLabel = "Progress";
    add(root, "p", "words");
    this.#parts.cancel.hidden = true;
    this.#parts.cancel.onclick = () => this.#cancel();
  }

  connectedCallback() { this.#open(); }
  disconnectedCallback() { this.#close(); }
  attributeChangedCallback(_, before, now) {
    if (before === now || !this.isConnected) return;
    this.#last = undefined;
    this.#open();
  }

  #url(tail = "", more = {}) {
    const url = new URL(this.getAttribute("src"), document.baseURI);
    url.pathname += tail;
    for (const name in more) url.searchParams.set(name, more[name]);
    return url;
  }

  #open() {
    this.#close();
    if (!this.getAttribute("src")) return;
    const source = (this.#source = new EventSource(this.#url("/events", this.#last && { last_event_id: this.#last })));
    for (const kind of ["state", "progress", "log", "reset", "end"])
      source.addEventListener(kind, (event) => {
        this.#last = event.lastEventId;
        this.#told(kind, JSON.parse(event.data));
      });
    source.onerror = () => source.readyState === EventSource.CLOSED && source === this.#source && this.#poll(source);
  }

  #close() {
    this.#source?.close();
    this.#source = undefined;
  }

  #told(kind, data) {
    if (kind === "end") return this.#poll(this.#source); // the result is in the job itself
    if (data.state) this.#state(data.state);
    if (kind === "progress") this.#progress(data);
    if (kind === "log") this.#words(data.text);
    if (kind === "reset") {
      if (data.progress) this.#progress(data.progress);
      this.#words(data.log.at(-1)?.text);
    }
    this.#fire(kind, data);
  }

  // Asks for the job itself until it has ended, or a stream may be had again.
  async #poll(source) {
    source.close();
    for (let left = 10; source === this.#source; ) {
      let wait = 5;
      try {
        const answer = await fetch(this.#url());
        if (source !== this.#source) return;
        wait = +answer.headers.get("Retry-After") || wait;
        if ([401, 403, 404, 410].includes(answer.status)) return this.#state("unknown");
        if (answer.ok && this.#job(await answer.json())) return;
      } catch (error) {
        console.debug(error); // next time, perhaps
      }
      await new Promise((go) => setTimeout(go, wait * 1000));
      if ((left -= wait) <= 0 && source === this.#source) return this.#open();
    }
  }

  #job(job) {
    this.#state(job.state);
    if (job.progress) this.#progress(job.progress);
    if (!job.done) return false;
    this.#parts.bar.value = job.state === "succeeded" ? 1 : this.#parts.bar.value || 0;
    if (job.error) this.#words(`${job.error.type}: ${job.error.message}`);
    this.#fire("end", job);
    return true;
  }

  #state(state) {
    this.setAttribute("state", state);
    this.#parts.state.textContent = state;
    this.#parts.cancel.hidden = !this.hasAttribute("cancel") || OVER.includes(state);
  }

  #progress({ percent, message }) {
    if (percent === null) this.#parts.bar.removeAttribute("value");
    else this.#parts.bar.value = percent / 100;
    if (message) this.#words(message);
  }

  #words(text = "") { this.#parts.words.textContent = text; }
  #fire(kind, detail) { this.dispatchEvent(new CustomEvent("job-" + kind, { detail, bubbles: true })); }

  async #cancel() {
    const answer = await fetch(this.#url("/cancel"), { method: "POST" }).catch((error) => error);
    if (!answer.ok) this.#words("It could not be cancelled.");
  }
}
customElements.define("job-progress", JobProgress);
