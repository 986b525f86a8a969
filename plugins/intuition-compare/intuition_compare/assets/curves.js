"use strict";
// Draws the curves from the columns in #points. Nothing is fetched and nothing is written as markup.
(() => {
  const { names, colours, points } = JSON.parse(document.getElementById("points").textContent);
  if (!points.time.length) return;
  const { createChart, LineSeries, CrosshairMode } = LightweightCharts;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const last = points.time.length - 1;
  const intraday = last > 0 && (points.time[last] - points.time[0]) / last < 43200;
  const grouped = (value, digits) =>
    value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "\u2212");
  const short = (value) => grouped(value, Math.abs(value) >= 100 || value === 0 ? 0 : 2);
  const moment = (time) => {
    const text = new Date(time * 1000).toISOString();
    return intraday ? text.slice(0, 19).replace("T", " ") : text.slice(0, 10);
  };
  const options = () => ({
    autoSize: true,
    layout: {
      background: { color: "transparent" },
      textColor: colour("mild"),
      fontFamily: getComputedStyle(document.body).fontFamily,
      attributionLogo: false, // the page's foot names the library and links to its makers
    },
    grid: { vertLines: { visible: false }, horzLines: { color: colour("faint") } },
    rightPriceScale: { borderVisible: false, minimumWidth: 68 },
    timeScale: {
      borderColor: colour("line"), timeVisible: intraday, lockVisibleTimeRangeOnResize: true, minBarSpacing: 0.01,
      fixLeftEdge: true, fixRightEdge: true,
    },
    crosshair: { mode: CrosshairMode.Magnet, horzLine: { visible: false, labelVisible: false } },
    localization: { locale: "en", timeFormatter: moment },
    // The page keeps the wheel and the vertical swipe, so that nobody is caught in a chart.
    handleScroll: { mouseWheel: false, vertTouchDrag: false },
    handleScale: { mouseWheel: false },
  });

  const made = (id, rows, from) => {
    const section = document.getElementById(id);
    const chart = createChart(section.querySelector(".chart"), options());
    const series = rows.map((row, n) => {
      const line = chart.addSeries(LineSeries, {
        lineWidth: 2, color: colours[n + from], priceLineVisible: false, lastValueVisible: false,
        priceFormat: { type: "custom", formatter: short, minMove: 0.01 },
      });
      line.setData(row.map((value, k) => ({ time: points.time[k], value })));
      return line;
    });
    const tell = (k) => {
      const told = rows.map((row, n) => {
        const entry = document.createElement("span");
        const swatch = document.createElement("i");
        swatch.style.background = colours[n + from];
        const value = document.createElement("b");
        value.textContent = grouped(row[k], 2);
        entry.append(swatch, `${names[n + from]} `, value);
        return entry;
      });
      const when = document.createElement("b");
      when.textContent = moment(points.time[k]);
      section.querySelector(".legend").replaceChildren(when, ...told);
    };
    return { chart, series: series[0], tell };
  };
  const charts = [made("equity", points.equity, 0), made("apart", points.apart, 1)];

  // Both charts show the same stretch of time and the same moment.
  for (const { chart } of charts) {
    chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range) for (const other of charts) if (other.chart !== chart) other.chart.timeScale().setVisibleLogicalRange(range);
    });
    chart.subscribeCrosshairMove(({ logical, sourceEvent, point }) => {
      const k = logical === undefined || !point ? last : Math.min(Math.max(Math.round(logical), 0), last);
      for (const other of charts) {
        other.tell(k);
        if (other.chart === chart || !sourceEvent) continue;
        if (point) other.chart.setCrosshairPosition(NaN, points.time[k], other.series);
        else other.chart.clearCrosshairPosition();
      }
    });
  }
  const show = () => charts.forEach(({ chart }) => chart.timeScale().fitContent());
  // A chart learns its width after the page is laid out, and again when a phone is turned.
  for (const { chart } of charts) chart.timeScale().subscribeSizeChange(show);
  const paint = () => charts.forEach(({ chart, tell }) => { chart.applyOptions(options()); tell(last); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  paint();
  show();
  document.documentElement.dataset.charts = "drawn";
})();
