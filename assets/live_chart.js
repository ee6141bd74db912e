// One Plotly figure in one node: Plotly.react redraws it in place, so zoom, pan and legend choices stay. The page brings
// the figure, or its address, at which the chart asks what is new for as long as there is more to come.

const CONFIG = {
  displaylogo: false,
  showSendToCloud: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
}
const FAILED = "The chart cannot be drawn: its drawing library did not load. Reload the page to try again."
const LATE_SECONDS = 3 // at least; a look that has not come by then was never asked for

const charts = new WeakMap() // parentElement → its chart

export default function ({ data, parentElement, setTriggerValue }) {
  if (!charts.has(parentElement)) charts.set(parentElement, mount(parentElement))
  const chart = charts.get(parentElement)
  const { address, figure, pause } = JSON.parse(new TextDecoder().decode(data))
  if (address !== chart.address) chart.figure = null
  chart.address = address
  clearTimeout(chart.late)
  if (pause) chart.late = setTimeout(() => setTriggerValue("late", true), 1000 * Math.max(LATE_SECONDS, 4 * pause))
  if (figure) take(chart, figure)
  else ask(chart)
  return () => unmount(chart, parentElement)
}

// Asks what is new since the figure that the chart has; after a failure, the page's next look asks again.
async function ask(chart) {
  clearTimeout(chart.next)
  if (chart.asking || chart.gone) return
  chart.asking = true
  const { address, figure } = chart
  try {
    const answer = await fetch(new URL(`${address}?version=${figure?.version ?? 0}`, document.baseURI))
    const news = answer.ok ? await answer.json() : {}
    if (address === chart.address && figure === chart.figure) take(chart, news)
  } catch (error) {
    console.warn(error)
  } finally {
    chart.asking = false
  }
  if (address !== chart.address) ask(chart)
}

function take(chart, news) {
  if (news.data) {
    chart.figure = merged(chart.figure, news)
    chart.node.setAttribute("aria-label", news.label)
    draw(chart)
  }
  clearTimeout(chart.next)
  if (news.next) chart.next = setTimeout(() => ask(chart), 1000 * news.next)
}

// Returns a figure whose traces, of which only the points `from` one on have come, begin with those from before.
function merged(before, figure) {
  const traces = new Map(before?.data.map((trace) => [trace.uid, trace]))
  for (const trace of figure.data.filter((trace) => trace.from)) {
    for (const column of ["x", "y", "customdata"].filter((column) => trace[column])) {
      trace[column] = traces.get(trace.uid)[column].slice(0, trace.from).concat(trace[column])
    }
  }
  return figure
}

function mount(parentElement) {
  const node = document.createElement("div")
  node.className = "lab-chart"
  node.setAttribute("role", "figure")
  parentElement.append(node)
  const chart = { node, address: null, figure: null, room: null, asking: false, next: 0, late: 0, drawing: false, stale: false, gone: false }
  chart.observer = new ResizeObserver(() => draw(chart))
  chart.observer.observe(node)
  return chart
}

function unmount(chart, parentElement) {
  chart.gone = true
  clearTimeout(chart.late)
  clearTimeout(chart.next)
  chart.observer.disconnect()
  window.Plotly?.purge(chart.node)
  chart.node.remove()
  charts.delete(parentElement)
}

// Draws the newest figure; what arrives while it draws is drawn next, and what was in between is skipped.
async function draw(chart) {
  chart.stale = true
  if (chart.drawing) return
  chart.drawing = true
  try {
    const Plotly = await plotly()
    while (chart.stale && chart.figure && !chart.gone && chart.node.clientWidth) {
      chart.stale = false
      const { data, layout } = styled(chart)
      await Plotly.react(chart.node, data, layout, CONFIG)
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

// Returns the figure in the colours and fonts of the page's theme, sized to the node.
function styled(chart) {
  const { node, figure } = chart
  const css = getComputedStyle(node)
  const variable = (name) => css.getPropertyValue(`--st-${name}`).trim()
  const text = variable("text-color")
  const colors = {
    palette: variable("chart-categorical-colors").split(","),
    named: { text, faint: alpha(text, 0.7), background: variable("background-color") },
  }
  const { data, layout } = colored(figure, colors)
  const axis = {
    color: text, gridcolor: alpha(text, 0.12), linecolor: alpha(text, 0.3), zeroline: false, showline: true,
    automargin: true,
  }
  for (const name of Object.keys(layout).filter((name) => /^[xy]axis/.test(name))) {
    layout[name] = { ...axis, ...layout[name] }
  }
  const legendRows = data.filter((trace) => trace.showlegend !== false).length > 3 ? 2 : 1
  const room = chart.room?.of === roomFor(chart) ? chart.room : { l: 47, b: 45 + 29 * legendRows }
  Object.assign(layout, {
    width: node.clientWidth,
    height: node.clientHeight,
    font: { family: variable("font"), size: 13, color: text },
    paper_bgcolor: "rgba(0, 0, 0, 0)",
    plot_bgcolor: "rgba(0, 0, 0, 0)",
    // At the top: the buttons, and below them two rows of labels. Where axes and legend need more than is given here,
    // Plotly draws everything twice.
    margin: { l: room.l, r: 8, t: 52, b: room.b },
    legend: { orientation: "h", x: 0, xanchor: "left", y: 0, yref: "container", yanchor: "bottom", font: { size: 12 } },
    hoverlabel: { bgcolor: colors.named.background, bordercolor: alpha(text, 0.3), font: { family: variable("font"), color: text } },
    modebar: { bgcolor: "rgba(0, 0, 0, 0)", color: alpha(text, 0.6), activecolor: text },
    // A finger scrolls the page; zooming is then for the buttons.
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
  })
  return { data, layout }
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
