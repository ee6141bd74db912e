// A component of one chart, which a page draws whole.

import { createChart } from "./charts.js"

const charts = new WeakMap() // parentElement → its chart

export function mount({ data, parentElement }) {
  if (!charts.has(parentElement)) charts.set(parentElement, createChart(parentElement))
  charts.get(parentElement).take(JSON.parse(new TextDecoder().decode(data)))
}

export function unmount(parentElement) {
  charts.get(parentElement)?.destroy()
  charts.delete(parentElement)
}
