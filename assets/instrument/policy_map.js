// A policy as a picture: over two dimensions of what it observes, how likely an action is, and where that leads.

import { plotOf } from "./axes.js"
import { element, write } from "./dom.js"
import { lookOf, mixed, onNewLook } from "./paper.js"
import { colorsOf, drawGround, drawScene, fieldOf, observationAt, shareAbove } from "./policy_picture.js"
import { inUnits, signed } from "./thought.js"

const STRENGTH = 0.65 // of the colours of certainty: what is drawn on them must be seen
const NUDGE = 1 / 48 // of the map, for a press of an arrow
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }
const KEYS = "Policy map: arrows move a cursor"
const PICKS = ", Enter picks what is observed there"

// Returns a map under `root`. `onPick` is called with the observation at a point; null: none can be picked. One that is
// `small` has no axes and no cursor, and says nothing of the moment.
export function createPolicyMap(root, { onPick = null, small = false } = {}) {
  const map = {
    onPick, small, parts: build(root, onPick ? KEYS + PICKS : KEYS), ground: document.createElement("canvas"),
    look: null, plot: null, scene: null, cursor: null, // two values
    drawn: [], field: null, often: "", // what the ground shows, and in words
  }
  const redraw = () => {
    look(map)
    if (map.scene) draw(map)
  }
  look(map)
  if (small) map.parts.screen.replaceWith(map.parts.canvas)
  else listen(map)
  const stop = onNewLook(map.parts.canvas, redraw)
  return {
    // Shows a quantity of quantity.js over the observation dimensions `axes` of `dimensions`, the others as in the
    // observation `fixed`; an episode's observations `path`, of which number `at` is the present one; and with `arrows`,
    // the environment's step(observation, action), where the policy `network` leads; and the boundary of a
    // `rival`, the same quantity of another network.
    show({ path = [], at = path.length - 1, arrows = null, ...scene }) {
      if (map.scene?.axes.some((axis, i) => axis !== scene.axes[i])) map.cursor = null
      map.scene = { ...scene, path, at, arrows, present: path[at] ?? scene.fixed }
      draw(map)
    },
    destroy() {
      stop()
      map.parts.node.remove()
    },
  }
}

function build(root, keys) {
  const canvas = element("canvas", "lab-map-canvas", { role: "img", "aria-label": "No policy yet" })
  const screen = element("div", "lab-map-screen", { tabindex: "0", role: "group", "aria-label": keys }, canvas)
  const [low, high, told] = [element("span"), element("span"), element("span", "lab-map-told")]
  const scale = element("span", "lab-map-scale")
  const key = element("span", "lab-map-key", {}, low, scale, high)
  const node = element("div", "lab-map", {}, element("div", "lab-map-head", {}, key, told), screen)
  root.append(node)
  return { node, canvas, screen, low, scale, high, told }
}

function look(map) {
  map.look = lookOf(map.parts.canvas)
  map.drawn = []
  const { colors } = map.look
  const [low, high] = colors.palette.slice(0, 2).map((color) => mixed(colors.back, color, STRENGTH))
  colors.ends = { low, high, strength: STRENGTH }
}

function listen(map) {
  const { canvas, screen } = map.parts
  canvas.onpointermove = (event) => point(map, valuesAt(map, event))
  canvas.onpointerleave = () => point(map, null)
  canvas.onclick = (event) => pick(map, valuesAt(map, event))
  screen.onblur = () => point(map, null)
  screen.onkeydown = (event) => press(map, event)
}

// Returns which two values the pointer is at, null if it is not on the plot.
function valuesAt({ scene, plot }, { offsetX, offsetY }) {
  return scene && plot.holds([offsetX, offsetY]) ? plot.at([offsetX, offsetY]) : null
}

function press(map, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !map.scene) return
  if (MOVES[event.key]) point(map, nudged(map, MOVES[event.key]))
  else if (event.key === "Enter") pick(map, map.cursor)
  else return
  event.preventDefault()
}

// Returns the values beside the cursor, at first beside the present state.
function nudged({ scene, plot, cursor }, move) {
  const from = cursor ?? scene.axes.map((axis) => scene.present[axis])
  return plot.dimensions.map(({ low, high }, i) => {
    return Math.max(low, Math.min(from[i] + NUDGE * (high - low) * move[i], high))
  })
}

function point(map, cursor) {
  map.cursor = cursor
  if (map.scene) draw(map)
}

function pick({ scene, onPick }, values) {
  if (values) onPick?.(observationAt(scene, values))
}

function draw(map) {
  const { look, scene, parts, ground } = map
  map.plot = plotOf(look.size, shownBy(scene), !map.small)
  renew(map)
  drawScene(parts.canvas, look, map.plot, ground, scene, map.cursor)
  if (!map.small) tell(map)
}

// Returns the two dimensions of the map.
function shownBy({ axes, dimensions }) {
  return axes.map((axis) => dimensions[axis])
}

// Draws the ground, if it is to show anything else than it does.
function renew(map) {
  const { scene, look, plot, ground, drawn, parts } = map
  const { quantity, network, rival, axes, arrows } = scene
  const bounds = plot.dimensions.flatMap(({ low, high }) => [low, high])
  const wanted = [quantity.network, quantity.name, network, rival?.network, arrows, ...axes, ...bounds, ...observationAt(scene, [0, 0])]
  if (drawn.length === wanted.length && wanted.every((part, i) => part === drawn[i])) return
  Object.assign(map, { drawn: wanted, field: fieldOf(scene, plot.dimensions) })
  drawGround(ground, look, plot, map.field, scene)
  parts.scale.style.background = `linear-gradient(to right, ${colorsOf(quantity, look.colors).join(", ")})`
  parts.scale.classList.toggle("lab-map-middle", quantity.level !== null)
  name(map)
}

// Names what the ground shows: the ends of the scale, the axes, how much of the map is above the level.
function name(map) {
  const { parts, field, small, scene: { quantity: { name, ends, level } } } = map
  const [across, up] = map.plot.dimensions.map(({ name }) => name)
  const [low, high] = ends ?? field.scale.map((value) => signed(value, 2))
  write(parts.low, low)
  write(parts.high, high)
  const share = () => `is above ${level} on ${Math.round(100 * shareAbove(field, level))} %`
  const often = level === null ? `is from ${low} to ${high} on all` : share()
  map.often = `Policy over ${across} and ${up}: ${name} ${often} of the map`
  if (!small) return
  parts.canvas.setAttribute("aria-label", map.often)
  write(parts.told, `${across} to the right, ${up} upwards`)
}

// Says in words what is seen at the moment.
function tell({ parts, scene, plot, cursor, often }) {
  const { quantity, present } = scene
  const valueAt = (observation) => signed(quantity.at(observation), 2)
  parts.canvas.setAttribute("aria-label", `${often}, and ${valueAt(present)} at the present state`)
  parts.told.ariaLive = cursor ? "polite" : "off" // what plays is not read aloud
  const there = () => `${placeOf(plot.dimensions, cursor)}: ${quantity.name} ${valueAt(observationAt(scene, cursor))}`
  write(parts.told, cursor ? there() : `${quantity.name} ${valueAt(present)}${quantity.more}`)
}

function placeOf(shown, values) {
  return shown.map((each, i) => `${each.name} ${inUnits(values[i], each)} ${each.unit}`.trim()).join(", ")
}
