"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const dash = "\u2013";
  const points = (value, row) => (row.scale * value).toFixed(row.scale === 1 ? 3 : 1);

  // Text reaches the page through textContent only: a name that looks like markup stays text.
  function element(tag, text, attributes = {}) {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = String(text);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  // Plotly reads labels as a subset of HTML, so what comes from records is escaped for it.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const short = (text, most) => (text.length > most ? text.slice(0, most - 1) + "\u2026" : text);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const unique = (values) => [...new Set(values)];

  const order = { column: null, falling: false };

  function visible() {
    const [model, task] = [byId("model").value, byId("task").value];
    const wanted = byId("strategy").value.trim().toLowerCase();
    return data.rows.filter((row) => (model === "" || row.model === data.rows[model].model)
      && (task === "" || row.task === data.rows[task].task) && row.strategy.toLowerCase().includes(wanted));
  }

  function sorted(rows) {
    if (order.column === null) return rows;
    const key = (row) => row.cells[order.column][1];
    const direction = order.falling ? -1 : 1;
    return [...rows].sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      if (a === null || b === null) return (a === null) - (b === null); // the unknown comes last, always
      return direction * (typeof a === "string" ? a.localeCompare(b) : a - b);
    });
  }

  function drawTable() {
    const rows = sorted(visible());
    const head = element("tr");
    data.columns.forEach((column, place) => {
      const cell = element("th", null, { scope: "col", class: column.align });
      const button = element("button", column.head, { type: "button", title: column.about });
      const mine = order.column === place;
      cell.setAttribute("aria-sort", mine ? (order.falling ? "descending" : "ascending") : "none");
      button.addEventListener("click", () => {
        order.falling = mine && !order.falling;
        order.column = place;
        drawTable();
        byId("table").tHead.rows[0].cells[place].firstChild.focus();
      });
      cell.append(button);
      head.append(cell);
    });
    byId("table").tHead.replaceChildren(head);
    byId("table").tBodies[0].replaceChildren(...rows.map(tableRow));
    byId("count").textContent = rows.length === data.rows.length
      ? `${rows.length} rows` : `${rows.length} of ${data.rows.length} rows`;
  }

  const kinds = ["learned", "at chance", "failed"];
  const kindClass = ["learned", "chance", "failed"];

  function vector(tag, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // The model that the sentence and the picture are about: the chosen one, or the one with most runs.
  function modelInView() {
    const chosen = byId("model").value;
    if (chosen !== "") return data.rows[chosen].model;
    const runs = (name) => data.rows.reduce((sum, row) => sum + (row.model === name ? row.finished : 0), 0);
    return data.models.map((model) => model.name).sort((one, other) => runs(other) - runs(one))[0];
  }

  // Every run of the visible task of that model on which most runs are at chance: a strip a strategy, in the task's order.
  function drawGlance() {
    const found = visible().filter((row) => row.model === modelInView());
    byId("strips").replaceChildren();
    byId("glance-title").textContent = "";
    if (!found.length) return;
    const lost = (rows) => rows.reduce((sum, row) => sum + row.at_chance, 0);
    const tasks = unique(found.map((row) => row.task)).map((task) => found.filter((row) => row.task === task));
    const all = tasks.sort((one, other) => lost(other) - lost(one))[0];
    const rows = all.length > 24 ? [...all.slice(0, 12), ...all.slice(-12)] : all;
    const { task, model, metric, scale, constant } = rows[0];
    byId("glance-title").textContent = `Every run on ${task} with ${model}, steady strategies first`
      + `${rows.length < all.length ? ` (the first and last 12 of ${all.length})` : ""}. Dotted: the best constant classifier.`;
    const width = byId("strips").clientWidth, line = 18, bottom = rows.length * line;
    const longest = Math.max(...rows.map((row) => row.strategy.length + row.sign.length + 1));
    const left = Math.min(longest * 7.3 + 8, width * 0.45);
    const letters = Math.floor((left - 8) / 7.3);
    const scores = rows.flatMap((row) => data.groups[row.group].runs.map((run) => scale * run[2]));
    const [low, high] = [Math.min(scale * constant, ...scores), Math.max(scale * constant, ...scores)];
    const across = (score) => left + 8 + (width - left - 16) * (high > low ? (score - low) / (high - low) : 0.5);
    const label = `Scores of ${rows.length} strategies on ${task}, one mark a run; the table below has the numbers`;
    const svg = vector("svg", { height: bottom + 34, viewBox: `0 0 ${width} ${bottom + 34}`, role: "img", "aria-label": label });
    rows.forEach((row, place) => {
      const middle = place * line + line / 2;
      if (place % 2 === 0) svg.append(vector("rect", { class: "band", x: 0, y: place * line, width, height: line }));
      svg.append(vector("text", { x: 2, y: middle + 4 }, `${row.sign || "\u2026"} ${short(row.strategy, letters - 2)}`));
      data.groups[row.group].runs.forEach(([, , score, kind], index) => {
        const x = across(scale * score), y = middle + (((index * 0.618034) % 1) - 0.5) * 9;
        const look = { class: kindClass[kind] };
        svg.append(kind === 2
          ? vector("path", { ...look, d: `M${x - 3} ${y - 3}l6 6m0 -6l-6 6` })
          : vector("circle", { ...look, cx: x, cy: y, r: 3 }));
      });
    });
    const at = across(scale * constant);
    svg.append(vector("line", { class: "constant", x1: at, x2: at, y1: 0, y2: bottom }));
    const unit = scale === 1 ? "" : ", points";
    for (const [x, anchor, text] of [[across(low), "start", low], [across(high), "end", high]]) {
      svg.append(vector("text", { class: "axis", x, y: bottom + 14, "text-anchor": anchor }, text.toFixed(scale === 1 ? 2 : 0)));
    }
    svg.append(vector("text", { class: "axis", x: (left + width) / 2, y: bottom + 14, "text-anchor": "middle" }, `dev ${metric}${unit}`));
    byId("strips").append(svg);
  }

  function drawOverview() {
    const rows = visible();
    byId("overview").replaceChildren(...data.models.flatMap((model) => {
      const mine = rows.filter((row) => row.model === model.name);
      if (!mine.length) return [];
      const tasks = unique(mine.map((row) => row.task)).sort();
      const order = tasks.length === 1 ? mine.map((row) => row.strategy) : model.strategies;
      const table = element("table"), head = element("tr"), body = element("tbody");
      head.append(...["strategy", ...tasks].map((name) => element("th", name, { scope: "col" })));
      for (const strategy of order) {
        const found = mine.filter((row) => row.strategy === strategy);
        if (found.length) body.append(overviewRow(strategy, found, tasks));
      }
      const top = element("thead"), box = element("div", null, { class: "overview" });
      top.append(head);
      table.append(top, body);
      box.append(table);
      return data.models.length > 1 ? [element("h3", model.name), box] : [box];
    }));
  }

  function overviewRow(strategy, rows, tasks) {
    const line = element("tr"), head = element("th", null, { scope: "row" });
    head.append(element("span", strategy, { class: "name" }));
    const copied = unique(rows.map((row) => row.same_as));
    if (copied.length === 1 && copied[0]) head.append(element("small", `same final scores as ${copied[0]}`));
    line.append(head, ...tasks.map((task) => {
      const row = rows.find((one) => one.task === task);
      const cell = element("td", null, { "data-task": task });
      if (!row) {
        cell.classList.add("absent");
        cell.append(element("span", dash));
        return cell;
      }
      const [mean, std] = row.shown;
      const label = `${strategy} on ${task}: ${row.verdict}, ${row.at_chance} of ${row.finished} runs at chance, mean ${mean}, standard deviation ${std}`;
      const button = element("button", null, { type: "button", "aria-label": label, title: row.reason });
      const verdict = element("span");
      verdict.append(element("b", `${row.sign || "\u2026"} `, { class: row.verdict }),
        `${row.at_chance}/${row.finished}${row.marks ? ` ${row.marks}` : ""}`);
      button.append(verdict, element("span", `${mean} \u00b1 ${std}`, { class: "numbers" }));
      if (copied.length > 1 && row.same_as) button.append(element("small", `same final scores as ${row.same_as}`));
      button.addEventListener("click", () => openRun(row, null));
      cell.append(button);
      return cell;
    }));
    return line;
  }

  function tableRow(row) {
    const line = element("tr");
    row.cells.forEach(([text, , interval, hint], place) => {
      if (place === 0) {
        const cell = element("th", null, { scope: "row" });
        const button = element("button", text, { type: "button", title: text });
        button.addEventListener("click", () => openRun(row, null));
        cell.append(button);
        line.append(cell);
        return;
      }
      const column = data.columns[place];
      const cell = element("td", text, { class: column.align });
      if (hint) cell.title = hint;
      if (column.name === "verdict") cell.classList.add(row.verdict);
      if (interval) cell.append(" ", element("span", interval, { class: "range" }));
      line.append(cell);
    });
    return line;
  }

  function layout(extra) {
    const axis = { gridcolor: colour("line"), zeroline: false, fixedrange: true, automargin: true };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false, showlegend: false,
      font: { color: colour("text"), size: 13, family: "system-ui, sans-serif" },
      hoverlabel: { bgcolor: colour("raised"), bordercolor: colour("line"), font: { color: colour("text") } },
      margin: { l: 50, r: 14, t: 8, b: 40 }, hovermode: "closest", ...extra,
      xaxis: { ...axis, ...extra.xaxis }, yaxis: { ...axis, ...extra.yaxis },
    };
  }
  const settings = { displayModeBar: false, responsive: true, showTips: false };

  function drawCharts() {
    const rows = visible();
    for (const old of byId("charts").querySelectorAll(".chart")) Plotly.purge(old);
    byId("charts").replaceChildren();
    for (const model of unique(rows.map((row) => row.model))) {
      for (const task of unique(rows.filter((row) => row.model === model).map((row) => row.task)).sort()) {
        drawChart(rows.filter((row) => row.model === model && row.task === task));
      }
    }
  }

  function drawChart(rows) {
    const { model, task, metric, scale, constant } = rows[0];
    const chart = element("div", null, { class: "chart", role: "img" });
    chart.setAttribute("aria-label", `Scores of ${rows.length} strategies on ${task}, one point per seed`);
    byId("charts").append(element("h3", `${task} on ${model}`), chart);
    const most = byId("charts").clientWidth < 600 ? 15 : 40;
    const box = { y: rows.map((_, place) => place) };
    ["lowerfence", "q1", "median", "q3", "upperfence"].forEach((name, place) => { box[name] = rows.map((row) => row.box[place]); });
    const dots = kinds.map(() => ({ x: [], y: [], text: [], customdata: [] }));
    rows.forEach((row, place) => data.groups[row.group].runs.forEach((run, index) => {
      const [, seed, score, kind] = run;
      const dot = dots[kind];
      dot.x.push(scale * score);
      dot.y.push(place + (((index * 0.618034) % 1) - 0.5) * 0.5);
      dot.text.push(`<b>seed ${seed}</b>: ${points(score, row)}, ${kinds[kind]}<br>${plain(short(row.strategy, 40))}`);
      dot.customdata.push([row.group, index]);
    }));
    const common = { type: "scatter", mode: "markers", hovertemplate: "%{text}<extra></extra>" };
    Plotly.newPlot(chart, [
      { type: "box", orientation: "h", ...box, hoverinfo: "skip", width: 0.6,
        line: { color: colour("muted"), width: 1 }, fillcolor: "rgba(0,0,0,0)" },
      { ...common, ...dots[0], name: kinds[0],
        marker: { color: colour("good"), size: 8, opacity: 0.7 } },
      { ...common, ...dots[1], name: kinds[1],
        marker: { color: colour("bad"), size: 8, symbol: "circle-open", line: { color: colour("bad"), width: 1.5 } } },
      { ...common, ...dots[2], name: kinds[2],
        marker: { color: colour("bad"), size: 8, symbol: "x-thin", line: { color: colour("bad"), width: 2 } } },
    ], layout({
      height: 70 + 30 * rows.length,
      margin: { l: 10, r: 14, t: 4, b: 44 },
      xaxis: { title: { text: `dev ${plain(metric)}${scale === 1 ? "" : ", points"}` } },
      yaxis: { tickvals: rows.map((_, place) => place), range: [rows.length - 0.5, -0.5], showgrid: false,
        ticktext: rows.map((row) => plain(short(row.strategy, most))) },
      shapes: [{ type: "line", x0: scale * constant, x1: scale * constant, yref: "paper", y0: 0, y1: 1,
        line: { color: colour("text"), width: 1, dash: "dot" } }],
    }), settings);
    chart.on("plotly_click", (event) => {
      const [group, index] = event.points[0].customdata;
      openRun(rows.find((row) => row.group === group), index);
    });
  }

  function openRun(row, index) {
    const group = data.groups[row.group];
    byId("run-title").textContent = `${row.strategy} on ${row.task}`;
    byId("run-group").textContent = `${row.model}: ${row.reason}.${row.environment ? ` ${row.environment}.` : ""}`;
    byId("seeds").replaceChildren(...group.runs.map(([, seed, score, kind], place) => {
      const label = `seed ${seed}, ${points(score, row)}, ${kinds[kind]}`;
      const button = element("button", seed + ["", "\u2009\u25cb", "\u2009\u2718"][kind], { type: "button", "aria-label": label, title: label });
      button.classList.add(...["", "chance", "chance failed"][kind].split(" ").filter(Boolean));
      button.addEventListener("click", () => showRun(row, place));
      return button;
    }));
    if (!byId("run").open) byId("run").showModal();
    byId("run").scrollTop = 0;
    const worst = Math.max(...group.runs.map((run) => run[3]));
    showRun(row, index ?? group.runs.findIndex((run) => run[3] === worst));
  }

  function showRun(row, index) {
    const group = data.groups[row.group];
    const [key, seed, score, kind, reason, loss, peak] = group.runs[index];
    [...byId("seeds").children].forEach((button, place) => button.setAttribute("aria-pressed", place === index));
    clearRun();
    const body = byId("run-body");
    body.append(element("h3", `Seed ${seed}: ${points(score, row)} ${row.metric}, ${kinds[kind]}`, { id: "run-seed" }));
    if (reason) body.append(element("p", `The run diverged: ${reason}.`));
    body.append(facts({
      key: `${key}\u2026`, "at its best checkpoint": points(peak, row), "training loss, last epoch": loss, "entropy of the labels": group.entropy,
      "best constant classifier": points(row.constant, row), "imported from": group.imported_from,
    }));
    const curve = data.curves[key];
    if (curve) drawCurves(body, row, group, curve, colour(kind ? "bad" : "good"));
    else body.append(element("p", group.imported_from === null
      ? `This page has no curves of this run. ${data.curves_note} "stabbench report ${key}" shows them.`
      : "This run was imported as a score: it has no curves and no recipe here."));
    if (group.recipe) body.append(element("h3", "Recipe"), facts({ ...group.parameters, ...group.recipe }));
    body.append(element("h3", "Where it ran"), facts({ "model revision": group.revision, ...group.environment }));
  }

  function facts(entries) {
    const list = element("dl");
    for (const [name, value] of Object.entries(entries)) {
      if (value === null || value === undefined) continue;
      const pair = element("div");
      pair.append(element("dt", name.replaceAll("_", " ")), element("dd", value));
      list.append(pair);
    }
    return list;
  }

  function drawCurves(body, row, group, curve, line) {
    const flat = (value, dash) => ({ type: "line", xref: "paper", x0: 0, x1: 1, y0: value, y1: value,
      line: { color: colour("text"), width: 1, dash } });
    const small = (title, traces, extra) => {
      const chart = element("div", null, { class: "curve", role: "img", "aria-label": title });
      body.append(element("h3", title), chart);
      Plotly.newPlot(chart, traces, layout({ height: 230, ...extra,
        xaxis: { title: { text: "update" }, rangemode: "tozero" } }), settings);
    };
    const series = { type: "scatter", mode: "lines+markers", line: { color: line, width: 2 }, marker: { size: 4 } };
    if (curve.l.length) small("Training loss (dashed: entropy of the labels)", [{ ...series, x: curve.u, y: curve.l }],
      { yaxis: { rangemode: "tozero" }, shapes: group.entropy === null ? [] : [flat(group.entropy, "dash")] });
    if (curve.e.length) small(`Dev ${row.metric} (dotted: best constant classifier)`,
      [{ ...series, x: curve.e.map((e) => e[0]), y: curve.e.map((e) => row.scale * e[1]) }],
      { yaxis: { range: around([row.constant, ...curve.e.map((e) => e[1])].map((value) => row.scale * value)) },
        shapes: [flat(row.scale * row.constant, "dot")] });
    if (curve.ln.length) small("Gradient norm by layer, from the lowest (thin, pale) to the head",
      group.layers.map((layer, place) => ({ type: "scatter", mode: "lines", x: curve.lu,
        y: curve.ln.map((norms) => norms[place]), name: plain(layer),
        opacity: 0.35 + (0.65 * place) / Math.max(1, group.layers.length - 1),
        line: { color: line, width: 1 + (1.5 * place) / Math.max(1, group.layers.length - 1) } })),
      { yaxis: { type: "log", exponentformat: "power", dtick: 1 } });
  }

  // at least ten points high, so that a flat line looks flat
  function around(values) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = Math.max(10 - (high - low), (high - low) / 10) / 2;
    return [low - room, high + room];
  }

  function clearRun() {
    for (const old of byId("run-body").querySelectorAll(".curve")) Plotly.purge(old);
    byId("run-body").replaceChildren();
  }

  function options(id, name) {
    const select = byId(id);
    select.append(element("option", "all", { value: "" }));
    const values = unique(data.rows.map((row) => row[name])).sort();
    for (const value of values) {
      select.append(element("option", value, { value: data.rows.findIndex((row) => row[name] === value) }));
    }
  }

  function drawPublished() {
    if (!data.published.length) return;
    const section = byId("published");
    const heads = { n: "seeds", max: "best" };
    const names = ["strategy", "task", "metric", "model", "n", "std", "mean", "max", "source"];
    const head = element("tr");
    head.append(...names.map((name) => element("th", heads[name] ?? name, { scope: "col" })));
    section.querySelector("thead").append(head);
    section.querySelector("tbody").append(...data.published.map((entry) => {
      const line = element("tr");
      line.append(...names.map((name) => element("td", entry[name] ?? dash,
        { class: typeof entry[name] === "number" ? "right" : "left" })));
      return line;
    }));
    section.hidden = false;
  }

  function drawHeadline() {
    byId("headline").textContent = data.models.find((model) => model.name === modelInView()).headline;
  }

  function draw() { drawHeadline(); drawGlance(); drawOverview(); drawCharts(); drawTable(); }

  options("model", "model");
  options("task", "task");
  const runs = Object.values(data.groups).flatMap((group) => group.runs);
  const counted = ["strategy", "task", "model"].map((name) => {
    const count = unique(data.rows.map((row) => row[name])).length;
    return `${count} ${count === 1 ? name : name.replace(/y$/, "ie") + "s"}`;
  });
  const at = (kind) => runs.filter((run) => run[3] >= kind).length;
  byId("summary").textContent = `${runs.length} runs, ${at(1)} at chance, ${at(2)} of these failed: ${counted.join(", ")}.`;
  byId("notes").append(...[...data.footnotes, data.curves_note].map((note) => element("li", note)));
  for (const id of ["model", "task", "strategy"]) byId(id).addEventListener("input", draw);
  byId("filters").addEventListener("reset", () => { order.column = null; order.falling = false; setTimeout(draw); });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("close").addEventListener("click", () => byId("run").close());
  byId("run").addEventListener("click", (event) => { if (event.target === byId("run")) byId("run").close(); });
  byId("run").addEventListener("close", clearRun);
  let drawn = innerWidth;
  addEventListener("resize", () => { if (drawn !== innerWidth) { drawn = innerWidth; drawGlance(); } });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
  drawOverTasks(data.over_tasks, { element, plain, short, colour, layout, settings });
  drawPublished();
  draw();
})();
