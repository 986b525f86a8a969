"use strict";
// Draws the charts from the columns in #points. Nothing is fetched and nothing is written as markup.
(() => {
  const points = JSON.parse(document.getElementById("points").textContent);
  const course = document.getElementById("course");
  if (!course) return;
  const { createChart, createSeriesMarkers, AreaSeries, LineSeries, CrosshairMode, LineStyle } = LightweightCharts;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const faded = (name, share) => colour(name) + Math.round(share * 255).toString(16).padStart(2, "0");
  const column = (values) =>
    points.time.map((time, n) => (values[n] === null ? { time } : { time, value: values[n] }));

  const grouped = (value, digits) =>
    value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "\u2212");
  const short = (value) => grouped(value, Math.abs(value) >= 100 || value === 0 ? 0 : 2);
  const money = (value) => grouped(value, Math.abs(value) >= 1e5 ? 0 : 2);
  const price = (value) => grouped(value, Math.abs(value) >= 1 || value === 0 ? 2 : 6);
  const percent = (value) => `${grouped(value * 100, 1)}\u00a0%`;
  const whole = (value) => `${grouped(value * 100, Number.isInteger(Math.round(value * 1e4) / 100) ? 0 : 1)}\u00a0%`;
  const moment = (time) => {
    const text = new Date(time * 1000).toISOString();
    return points.intraday ? text.slice(0, 19).replace("T", " ") : text.slice(0, 10);
  };
  const format = (formatter, minMove) => ({ type: "custom", formatter, minMove });

  const options = () => ({
    autoSize: true,
    layout: {
      background: { color: "transparent" },
      textColor: colour("mild"),
      fontFamily: getComputedStyle(document.body).fontFamily,
      attributionLogo: false, // the page's foot names the library and links to its makers
      panes: { separatorColor: colour("line"), separatorHoverColor: colour("faint"), enableResize: false },
    },
    grid: { vertLines: { visible: false }, horzLines: { color: colour("faint") } },
    rightPriceScale: { borderVisible: false, minimumWidth: 68 },
    timeScale: {
      borderColor: colour("line"),
      timeVisible: points.intraday,
      lockVisibleTimeRangeOnResize: true,
      minBarSpacing: 0.01,
      fixLeftEdge: true,
      fixRightEdge: true,
    },
    crosshair: { mode: CrosshairMode.Magnet, horzLine: { visible: false, labelVisible: false } },
    localization: { locale: "en", timeFormatter: moment },
    // The page keeps the wheel and the vertical swipe, so that nobody is caught in a chart.
    handleScroll: { mouseWheel: false, vertTouchDrag: false },
    handleScale: { mouseWheel: false },
  });

  const legend = (place, entries) => {
    place.replaceChildren(
      ...entries.map(([label, text, name, detail]) => {
        const entry = document.createElement("span");
        if (name) {
          const swatch = document.createElement("i");
          swatch.style.background = colour(name);
          entry.append(swatch);
        }
        const value = document.createElement("b");
        value.textContent = text;
        if (detail) {
          const more = document.createElement("small");
          more.textContent = ` ${detail}`;
          value.append(more);
        }
        entry.append(label ? `${label} ` : "", value);
        return entry;
      }),
    );
  };
  const last = points.time.length - 1;
  const known = (values, n) => {
    while (n >= 0 && values[n] === null) n -= 1;
    return n < 0 ? null : values[n];
  };

  // The account
  const account = createChart(course.querySelector(".chart"), options());
  const equity = account.addSeries(AreaSeries, { lineWidth: 2, priceFormat: format(short, 0.01), priceLineVisible: false });
  const benchmark = account.addSeries(LineSeries, {
    lineWidth: 1, lineStyle: LineStyle.Solid, priceFormat: format(short, 0.01),
    priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false,
  });
  const drawdown = account.addSeries(AreaSeries, {
    lineWidth: 1, invertFilledArea: true, priceFormat: format(whole, 0.001), priceLineVisible: false, lastValueVisible: false,
  }, 1);
  const exposure = account.addSeries(AreaSeries, {
    lineWidth: 1, priceFormat: format(whole, 0.001), priceLineVisible: false, lastValueVisible: false,
  }, 2);
  equity.setData(column(points.equity));
  benchmark.setData(column(points.benchmark));
  drawdown.setData(column(points.drawdown));
  exposure.setData(column(points.exposure));
  account.panes().forEach((pane, n) => pane.setStretchFactor([6, 2, 2][n]));

  const tellAccount = (n) => {
    const spread = points.low[n] < points.high[n] ? `${money(points.low[n])} to ${money(points.high[n])}` : "";
    const told = [["", moment(points.time[n])], ["Equity", money(points.equity[n]), "accent", spread]];
    const other = known(points.benchmark, n);
    if (other !== null) told.push(["Benchmark", money(other), "benchmark"]);
    if (points.drawdown[n] !== null) told.push(["Drawdown", percent(points.drawdown[n]), "loss"]);
    if (points.exposure[n] !== null) told.push(["Exposure", percent(points.exposure[n]), "exposure"]);
    legend(course.querySelector(".legend"), told);
  };

  // One symbol's price
  const section = document.getElementById("prices");
  const prices = section && createChart(section.querySelector(".chart"), options());
  const quotes = prices && prices.addSeries(LineSeries, { lineWidth: 2, priceFormat: format(price, 1e-6), priceLineVisible: false });
  const marks = prices && createSeriesMarkers(quotes, []);
  let symbol = 0;
  let drawnSize = null;
  const drawMarks = () => {
    const { price: values, trades } = points.symbols[symbol];
    const { at, side } = trades;
    const { from, to } = prices.timeScale().getVisibleLogicalRange() || { from: 0, to: last };
    const room = section.clientWidth / at.filter((n) => n >= from && n <= to).length;
    const size = room > 9 ? 1 : room > 3 ? 0.4 : 0.15; // arrows would hide the price where there are many
    if (size === drawnSize) return;
    drawnSize = size;
    marks.setMarkers(
      [...at.keys()].filter((k) => values[at[k]] !== null).map((k) => ({
        time: points.time[at[k]],
        position: side[k] === "buy" ? "belowBar" : "aboveBar",
        shape: size < 1 ? "circle" : side[k] === "buy" ? "arrowUp" : "arrowDown",
        color: colour(side[k] === "buy" ? "gain" : "loss"),
        size,
      })),
    );
  };
  const drawSymbol = () => {
    quotes.setData(column(points.symbols[symbol].price));
    drawnSize = null;
    drawMarks();
    tellSymbol(last);
  };
  const tellSymbol = (n) => {
    const { sid, price: values, trades } = points.symbols[symbol];
    const told = [["", moment(points.time[n])]];
    const value = known(values, n);
    if (value !== null) told.push([sid, price(value)]);
    for (let k = trades.at.indexOf(n); k >= 0 && trades.at[k] === n; k += 1) {
      const side = trades.side[k];
      const what = trades.count[k] > 1 ? `${side} \u00d7 ${trades.count[k]}` : side;
      const paid = `${trades.quantity[k].toLocaleString("en")} at ${price(trades.price[k])}`;
      told.push([what, paid, side === "buy" ? "gain" : "loss"]);
    }
    legend(section.querySelector(".legend"), told);
  };

  // Both charts show the same stretch of time and the same moment.
  const charts = [[account, equity, tellAccount]];
  if (prices) charts.push([prices, quotes, tellSymbol]);
  for (const [chart] of charts) {
    chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (!range) return;
      for (const [other] of charts) if (other !== chart) other.timeScale().setVisibleLogicalRange(range);
    });
    chart.subscribeCrosshairMove(({ logical, sourceEvent, point }) => {
      const n = logical === undefined || !point ? last : Math.min(Math.max(Math.round(logical), 0), last);
      for (const [other, series, tell] of charts) {
        tell(n);
        if (other === chart || !sourceEvent) continue;
        if (point) other.setCrosshairPosition(NaN, points.time[n], series);
        else other.clearCrosshairPosition();
      }
    });
  }

  // Ranges, counted back from the end
  const day = 86400;
  const span = points.time[last] - points.time[0];
  const ranges = [["All", Infinity], ["5Y", 1826 * day], ["1Y", 365 * day], ["3M", 91 * day], ["1M", 30 * day], ["1D", day]]
    .filter(([, length], n) => n === 0 || (length < span * 0.8 && length > span / 400));
  const place = course.querySelector(".ranges");
  let shown = Infinity;
  const show = () => {
    const from = points.time.findIndex((time) => time >= points.time[last] - shown);
    for (const [chart] of charts) {
      if (shown === Infinity) chart.timeScale().fitContent();
      else chart.timeScale().setVisibleLogicalRange({ from, to: last });
    }
  };
  const buttons = ranges.map(([label, length]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.setAttribute("aria-pressed", String(length === shown));
    button.addEventListener("click", () => {
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      shown = length;
      show();
    });
    return button;
  });
  if (buttons.length > 1) place.append(...buttons);
  else place.remove();
  // A chart learns its width after the page is laid out, and again when a phone is turned.
  for (const [chart] of charts) chart.timeScale().subscribeSizeChange(show);
  if (prices) prices.timeScale().subscribeVisibleLogicalRangeChange(drawMarks);

  const paint = () => {
    for (const [chart] of charts) chart.applyOptions(options());
    equity.applyOptions({ lineColor: colour("accent"), topColor: faded("accent", 0.22), bottomColor: faded("accent", 0) });
    benchmark.applyOptions({ color: colour("benchmark") });
    drawdown.applyOptions({ lineColor: colour("loss"), topColor: faded("loss", 0.08), bottomColor: faded("loss", 0.3) });
    exposure.applyOptions({ lineColor: colour("exposure"), topColor: faded("exposure", 0.3), bottomColor: faded("exposure", 0.06) });
    tellAccount(last);
    if (!prices) return;
    quotes.applyOptions({ color: colour("text") });
    drawSymbol();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  paint();
  if (prices) {
    section.querySelector("select").addEventListener("change", (event) => {
      symbol = Number(event.target.value);
      drawSymbol();
    });
  }
  show();
  document.documentElement.dataset.charts = "drawn";
})();
