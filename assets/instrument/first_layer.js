// Where a policy's first layer looks: each unit's weight of each dimension of the observation, as a strip of colours, and
// for CartPole each unit as an arrow over the angle and the angular velocity.

import { drawArrow } from "./arrow.js"
import { drawAxes, plotOf } from "./axes.js"
import { element, write } from "./dom.js"
import { lookOf, mixed, onNewLook, open } from "./paper.js"
import { short } from "./update_table.js"

const [ANGLE, VELOCITY] = [2, 3]
const [ROW, HIGHEST] = [14, 196] // CSS pixels, of a dimension and of all
const TOLD = 3 // dimensions that are named in words
const LABELS = 50 // CSS pixels beside the strip

// Returns pictures under `root`, which `show(params, told)` a policy, as the server sends it, of an environment that it tells of.
export function createFirstLayer(root) {
  const strip = element("canvas", "lab-first-strip", { role: "img", "aria-label": "No policy yet" })
  const compass = element("canvas", "lab-first-compass", { role: "img", "aria-label": "No policy yet" })
  const words = element("p")
  root.append(words, element("div", "lab-first", {}, strip, compass))
  const layer = { strip, compass, words, kernel: null, sides: null, kind: null, dimensions: [], states: 0 }
  const redraw = () => layer.kernel && draw(layer)
  const stops = [strip, compass].map((canvas) => onNewLook(canvas, redraw))
  return {
    show(params, { kind, dimensions, states }) {
      Object.assign(layer, { kernel: params.kernel_0, sides: sidesOf(params), kind, dimensions, states })
      strip.style.height = `${Math.min(HIGHEST, ROW * layer.kernel.length)}px`
      compass.hidden = kind !== "cart_pole"
      tell(layer)
      draw(layer)
    },
    destroy: () => stops.forEach((stop) => stop()),
  }
}

// Returns for which output each unit of a single hidden layer speaks, 0: the first, 1: the last; null of other networks.
function sidesOf({ kernel_1: outputs, kernel_2: more }) {
  return outputs && !more ? outputs.map((row) => Number(row.at(-1) > (row.length > 1 ? row[0] : 0))) : null
}

function nameOf({ dimensions, states }, i) {
  return dimensions[i]?.name ?? (states ? `state ${i}` : `o${i}`) // of too many numbers none is told
}

function tell(layer) {
  const { kernel, strip, compass, words, sides, kind, states } = layer
  const sizes = kernel.map((row, i) => [row.reduce((sum, weight) => sum + Math.abs(weight), 0) / row.length, nameOf(layer, i)])
  const most = sizes.toSorted(([a], [b]) => b - a).slice(0, TOLD).map(([size, name]) => `${name} ${short(size)}`)
  const units = `${kernel[0].length} units`
  write(words, `Where the first layer looks: a column for each of ${units}, a row for each ${states ? "state" : "number observed"}; one colour is above 0, the other below.`)
  strip.setAttribute("aria-label", `Weights of the first layer, ${units}: mean size of those of ${most.join(", ")}`)
  if (kind !== "cart_pole") return
  const agree = kernel[ANGLE].filter((weight, k) => weight * kernel[VELOCITY][k] > 0).length
  const colored = sides ? "; coloured by the action that it speaks for, as on the map" : ""
  compass.title = `Each unit as an arrow: its weights of θ and θ̇${colored}`
  compass.setAttribute("aria-label", `${compass.title}. ${agree} of ${units} have the same sign of both, as a pole that falls`)
}

function draw(layer) {
  drawStrip(layer)
  if (!layer.compass.hidden) drawCompass(layer)
}

function drawStrip(layer) {
  const { strip, kernel } = layer
  const { pen, dense, box, colors } = open(strip)
  const most = largest(kernel)
  const [left, height] = [LABELS * dense, box.height / kernel.length]
  const width = (box.width - left) / kernel[0].length
  Object.assign(pen, { font: `${11 * dense}px ${colors.font}`, textAlign: "right", textBaseline: "middle" })
  kernel.forEach((row, i) => {
    pen.fillStyle = colors.faint
    if (height >= (ROW - 2) * dense) pen.fillText(nameOf(layer, i), left - 7 * dense, (i + 0.5) * height)
    row.forEach((weight, k) => {
      pen.fillStyle = mixed(colors.back, colors.palette[Number(weight > 0)], Math.abs(weight) / most)
      pen.fillRect(Math.floor(left + k * width), Math.floor(i * height), Math.ceil(width), Math.ceil(height))
    })
  })
}

function drawCompass(layer) {
  const { compass, kernel, sides } = layer
  const look = lookOf(compass)
  const { pen, dense, colors } = open(compass, look)
  pen.scale(dense, dense)
  const axis = (i) => ({ name: `weight of ${nameOf(layer, i)}`, factor: 1, low: -1.1 * largest([kernel[i]]), high: 1.1 * largest([kernel[i]]) })
  const plot = plotOf(look.size, [axis(ANGLE), axis(VELOCITY)])
  drawAxes(pen, plot, colors)
  kernel[ANGLE].forEach((weight, k) => {
    Object.assign(pen, { strokeStyle: sides ? colors.palette[sides[k]] : colors.faint, lineWidth: 1.5 })
    drawArrow(pen, [plot.x(0), plot.y(0)], [plot.x(weight), plot.y(kernel[VELOCITY][k])], 6)
  })
}

function largest(rows) {
  return Math.max(1e-6, ...rows.map((row) => Math.max(...row.map(Math.abs))))
}
