// A chart over time, by uPlot, in the colours of the page. The same numbers stand in a table for who cannot see it.
import { html, uPlot, useEffect, useRef } from "./vendor/ui.js";
import { moment } from "./time.js";

const HEIGHT = 180;

// `series`: [{ label, colour (a CSS variable), fill }], `rows`: [[seconds, ...values]], null where nothing is known.
export function Chart({ title, note, series, rows, shown }) {
  const box = useRef(null);
  const chart = useRef(null);
  const latest = useRef({});
  latest.current = { series, rows, shown };
  const names = series.map((one) => one.label).join();
  useEffect(() => {
    const place = box.current; // the ref is empty before an observer of a page that was left is
    const make = () => {
      chart.current?.destroy();
      chart.current = new uPlot(options(place, latest.current), columns(latest.current.rows, series.length), place);
    };
    make();
    const fit = new ResizeObserver(() => chart.current?.setSize({ width: place.clientWidth, height: HEIGHT }));
    fit.observe(place);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", make);
    window.addEventListener("theme", make);
    return () => {
      fit.disconnect();
      dark.removeEventListener("change", make);
      window.removeEventListener("theme", make);
      chart.current.destroy();
      chart.current = null;
    };
  }, [names]);
  useEffect(() => chart.current?.setData(columns(rows, series.length)), [rows]);
  return html`<figure class="card chart"><figcaption><h2>${title} ${note && html`<small>${note}</small>`}</h2>
    <span class="legend">${series.map((one) => html`<span key=${one.label}><i class="dot ${one.colour}"></i>${one.label}</span>`)}</span></figcaption>
    <div ref=${box} aria-hidden="true"></div>
    <details class="numbers"><summary>As numbers</summary><div class="scroll" tabindex="0" role="region" aria-label=${title}>
      <table><thead><tr><th>From</th>${series.map((one) => html`<th class="n">${one.label}</th>`)}</tr></thead>
      <tbody>${rows.slice(-100).reverse().map(([at, ...values]) => html`<tr key=${at}><td>${moment(at * 1000)}</td>
        ${values.map((value) => html`<td class="n">${value === null ? "–" : shown(value)}</td>`)}</tr>`)}</tbody></table></div></details>
  </figure>`;
}

const columns = (rows, n) => Array.from({ length: n + 1 }, (_, i) => rows.map((row) => row[i] ?? null));

function options(box, { series, shown }) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => resolved(style.getPropertyValue(`--${name}`).trim());
  const axis = { stroke: colour("faint"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  return {
    width: box.clientWidth, height: HEIGHT, legend: { show: false }, cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_, low, high) => [0, Math.max(high || 0, 1e-3) * 1.1] } },
    axes: [axis, { ...axis, size: 56, values: (_, ticks) => ticks.map((value) => (value ? shown(value) : "0")) }],
    series: [{}, ...series.map((one) => ({
      label: one.label, stroke: colour(one.colour), width: 2, points: { show: false },
      fill: one.fill ? translucent(colour(one.colour)) : undefined,
    }))],
  };
}

// A canvas does not know light-dark(): the browser is asked what it comes to.
function resolved(value) {
  const probe = document.createElement("i");
  probe.style.color = value;
  document.body.append(probe);
  const told = getComputedStyle(probe).color;
  probe.remove();
  return told;
}

const translucent = (rgb) => rgb.replace("rgb(", "rgba(").replace(")", ", 0.12)");
