// A Plotly figure in a node of its own: Plotly.react redraws it in place, so zoom, pan and legend choices stay.

import { createCursor } from "./cursor.js"
import { onNewLook } from "./paper.js"

const CONFIG = {
  displaylogo: false,
  showSendToCloud: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toImage"],
}
const PICTURE = { format: "png", scale: 2, filename: "policy-gradient-lab" }
const FAILED = "The chart cannot be drawn: its drawing library did not load. Reload the page to try again."

// Returns a chart under `parent`: `take` shows a figure, or what is new of it; `mark` puts a cursor at an x; `forget`
// hides what is there until the next figure.
export function createChart(parent, { small = false, onClick = null } = {}) {
  const node = document.createElement("div")
  node.className = small ? "lab-chart lab-chart-small" : "lab-chart"
  node.setAttribute("role", "figure")
  parent.append(node)
  const chart = {
    node, small, onClick, config: null, figure: null, cursor: null, x: null, room: null, drawing: false, stale: false, gone: false,
  }
  const stop = onNewLook(node, () => draw(chart))
  return {
    // Returns whether what is new could be joined to what was there.
    take(news) {
      const figure = merged(chart.figure, news)
      if (!figure) return false
      chart.figure = figure
      node.setAttribute("aria-label", figure.label)
      draw(chart)
      return true
    },
    forget() {
      chart.figure = null
      node.dataset.known = "false"
    },
    mark(x) {
      if (chart.x === x) return
      chart.x = x
      chart.cursor?.mark(x)
    },
    destroy() {
      chart.gone = true
      stop()
      window.Plotly?.purge(node)
      node.remove()
    },
  }
}

// Returns a figure whose traces, of which only the points `from` one on have come, begin with those from before; null
// where these are not there.
function merged(before, figure) {
  const traces = new Map(before?.data.map((trace) => [trace.uid, trace]))
  const data = figure.data.map((trace) => {
    if (!trace.from) return trace
    const known = traces.get(trace.uid)
    if (!known || known.x.length < trace.from) return null
    const columns = ["x", "y", "customdata"].filter((column) => trace[column])
    return { ...trace, ...Object.fromEntries(columns.map((column) => [column, joined(known[column], trace[column], trace.from)])) }
  })
  return data.includes(null) ? null : { ...figure, data }
}

export function joined(before, more, from) {
  return before.slice(0, from).concat(more)
}

// Draws the newest figure; what arrives while it draws is drawn next, and what was in between is skipped.
async function draw(chart) {
  chart.stale = true
  if (chart.drawing) return
  chart.drawing = true
  try {
    const canBeDrawn = () => chart.figure && !chart.gone && chart.node.clientWidth
    while (chart.stale && canBeDrawn()) {
      await myTurn()
      const Plotly = await plotly()
      if (!canBeDrawn()) break
      chart.stale = false
      const { data, layout } = styled(chart)
      // The same one every time: for a config that differs, be it by a function, Plotly makes everything anew, unzoomed.
      chart.config ??= chart.small ? { ...CONFIG, displayModeBar: false } : withCamera(chart, Plotly)
      await Plotly.react(chart.node, data, layout, chart.config)
      if (chart.gone) return
      chart.node.dataset.known = "true"
      chart.cursor ??= listen(chart)
      chart.cursor.mark(chart.x)
      const { l, b } = chart.node._fullLayout._size
      chart.room = { of: roomFor(chart), l: Math.ceil(l), b: Math.ceil(b) }
    }
  } catch (error) {
    console.error(error)
    if (!chart.gone && !chart.node.data) showFailure(chart.node)
  } finally {
    chart.drawing = false
  }
}

// Resolves at once, or else in the next frame in which no other chart draws: the first one of several is seen before
// the second is drawn.
let turns = Promise.resolve()
function myTurn() {
  const mine = turns
  turns = mine.then(() => new Promise(requestAnimationFrame))
  return mine
}

// Calls once all charts that were to be drawn have been.
export function whenDrawn(call) {
  myTurn().then(call)
}

function listen({ node, onClick }) {
  if (onClick) node.on("plotly_click", ({ points }) => onClick(points[0].x, points[0].data.uid))
  return createCursor(node)
}

// The camera of Plotly would take the page's colours, white on nothing where it is dark.
function withCamera(chart, Plotly) {
  const camera = {
    name: "toPaper", title: "Download plot as a PNG", icon: Plotly.Icons.camera,
    click: () => Plotly.downloadImage(onPaper(chart), PICTURE),
  }
  return { ...CONFIG, modeBarButtonsToAdd: [camera] }
}

// Returns the figure as it is seen, zoom and legend choices included, on opaque paper.
function onPaper(chart) {
  const { _fullLayout, _fullData } = chart.node
  const { data, layout } = styled(chart, "paper")
  for (const name of Object.keys(layout).filter((name) => _fullLayout[name]?.range)) {
    Object.assign(layout[name], { range: [..._fullLayout[name].range], autorange: false })
  }
  const seen = new Map(_fullData.map((trace) => [trace.uid, trace.visible]))
  return { data: data.map((trace) => ({ ...trace, visible: seen.get(trace.uid) })), layout }
}

// What the room for axes and legend depends on, but for the width of numbers.
function roomFor({ figure, node }) {
  return `${figure.layout.uirevision} ${node.clientWidth}`
}

function showFailure(node) {
  const sentence = document.createElement("p")
  sentence.textContent = FAILED
  node.replaceChildren(sentence)
}

// Loads plotly.js once a page, from beside the page, so that it works under a base path too.
function plotly() {
  if (window.Plotly) return Promise.resolve(window.Plotly)
  window.labPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script")
    script.src = new URL("lab/plotly/plotly.min.js", document.baseURI).href
    script.onload = () => resolve(window.Plotly)
    script.onerror = () => reject(new Error(`${script.src} did not load`))
    document.head.append(script)
  })
  return window.labPlotly
}

// Returns the figure in the colours of the page's theme, "st", or of "paper", sized to the node.
function styled(chart, theme = "st") {
  const { node, figure, small } = chart
  const css = getComputedStyle(node)
  const variable = (name) => css.getPropertyValue(`--${theme}-${name}`).trim()
  const family = css.getPropertyValue("--st-font").trim()
  const text = variable("text-color")
  const colors = {
    palette: variable("chart-categorical-colors").split(","),
    named: { text, faint: alpha(text, 0.7), background: variable("background-color") },
  }
  const { data, layout } = colored(figure, colors)
  const axis = {
    color: text, gridcolor: alpha(text, 0.12), linecolor: alpha(text, 0.3), zeroline: false, showline: true,
    automargin: true, ticklabeloverflow: "allow",
  }
  const smaller = small ? { nticks: 5, automargin: "width" } : {} // of the labels' width, so that they are drawn once
  for (const name of Object.keys(layout).filter((name) => /^[xy]axis/.test(name))) {
    layout[name] = { ...axis, ...smaller, ...layout[name] }
  }
  Object.assign(layout, {
    width: node.clientWidth,
    height: node.clientHeight,
    font: { family, size: small ? 11 : 12, color: text },
    paper_bgcolor: theme === "paper" ? colors.named.background : "rgba(0, 0, 0, 0)",
    plot_bgcolor: "rgba(0, 0, 0, 0)",
    margin: margins(chart, data),
    legend: { orientation: "h", x: 0, xanchor: "left", y: 0, yref: "container", yanchor: "bottom", font: { size: 11 } },
    hoverlabel: { bgcolor: colors.named.background, bordercolor: alpha(text, 0.3), font: { family, color: text } },
    modebar: { bgcolor: "rgba(0, 0, 0, 0)", color: alpha(text, 0.6), activecolor: text },
    // A finger scrolls the page; zooming is then for the buttons.
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
  })
  return { data, layout }
}

// Leaves room at the top for two rows of flags. Where axes and legend need more than is given here, Plotly draws
// everything twice.
function margins(chart, data) {
  if (chart.small) return { l: 40, r: 6, t: 6, b: 22 }
  const legendRows = data.filter((trace) => trace.showlegend !== false).length > 3 ? 2 : 1
  const room = chart.room?.of === roomFor(chart) ? chart.room : { l: 38, b: 42 + 22 * legendRows }
  return { l: room.l, r: 8, t: 34, b: room.b }
}

// Copies a figure with "@3" replaced by the palette's colour 3, "@3/0.2" by the same with an opacity, "@text" by its name.
function colored(value, colors) {
  if (typeof value === "string" && value.startsWith("@")) {
    const [name, opacity] = value.slice(1).split("/")
    const color = colors.named[name] ?? colors.palette[Number(name) % colors.palette.length].trim()
    return opacity ? alpha(color, Number(opacity)) : color
  }
  if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map((item) => colored(item, colors))
  if (value === null || typeof value !== "object") return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, colored(item, colors)]))
}

// Returns a theme's "#rrggbb" with an opacity.
function alpha(color, opacity) {
  return `${color.slice(0, 7)}${Math.round(opacity * 255).toString(16).padStart(2, "0")}`
}
