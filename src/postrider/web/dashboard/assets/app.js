// What pages do where scripts run; without them every form and link still works.
"use strict";

(() => {
  const byAttribute = (event, name) => event.target instanceof Element && event.target.closest(`[${name}]`);

  // A live part is left alone while somebody works in it, and while nobody looks.
  const inUse = (part) =>
    document.hidden ||
    part.querySelector("input:checked:not([type=hidden]), details[open] form") !== null ||
    (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) ||
    (String(getSelection()) !== "" && part.contains(getSelection().anchorNode));

  document.addEventListener("htmx:beforeRequest", (event) => {
    const part = event.target.closest("[data-live]");
    if (part && inUse(part)) event.preventDefault();
  });

  // What is open stays open when its part is drawn anew.
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.matches("details"));

  document.addEventListener("submit", (event) => {
    const question = byAttribute(event, "data-confirm")?.dataset.confirm;
    if (question && !confirm(question)) event.preventDefault();
    if (!event.defaultPrevented && event.target.method === "post") sendOnce(event);
  });

  // A second click while the first is under way would publish, replay or create twice.
  const sent = new WeakMap();

  function sendOnce(event) {
    if (Date.now() - (sent.get(event.target) ?? 0) < 5000) event.preventDefault();
    else sent.set(event.target, Date.now());
  }

  document.addEventListener("click", async (event) => {
    const copy = byAttribute(event, "data-copy");
    if (copy) {
      await navigator.clipboard.writeText(copy.parentElement.querySelector("code").textContent);
      const label = copy.textContent;
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = label), 1500);
    }
    if (byAttribute(event, "data-theme")) switchTheme();
  });

  document.addEventListener("change", (event) => {
    const all = byAttribute(event, "data-check-all");
    if (all) {
      for (const box of all.closest("form, table").querySelectorAll("input[type=checkbox][name]")) box.checked = all.checked;
    }
    if (byAttribute(event, "data-submits")) event.target.form.requestSubmit();
  });

  function switchTheme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("postrider-theme", root.dataset.theme);
    drawCharts(document, true);
  }

  // Charts: `data-chart` has {"times": seconds, "series": [{"label", "values", "tone"}], "unit"}.
  const drawn = new WeakMap();

  function drawCharts(part, anew) {
    if (typeof uPlot === "undefined") return;
    for (const place of part.querySelectorAll("[data-chart]")) {
      const text = place.dataset.chart;
      const had = drawn.get(place);
      if (had && !anew && had.text === text && had.chart.root.isConnected) continue;
      place.replaceChildren();
      drawn.set(place, { text, chart: chart(place, JSON.parse(text)) });
    }
  }

  function chart(place, { times, series, unit }) {
    // A canvas does not know light-dark(): only a computed color tells which of the two it is.
    const colour = (name) => {
      place.style.color = `var(${name})`;
      const computed = getComputedStyle(place).color;
      place.style.color = "";
      return computed;
    };
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const said = (value) => (unit === " ms" && value >= 1000 ? `${(value / 1000).toLocaleString("en")} s` : `${(Math.round(value * 100) / 100).toLocaleString("en")}${unit}`);
    const say = (_, value) => (value === null || value === undefined ? "–" : said(value));
    return new uPlot(
      {
        width: place.clientWidth,
        height: 180,
        legend: { live: true },
        cursor: { y: false },
        scales: { y: { range: (_, low, high) => [0, unit === "%" ? 104 : Math.max(high * 1.05, 1)] } },
        axes: [{ ...axis, size: 30, values: (_, marks) => marks.map(clock(times)) }, { ...axis, size: 62, values: (_, marks) => marks.map(said) }],
        series: [
          { label: "UTC", value: (_, seconds) => (seconds ? new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ") : "–") },
          ...series.map(({ label, tone, values }) => ({
            label,
            stroke: colour(`--${tone}`),
            width: 2,
            points: { show: false, size: 6, fill: colour(`--${tone}`), filter: () => loners(values) },
            value: say,
          })),
        ],
      },
      [times, ...series.map(({ values }) => values)],
      place,
    );
  }

  // A value between two gaps makes no line, so it is drawn as a point.
  const loners = (values) => [...values.keys()].filter((at) => values[at] != null && values[at - 1] == null && values[at + 1] == null);

  // Moments are in UTC, as everywhere on the pages: hours for a day or less, else days.
  function clock(times) {
    const days = times[times.length - 1] - times[0] > 2 * 86400;
    return (seconds) => (days ? new Date(seconds * 1000).toISOString().slice(5, 10) : new Date(seconds * 1000).toISOString().slice(11, 16));
  }

  function enliven(part) {
    for (const button of part.querySelectorAll("[data-copy], [data-theme], [data-scripted]")) button.hidden = false;
    drawCharts(part, false);
  }

  // The navigation and what narrows a list are folded where there is little room; wide pages always show them.
  const narrow = matchMedia("(max-width: 54rem)");
  const fold = () => {
    for (const part of document.querySelectorAll("[data-folds]")) part.open = !narrow.matches || part.dataset.folds === "never";
  };
  narrow.addEventListener("change", fold);

  // A page that is shown once has another address: a reload leads there and sends nothing again.
  const showOnce = (part) => part && history.replaceState(null, "", part.dataset.address);

  document.addEventListener("DOMContentLoaded", () => {
    showOnce(document.querySelector("[data-address]"));
    fold();
    enliven(document);
  });
  document.addEventListener("htmx:afterSettle", () => enliven(document));
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => drawCharts(document, true), 150);
  });
})();
