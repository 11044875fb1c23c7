// Where the viewer is: the address bar is the only state of a page that is kept, so every view can be sent as a link.
import { signal } from "./vendor/ui.js";
import { root } from "./api.js";

export const base = `${root}console/`;
export const place = signal(read());

function read() {
  const path = location.pathname.startsWith(base) ? location.pathname.slice(base.length) : "";
  return { path: path.replace(/\/+$/, ""), query: Object.fromEntries(new URLSearchParams(location.search)) };
}

export const to = (path) => base + path;
export const toJob = (id) => to(`jobs/${encodeURIComponent(id)}`);

export function go(address, { replace = false } = {}) {
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  const before = place.value.path;
  place.value = read();
  if (place.value.path !== before) window.scrollTo(0, 0);
}

export function setQuery(values, options) {
  const search = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
  go(location.pathname + (search.size ? `?${search}` : ""), options);
}

window.addEventListener("popstate", () => (place.value = read()));

// Links within the console change the page without loading it anew; all others, and those of a held key, stay links.
document.addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[href]");
  if (!anchor || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (anchor.target || anchor.hasAttribute("download") || anchor.origin !== location.origin) return;
  if (!anchor.pathname.startsWith(base) || anchor.hash) return;
  event.preventDefault();
  go(anchor.pathname + anchor.search);
});
