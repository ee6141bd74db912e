// How each estimator points, in the order of the table: its cosine as a point on its 95 % interval.

import { drawAxes, plotOf } from "./axes.js"
import { element } from "./dom.js"
import { lookOf, onNewLook, open } from "./paper.js"
import { short } from "./update_table.js"

const CAPTION = "From left to right as in the table. Each point is a cosine, the line its interval; hollow points are of biased estimators, and what the run learns with is coloured."
const RADIUS = 3 // CSS pixels
const ROOM = 1.05 // beyond the intervals

// Returns a picture, which shows an answer.
export function createEstimatorPicture() {
  const canvas = element("canvas", "lab-estimators-picture", { role: "img", "aria-label": "No estimators yet" })
  const node = element("figure", "lab-estimators-figure", { hidden: "" }, canvas, element("figcaption", "", {}, CAPTION))
  const picture = { canvas, found: null }
  const stop = onNewLook(canvas, () => picture.found && draw(picture))
  return {
    node,
    // Shows what was found, null: nothing.
    show(found) {
      picture.found = found
      node.hidden = !found
      if (!found) return
      canvas.setAttribute("aria-label", inWords(found))
      draw(picture)
    },
    destroy: stop,
  }
}

function inWords({ estimators, own }) {
  const place = estimators.findIndex(({ name }) => name === own)
  const told = ({ name, measured: { cosine } }) => `${name}, ${short(cosine[0])}`
  const mine = place < 0 ? "" : `; what the run learns with is number ${place + 1}, ${short(estimators[place].measured.cosine[0])}`
  return `Cosine of ${estimators.length} estimators: from ${told(estimators[0])}, down to ${told(estimators.at(-1))}${mine}`
}

function draw({ canvas, found: { estimators, own } }) {
  const look = lookOf(canvas)
  const { pen, dense, colors } = open(canvas, look)
  pen.scale(dense, dense)
  const known = estimators.flatMap(({ measured: { cosine } }) => cosine).filter((each) => each !== null)
  const up = { name: "cosine", factor: 1, low: ROOM * Math.min(0, ...known), high: ROOM * Math.max(0.1, ...known) }
  const plot = plotOf(look.size, [{ name: "place in the table", factor: 1, low: 0.5, high: estimators.length + 0.5 }, up])
  drawAxes(pen, plot, colors)
  pen.fillStyle = colors.track
  pen.fillRect(plot.left, Math.round(plot.y(0)), plot.width, 1)
  estimators.forEach((each, i) => drawPoint(pen, plot, colors, i + 1, each, each.name === own))
}

function drawPoint(pen, plot, colors, place, { measured: { cosine: [value, low, high] }, biases }, isOwn) {
  if (value === null) return
  const [x, y] = [plot.x(place), plot.y(value)]
  const color = isOwn ? colors.pole : colors.text
  Object.assign(pen, { strokeStyle: color, lineWidth: isOwn ? 2 : 1, fillStyle: Object.keys(biases).length ? colors.back : color })
  pen.beginPath()
  if (low !== null) {
    pen.moveTo(x, plot.y(low))
    pen.lineTo(x, plot.y(high))
  }
  pen.stroke()
  pen.beginPath()
  pen.arc(x, y, isOwn ? RADIUS + 1 : RADIUS, 0, 2 * Math.PI)
  pen.fill()
  pen.stroke()
}
