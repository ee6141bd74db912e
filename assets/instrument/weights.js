// The weights of a policy: how those of each layer have spread over training, and where the first layer looks now.

import { plotOf, drawAxes } from "./axes.js"
import { element } from "./dom.js"
import { createFirstLayer } from "./first_layer.js"
import { newest } from "./newest.js"
import { lookOf, mixed, onNewLook, open } from "./paper.js"
import { short } from "./update_table.js"

const INTRO = "Weights of each layer over training: median, the middle half, and 90 % of them."
const BANDS = [[0, 4, 0.2], [1, 3, 0.45]] // two quantiles, and how strong what lies between them is
const MEDIAN = 2
const POLICIES = 48 // of which the server tells at most

// Returns pictures under `root`: `ask(query)` promises what the server says, `fail` is called with what went wrong.
export function createWeights(root, { ask, fail }) {
  const bands = element("div", "lab-weights-bands")
  const node = element("section", "lab-weights", { "aria-label": "Weights of the policy" }, element("p", "", {}, INTRO), bands)
  root.append(node)
  const weights = { bands, layers: [], of: "", update: 0 }
  const first = createFirstLayer(node)
  const asking = newest(ask, {
    show: (_, spread) => offer(weights, spread),
    fail(_, error) {
      weights.of = "" // it may be asked for again
      fail(error)
    },
  })
  return {
    // Marks an update of an agent of a run; the spread is asked for where it is another's, or of more updates.
    mark({ subject, updates }, { update, agent }) {
      const spread = updates - (updates % stride(updates))
      const of = `${subject} ${spread} ${agent}`
      if (weights.of !== of) asking({ spread, agent })
      Object.assign(weights, { of, update })
      for (const layer of weights.layers) layer.mark(update)
    },
    look: first.show,
    destroy() {
      for (const layer of weights.layers) layer.destroy()
      first.destroy()
      node.remove()
    },
  }
}

// Returns after how many more updates the spread is asked for again: it has only so many policies.
function stride(updates) {
  return 2 ** Math.max(0, Math.ceil(Math.log2(updates / POLICIES)))
}

function offer(weights, { updates, layers }) {
  for (const layer of weights.layers) layer.destroy()
  weights.layers = Object.values(layers).map((quantiles, i) => createBand(weights.bands, `layer ${i + 1}`, updates, quantiles))
  for (const layer of weights.layers) layer.mark(weights.update)
}

function createBand(root, name, updates, quantiles) {
  const canvas = element("canvas", "lab-weights-canvas", { role: "img" })
  root.append(canvas)
  const band = { canvas, name, updates, quantiles, update: 0 }
  const stop = onNewLook(canvas, () => draw(band))
  return {
    mark(update) {
      band.update = update
      tell(band)
      draw(band)
    },
    destroy() {
      stop()
      canvas.remove()
    },
  }
}

// Says what is true of the last policy looked at that the update has seen.
function tell({ canvas, name, updates, quantiles, update }) {
  const at = Math.max(0, updates.findLastIndex((each) => each <= update))
  const [lowest, low, middle, high, highest] = quantiles[at].map(short)
  canvas.setAttribute("aria-label", `Weights of ${name} after update ${updates[at]}: median ${middle}, half of them from ${low} to ${high}, ` +
    `90 % from ${lowest} to ${highest}`)
}

function draw({ canvas, name, updates, quantiles, update }) {
  const look = lookOf(canvas)
  const { pen, dense, colors } = open(canvas, look)
  pen.scale(dense, dense)
  const most = rounded(Math.max(1e-6, ...quantiles.flat().map(Math.abs)))
  const plot = plotOf(look.size, [
    { name: "update", factor: 1, low: 0, high: Math.max(1, updates.at(-1)) }, { name, factor: 1, low: -most, high: most },
  ])
  for (const [low, high, strength] of BANDS) {
    pen.fillStyle = mixed(colors.back, colors.pole, strength)
    pen.fill(line(plot, updates, quantiles.map((each) => each[low]), quantiles.map((each) => each[high]).reverse()))
  }
  Object.assign(pen, { strokeStyle: colors.pole, lineWidth: 1.5 })
  pen.stroke(line(plot, updates, quantiles.map((each) => each[MEDIAN])))
  pen.fillStyle = colors.text
  pen.fillRect(Math.round(plot.x(Math.min(update, plot.dimensions[0].high))), plot.top, 1, plot.height)
  drawAxes(pen, plot, colors)
}

// Returns the next round number, at which an axis has a tick.
function rounded(number) {
  const power = 10 ** Math.floor(Math.log10(number))
  return power * [1, 2, 5, 10].find((step) => step * power >= number)
}

// Returns a line over updates, and back along another one.
function line(plot, updates, values, back = []) {
  const path = new Path2D()
  values.forEach((value, i) => path.lineTo(plot.x(updates[i]), plot.y(value)))
  back.forEach((value, i) => path.lineTo(plot.x(updates.at(-1 - i)), plot.y(value)))
  return path
}
