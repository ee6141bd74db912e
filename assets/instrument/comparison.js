// Groups of runs on one chart, and below it what each line is: a legend with the numbers.

import { createChart } from "./charts.js"
import { element } from "./dom.js"
import { onNewLook } from "./paper.js"

const comparisons = new WeakMap() // parentElement → its chart and legend

export function mount({ data, parentElement }) {
  if (!comparisons.has(parentElement)) comparisons.set(parentElement, create(parentElement))
  const comparison = comparisons.get(parentElement)
  const told = JSON.parse(new TextDecoder().decode(data))
  comparison.chart.take(told)
  comparison.rows = told.rows
  fill(comparison)
}

export function unmount(parentElement) {
  const comparison = comparisons.get(parentElement)
  if (!comparison) return
  comparisons.delete(parentElement)
  comparison.stop()
  comparison.chart.destroy()
  comparison.legend.remove()
}

function create(parentElement) {
  const chart = createChart(parentElement)
  const legend = element("table", "lab-compared-legend")
  parentElement.append(legend)
  const comparison = { chart, legend, rows: [] }
  comparison.stop = onNewLook(legend, () => fill(comparison))
  return comparison
}

function fill({ legend, rows }) {
  if (!rows.length) return legend.replaceChildren()
  const palette = getComputedStyle(legend).getPropertyValue("--st-chart-categorical-colors").split(",")
  const names = Object.keys(rows[0].cells)
  const heads = ["Line", ...names].map((name) => element("th", "", { scope: "col" }, name))
  const lines = rows.map(({ color, dash, label, cells }) =>
    element(
      "tr", "", {},
      element("th", "", { scope: "row" }, swatch(palette[Number(color.slice(1))].trim(), dash), label),
      ...names.map((name) => element("td", "", {}, cells[name])),
    ))
  legend.replaceChildren(element("thead", "", {}, element("tr", "", {}, ...heads)), element("tbody", "", {}, ...lines))
}

const DASHES = { solid: "", dash: "7 4", dot: "2 3", dashdot: "7 3 2 3" }
function swatch(color, dash) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", "0 0 24 8")
  svg.setAttribute("aria-hidden", "true")
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path")
  line.setAttribute("d", "M0 4H24")
  line.setAttribute("stroke", color)
  line.setAttribute("stroke-dasharray", DASHES[dash])
  svg.append(line)
  return svg
}
