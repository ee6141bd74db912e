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
const EVEN = 0.5 // where both ways are as likely

// Returns the observation at two values.
export function observationAt({ fixed, axes }, values) {
  return fixed.map((value, i) => (axes.includes(i) ? values[axes.indexOf(i)] : value))
}

// Returns what the colours show, from 0 to 1, rows from the top: the probability of the action `of`, or the mean of a
// Gaussian's component `of` between the ends of the action box.
export function fieldOf({ network, axes, fixed, of }, [across, up]) {
  const along = (from, to) => Array.from({ length: CELLS }, (_, i) => from + ((to - from) * i) / (CELLS - 1))
  const grid = { axes, fixed, of, xs: along(across.low, across.high), ys: along(up.high, up.low) }
  return network.gaussian ? network.outputsOver(grid).map((mean) => (1 + mean) / 2) : network.probabilitiesOver(grid)
}

// Returns the share of the map on which the action is the likelier one.
export function shareOf(field) {
  return field.filter((value) => value > EVEN).length / field.length
}

export function drawGround(canvas, look, plot, field, scene) {
  const { pen, dense, colors } = open(canvas, look)
  pen.setTransform(dense, 0, 0, dense, 0, 0)
  drawColors(pen, plot, field, colors)
  pen.save()
  clip(pen, plot)
  stroke(pen, zeros(plot), colors.text, 1, 0.2)
  if (scene.arrows) stroke(pen, drift(plot, scene), colors.text, 1, 0.5)
  stroke(pen, boundary(plot, field), colors.text, 1.75)
  if (scene.rival) {
    const other = fieldOf({ ...scene, network: scene.rival }, plot.dimensions)
    stroke(pen, boundary(plot, other, dashes), colors.text, 1.75)
  }
  pen.restore()
  drawAxes(pen, plot, colors)
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

function drawColors(pen, { left, top, width, height }, field, colors) {
  const palette = paletteOf(colors)
  const cells = Object.assign(document.createElement("canvas"), { width: CELLS, height: CELLS })
  const image = new ImageData(CELLS, CELLS)
  const pixels = new Uint32Array(image.data.buffer)
  field.forEach((value, i) => (pixels[i] = palette[Math.round(255 * Math.max(0, Math.min(value, 1)))]))
  cells.getContext("2d").putImageData(image, 0, 0)
  // The middle of each outer cell lies on the edge of the plot.
  pen.drawImage(cells, 0.5, 0.5, CELLS - 1, CELLS - 1, left, top, width, height)
}

// Returns 256 colours, from that of the other way over the background to that of this way, as pixels.
function paletteOf({ back, ends }) {
  const [low, middle, high] = [ends[0], back, ends[1]].map(channels)
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const [end, strength] = [i < 128 ? low : high, Math.abs(2 * i - 255) / 255]
    const [red, green, blue] = middle.map((value, channel) => value + strength * (end[channel] - value))
    return (255 << 24) | (blue << 16) | (green << 8) | red
  })
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

function boundary({ left, top, width, height }, field, isDrawn = () => true) {
  const path = new Path2D()
  const [across, down] = [width / (CELLS - 1), height / (CELLS - 1)]
  for (const [[x0, y0], [x1, y1]] of contour(field, CELLS, EVEN).filter(isDrawn)) {
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

// Marks the present state, at the edge if it is beyond.
function dot(pen, { left, top, right, bottom }, [x, y], { text, back }) {
  pen.beginPath()
  pen.arc(Math.max(left, Math.min(x, right)), Math.max(top, Math.min(y, bottom)), DOT, 0, 2 * Math.PI)
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
