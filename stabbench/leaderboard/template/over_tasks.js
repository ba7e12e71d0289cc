"use strict";
// What is said of a model's strategies over all of its tasks: a table, and the profiles as lines with bands.
function drawOverTasks(sections, { element, plain, short, colour, layout, settings }) {
  const place = document.getElementById("over-tasks");
  const names = ["good", "bad", "third", "fourth"];
  const faint = (hex) => `rgba(${[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(",")},0.13)`;

  function table(section) {
    const made = element("table");
    const head = element("tr");
    head.append(...section.heads.map((column) =>
      element("th", column.title, { scope: "col", class: column.align, title: column.about })));
    made.createTHead().append(head);
    made.createTBody().append(...section.lines.map((cells) => {
      const line = element("tr");
      line.append(...cells.map(([text, interval], number) => {
        const cell = number === 0 ? element("th", text, { scope: "row" }) : element("td", text, { class: "right" });
        if (interval) cell.append(" ", element("span", interval, { class: "range" }));
        return cell;
      }));
      return line;
    }));
    const scroll = element("div", null, { class: "scroll", tabindex: "0", role: "region",
      "aria-label": `Strategies over all tasks of ${section.model}` });
    scroll.append(made);
    return scroll;
  }

  function draw(chart, { grid, strategies }) {
    const narrow = chart.clientWidth < 600;
    const traces = strategies.flatMap((one, number) => {
      const look = { color: colour(names[number % 4]), width: 2, dash: number < 4 ? "solid" : "dash" };
      const name = plain(short(one.strategy, narrow ? 30 : 40));
      const common = { type: "scatter", mode: "lines", x: grid, legendgroup: number };
      const edge = { ...common, line: { width: 0 }, hoverinfo: "skip", showlegend: false };
      return [
        { ...edge, y: one.low },
        { ...edge, y: one.high, fill: "tonexty", fillcolor: faint(look.color) },
        { ...common, y: one.share, name, line: look, hovertemplate: `${name}: %{y:.0%} above %{x:.2f}<extra></extra>` },
      ];
    });
    Plotly.react(chart, traces, layout({
      height: narrow ? 340 + 20 * strategies.length : 380,
      showlegend: true,
      legend: narrow ? { orientation: "h", y: -0.25, x: 0 } : { y: 0.5 },
      xaxis: { title: { text: narrow ? "0 = constant, 1 = perfect" : "normalised score: 0 = constant predictor, 1 = perfect" }, range: [0, 1] },
      yaxis: { title: { text: "share of runs above it" }, range: [0, 1.02], tickformat: ".0%" },
    }), settings);
  }

  const charts = [];
  for (const section of sections) {
    const chart = element("div", null, { class: "profiles", role: "img", "aria-label": section.caption });
    place.append(element("h3", section.model), table(section), element("p", section.about, { class: "hint" }),
      chart, element("p", section.caption, { class: "hint" }));
    charts.push([chart, section.profiles]);
  }
  place.hidden = sections.length === 0;
  const drawAll = () => charts.forEach(([chart, profiles]) => draw(chart, profiles));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
}
