// Draws a policy over two dimensions of what it observes: the ground (colours, boundary, drift, axes), and what moves.

import { drawAxes } from "./axes.js"
import { contour } from "./contour.js"
import { channels, mixed, open } from "./paper.js"

// CSS pixels.
const ARROWS = 34 // from one to the next
const HEAD = 3.5
const DOT = 5.5
const RING = 7 // of the cursor
const CASING = 2.5 // of the background, around what must be seen on every colour

const TRAIL = 25 // steps behind the present one that are drawn stronger

const CELLS = 96 // across and up
const QUARTERS = [0.25, 0.5, 0.75] // of a scale without a middle, where lines are drawn
// Returns the observation at two values.
export function observationAt({ fixed, axes }, values) {
  return fixed.map((value, i) => (axes.includes(i) ? values[axes.indexOf(i)] : value))
}

// Returns what the colours show, rows from the top: the quantity's numbers over the map, and of which scale they are.
export function fieldOf({ quantity, axes, fixed }, [across, up]) {
  const along = (from, to) => Array.from({ length: CELLS }, (_, i) => from + ((to - from) * i) / (CELLS - 1))
  const values = quantity.over({ axes, fixed, xs: along(across.low, across.high), ys: along(up.high, up.low) })
  return { values, scale: quantity.scale ?? extentOf(values) }
}

function extentOf(values) {
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
  return low < high ? [low, high] : [low - 0.5, high + 0.5]
}

// Returns the share of the map on which the numbers are above a level.
export function shareAbove({ values }, level) {
  return values.filter((value) => value > level).length / values.length
}

// Returns the colours of a scale, from its low end to its high one: a scale with a middle has a colour for each way.
export function colorsOf({ level }, { back, ends, pole }) {
  return level === null ? [back, mixed(back, pole, ends.strength)] : [ends.low, back, ends.high]
}

export function drawGround(canvas, look, plot, field, scene) {
  const { pen, dense, colors } = open(canvas, look)
  pen.setTransform(dense, 0, 0, dense, 0, 0)
  drawColors(pen, plot, field, colorsOf(scene.quantity, colors))
  pen.save()
  clip(pen, plot)
  stroke(pen, zeros(plot), colors.text, 1, 0.2)
  if (scene.arrows) stroke(pen, drift(plot, scene), colors.text, 1, 0.5)
  const { level } = scene.quantity
  if (level !== null) stroke(pen, boundary(plot, field.values, level), colors.text, 1.75)
  else for (const share of QUARTERS) stroke(pen, boundary(plot, field.values, within(share, field.scale)), colors.text, 1, 0.5)
  if (level !== null && scene.rival) {
    const other = fieldOf({ ...scene, quantity: scene.rival }, plot.dimensions)
    stroke(pen, boundary(plot, other.values, level, dashes), colors.text, 1.75)
  }
  pen.restore()
  if (plot.hasAxes) drawAxes(pen, plot, colors)
}

// Draws the ground as it was drawn before, and over it the path, the present state and the cursor.
export function drawScene(canvas, look, plot, ground, { axes, path, at, present }, cursor) {
  const { pen, dense, colors } = open(canvas, look)
  pen.drawImage(ground, 0, 0)
  pen.setTransform(dense, 0, 0, dense, 0, 0)
  const points = path.map((state) => pointOf(plot, axes, state))
  pen.save()
  clip(pen, plot)
  stroke(pen, line(points), colors.text, 1, 0.3)
  trail(pen, points.slice(Math.max(0, at - TRAIL), at + 1), colors)
  pen.restore()
  dot(pen, plot, pointOf(plot, axes, present), colors)
  if (cursor) cross(pen, plot, cursor, colors)
}

function drawColors(pen, { left, top, width, height }, { values, scale: [low, high] }, along) {
  const palette = paletteOf(along)
  const cells = Object.assign(document.createElement("canvas"), { width: CELLS, height: CELLS })
  const image = new ImageData(CELLS, CELLS)
  const pixels = new Uint32Array(image.data.buffer)
  const place = (value) => Math.round(255 * Math.max(0, Math.min((value - low) / (high - low), 1)))
  values.forEach((value, i) => (pixels[i] = palette[place(value)]))
  cells.getContext("2d").putImageData(image, 0, 0)
  // The middle of each outer cell lies on the edge of the plot.
  pen.drawImage(cells, 0.5, 0.5, CELLS - 1, CELLS - 1, left, top, width, height)
}

// Returns 256 colours along these, evenly, as pixels.
function paletteOf(along) {
  const stops = along.map(channels)
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const place = (i / 255) * (stops.length - 1)
    const from = Math.min(Math.floor(place), stops.length - 2)
    const [red, green, blue] = stops[from].map((value, channel) => within(place - from, [value, stops[from + 1][channel]]))
    return (255 << 24) | (blue << 16) | (green << 8) | red
  })
}

function within(share, [low, high]) {
  return low + share * (high - low)
}

function clip(pen, { left, top, width, height }) {
  pen.beginPath()
  pen.rect(left, top, width, height)
  pen.clip()
}

function stroke(pen, path, color, width, strength = 1) {
  Object.assign(pen, { strokeStyle: color, lineWidth: width, lineJoin: "round", lineCap: "round" })
  pen.globalAlpha = strength
  pen.stroke(path)
  pen.globalAlpha = 1
}

function zeros(plot) {
  const path = new Path2D()
  path.moveTo(plot.x(0), plot.top)
  path.lineTo(plot.x(0), plot.bottom)
  path.moveTo(plot.left, plot.y(0))
  path.lineTo(plot.right, plot.y(0))
  return path
}

// Whether a piece of the boundary of another policy is drawn: each is too short to be dashed by itself.
function dashes([[x0, y0], [x1, y1]]) {
  return Math.floor(Math.abs(x1 - x0) > Math.abs(y1 - y0) ? x0 : y0) % 4 < 2
}

function boundary({ left, top, width, height }, values, level, isDrawn = () => true) {
  const path = new Path2D()
  const [across, down] = [width / (CELLS - 1), height / (CELLS - 1)]
  for (const [[x0, y0], [x1, y1]] of contour(values, CELLS, level).filter(isDrawn)) {
    path.moveTo(left + across * x0, top + down * y0)
    path.lineTo(left + across * x1, top + down * y1)
  }
  return path
}

// Returns arrows of where the next step leads on average: Σₐ π(a|s) (step(s, a) − s). The longer the further, but none
// reaches the next one.
function drift(plot, scene) {
  const path = new Path2D()
  const [columns, rows] = [plot.width, plot.height].map((length) => Math.max(1, Math.round(length / ARROWS)))
  for (let i = 0; i < columns * rows; i++) {
    const [column, row] = [i % columns, Math.floor(i / columns)]
    const from = [plot.left + (plot.width * (column + 0.5)) / columns, plot.top + (plot.height * (row + 0.5)) / rows]
    const to = pointOf(plot, scene.axes, expected(scene, observationAt(scene, plot.at(from))))
    arrow(path, from, [to[0] - from[0], to[1] - from[1]])
  }
  return path
}

// Returns the mean of the next observation.
function expected({ network, arrows: step }, observation) {
  const probabilities = network.probabilities(observation)
  const nexts = probabilities.map((_, action) => step(observation, action))
  return observation.map((_, i) => nexts.reduce((sum, next, action) => sum + probabilities[action] * next[i], 0))
}

function arrow(path, [x, y], [right, down]) {
  const length = Math.hypot(right, down)
  const drawn = (0.8 * ARROWS * length) / (length + ARROWS / 2)
  const angle = Math.atan2(down, right)
  const [endX, endY] = [x + drawn * Math.cos(angle), y + drawn * Math.sin(angle)]
  const head = Math.min(HEAD, drawn / 2)
  path.moveTo(x, y)
  path.lineTo(endX, endY)
  for (const turn of [2.6, -2.6]) {
    path.moveTo(endX, endY)
    path.lineTo(endX + head * Math.cos(angle + turn), endY + head * Math.sin(angle + turn))
  }
}

function pointOf(plot, axes, observation) {
  return [plot.x(observation[axes[0]]), plot.y(observation[axes[1]])]
}

function line(points) {
  const path = new Path2D()
  for (const point of points) path.lineTo(...point)
  return path
}

// Draws what was passed last, the later the stronger.
function trail(pen, points, { text, back }) {
  stroke(pen, line(points), back, 2 + CASING, 0.55)
  for (let i = 1; i < points.length; i++) {
    stroke(pen, line(points.slice(i - 1, i + 1)), mixed(back, text, i / points.length), 2)
  }
}

// Marks the present state, at the edge if it is beyond; where no margin is, it is seen whole there, too.
function dot(pen, { left, top, right, bottom, hasAxes }, [x, y], { text, back }) {
  const inside = hasAxes ? 0 : DOT + 1
  const within = (low, value, high) => Math.max(low + inside, Math.min(value, high - inside))
  pen.beginPath()
  pen.arc(within(left, x, right), within(top, y, bottom), DOT, 0, 2 * Math.PI)
  Object.assign(pen, { fillStyle: text, strokeStyle: back, lineWidth: 2 })
  pen.stroke()
  pen.fill()
}

function cross(pen, plot, [acrossValue, upValue], { text, back }) {
  const [x, y] = [plot.x(acrossValue), plot.y(upValue)]
  const path = new Path2D()
  path.arc(x, y, RING, 0, 2 * Math.PI)
  for (const [right, down] of [[-1, 0], [1, 0], [0, -1], [0, 1]]) {
    path.moveTo(x + RING * right, y + RING * down)
    path.lineTo(x + 2 * RING * right, y + 2 * RING * down)
  }
  stroke(pen, path, back, 1.5 + CASING)
  stroke(pen, path, text, 1.5)
}
