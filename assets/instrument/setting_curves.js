// The learning curve of each setting: colour by the first axis, dashes by the second; the one that is picked stands out.

import { createChart } from "./charts.js"
import { element, select } from "./dom.js"

const OVER = { env_steps: "over environment steps of each agent", episodes: "over episodes of each agent" }
const TITLES = { env_steps: "environment steps of each agent", episodes: "episodes of each agent" }
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"]
const COLORS = 8 // of the theme
const EMPTY = { range: [0, 1], showticklabels: false }
const FAINT = 0.25 // opacity of the others, where one is picked

// Returns the curves under `root`; `onPick` is called with the number of the setting whose curve was clicked.
export function createSettingCurves(root, { onPick }) {
  const curves = { shown: null }
  const over = select("Horizontal axis of the curves", OVER, () => curves.shown && chart.take(figureOf(curves.shown, over.value)))
  root.append(element("div", "lab-head", {}, element("h2", "", {}, "Learning curves"), over))
  const chart = createChart(root, { onClick: (_, uid) => /^\d+$/.test(uid) && onPick(Number(uid)) })
  return {
    show(shown) {
      curves.shown = shown
      chart.take(figureOf(shown, over.value))
    },
    destroy: () => chart.destroy(),
  }
}

// Returns Plotly's figure: a line for each setting, IQM of its own seeds, and the interval of the one that is picked.
export function figureOf({ settings, axes, picked }, over) {
  const drawn = settings.filter(({ curve }) => curve).toSorted((a, b) => a.number - b.number)
  const thresholds = [...new Set(drawn.map(({ threshold }) => threshold).filter((value) => value !== null))]
  const line = { color: "@2", width: 1.5, dash: "dash" }
  const marks = thresholds.map((y) => ({ type: "line", x0: 0, x1: 1, xref: "paper", y0: y, y1: y, line }))
  return {
    data: [...(picked?.curve ? band(picked, over) : []), ...drawn.map((setting) => lineOf(setting, over, picked)), ...keys(axes)],
    layout: {
      xaxis: { title: { text: TITLES[over] }, rangemode: "tozero", ...(drawn.length ? {} : EMPTY) },
      yaxis: { title: { text: "mean return: IQM of a setting’s seeds" }, ...(drawn.length ? {} : EMPTY) },
      shapes: marks,
      annotations: thresholds.map((y) => ({ x: 0, xref: "paper", xanchor: "left", y, yanchor: "bottom", text: `solved at ${y}`, showarrow: false, font: { size: 11, color: "@faint" } })),
      hovermode: "closest",
      showlegend: true,
      uirevision: `${over} ${axes.map(({ name }) => name)}`,
    },
    label: `Chart of the mean return of ${drawn.length} settings over ${TITLES[over]}`,
  }
}

function lineOf(setting, over, picked) {
  const { number, name, cell, curve, seeds } = setting
  const isPicked = picked?.number === number
  return {
    type: "scatter", mode: curve.iqm.length > 1 ? "lines" : "markers", uid: String(number), x: curve[over], y: curve.iqm,
    line: { color: `@${cell[0] % COLORS}`, dash: DASHES[(cell[1] ?? 0) % DASHES.length], width: isPicked ? 3.5 : 1.75 },
    marker: { color: `@${cell[0] % COLORS}` },
    opacity: picked && !isPicked ? FAINT : 1, showlegend: false,
    hovertemplate: `${escaped(name)}<br>IQM of ${seeds} seed${seeds > 1 ? "s" : ""}: %{y:.4g}<extra></extra>`,
  }
}

// One outline: of two lines with what is between them filled, Plotly would turn the legend round.
function band({ cell, curve }, over) {
  const there = curve.low.map((_, i) => i).filter((i) => curve.low[i] !== null && curve.high[i] !== null)
  const back = there.toReversed()
  return [{
    type: "scatter", mode: "lines", uid: "band", line: { width: 0 }, showlegend: false, hoverinfo: "skip",
    fill: "toself", fillcolor: `@${cell[0] % COLORS}/0.2`,
    x: [...there, ...back].map((i) => curve[over][i]),
    y: [...there.map((i) => curve.low[i]), ...back.map((i) => curve.high[i])],
  }]
}

// Returns traces of nothing, for the legend: what each colour and each kind of line means.
function keys([first, second]) {
  const key = (uid, name, line) => ({ type: "scatter", mode: "lines", x: [null], y: [null], uid, name: escaped(name), line, hoverinfo: "skip" })
  const colors = first.headings.map((text, i) => key(`color ${i}`, i ? text : `${first.label}: ${text}`, { color: `@${i % COLORS}`, width: 3 }))
  const dashes = (second?.headings ?? []).map((text, i) => key(`dash ${i}`, i ? text : `${second.label}: ${text}`, { color: "@faint", dash: DASHES[i % DASHES.length], width: 2 }))
  return [...colors.slice(0, COLORS), ...dashes.slice(0, DASHES.length)]
}

// Returns a text in which Plotly sees nothing but text.
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
}
