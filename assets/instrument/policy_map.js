// A policy as a picture: over two dimensions of what it observes, how likely an action is, and where that leads.

import { plotOf } from "./axes.js"
import { element, write } from "./dom.js"
import { lookOf, mixed, onNewLook } from "./paper.js"
import { drawGround, drawScene, fieldOf, observationAt, shareOf } from "./policy_picture.js"
import { inUnits, signed } from "./thought.js"

const STRENGTH = 0.65 // of the colours of certainty: what is drawn on them must be seen
const NUDGE = 1 / 48 // of the map, for a press of an arrow
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }
const KEYS = "Policy map: arrows move a cursor, Enter picks what is observed there"

// Returns a map under `root`. `dimensions` are those of observations, as in cart_pole.js; `actions` names the
// environment's actions, null where they have no names; `onPick` is called with the observation at a point.
export function createPolicyMap(root, { dimensions, actions = null, onPick = () => null }) {
  const map = {
    dimensions, actions, onPick, parts: build(root), ground: document.createElement("canvas"),
    look: null, plot: null, scene: null, cursor: null, // two values
    drawn: [], share: 0, // of what the ground shows
  }
  const redraw = () => {
    look(map)
    if (map.scene) draw(map)
  }
  look(map)
  listen(map)
  const stop = onNewLook(map.parts.canvas, redraw)
  return {
    // Shows a network of network.js over the observation dimensions `axes`, the others as in the observation `fixed`;
    // an episode's observations `path`, of which number `at` is the present one; with `arrows`, the environment's
    // step(observation, action), where that leads; of several actions or components the one `of`; and the boundary of a
    // `rival`, another network.
    show({ path = [], at = path.length - 1, arrows = null, of, ...scene }) {
      const { network, axes, fixed } = scene
      if (map.scene?.axes.some((axis, i) => axis !== axes[i])) map.cursor = null
      const last = network.gaussian ? 0 : network.count - 1
      map.scene = { ...scene, path, at, arrows, of: of ?? last, present: path[at] ?? fixed }
      draw(map)
    },
    destroy() {
      stop()
      map.parts.node.remove()
    },
  }
}

function build(root) {
  const canvas = element("canvas", "lab-map-canvas", { role: "img", "aria-label": "No policy yet" })
  const screen = element("div", "lab-map-screen", { tabindex: "0", role: "group", "aria-label": KEYS }, canvas)
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
  colors.ends = colors.palette.slice(0, 2).map((color) => mixed(colors.back, color, STRENGTH))
  const [low, high] = colors.ends
  map.parts.scale.style.background = `linear-gradient(to right, ${low}, ${colors.back}, ${high})`
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
  if (values) onPick(observationAt(scene, values))
}

function draw(map) {
  const { look, scene, parts, ground } = map
  map.plot = plotOf(look.size, scene.axes.map((axis) => map.dimensions[axis]))
  renew(map)
  drawScene(parts.canvas, look, map.plot, ground, scene, map.cursor)
  tell(map)
}

// Draws the ground, if it is to show anything else than it does.
function renew(map) {
  const { scene, look, plot, ground, drawn } = map
  const { network, rival, axes, arrows, of } = scene
  const wanted = [network, rival, arrows, of, ...axes, ...observationAt(scene, [0, 0])]
  if (drawn.length && wanted.every((part, i) => part === drawn[i])) return
  const field = fieldOf(scene, plot.dimensions)
  drawGround(ground, look, plot, field, scene)
  Object.assign(map, { drawn: wanted, share: shareOf(field) })
}

// Says in words what is seen.
function tell({ actions, dimensions, parts, scene, cursor, share }) {
  const shown = scene.axes.map((axis) => dimensions[axis])
  const [across, up] = shown.map(({ name }) => name)
  const [name, low, high, even] = wordsOf(scene, actions)
  const now = valueAt(scene, scene.present)
  write(parts.low, low)
  write(parts.high, high)
  const often = `${name} is above ${even} on ${Math.round(100 * share)} % of the map`
  parts.canvas.setAttribute("aria-label", `Policy over ${across} and ${up}: ${often}, and ${now} at the present state`)
  parts.told.ariaLive = cursor ? "polite" : "off" // what plays is not read aloud
  const there = () => `${placeOf(shown, cursor)}: ${name} ${valueAt(scene, observationAt(scene, cursor))}`
  write(parts.told, cursor ? there() : `${name} ${now}`)
}

function placeOf(shown, values) {
  return shown.map((each, i) => `${each.name} ${inUnits(values[i], each)} ${each.unit}`).join(", ")
}

function valueAt({ network: { gaussian, outputs, probabilities }, of }, observation) {
  return signed((gaussian ? outputs : probabilities)(observation)[of], 2)
}

// Returns the name of what is shown, what its two ends are, and what is in the middle.
function wordsOf({ network: { gaussian, count }, of }, actions) {
  if (gaussian) return [count > 1 ? `mean a${of}` : "mean a", "−1", "1", 0]
  const named = Array.from({ length: count }, (_, action) => actions?.[action] ?? `action ${action}`)
  return [`π(${actions?.[of] ?? of})`, ...(count === 2 ? [named[1 - of], named[of]] : ["0", "1"]), 0.5]
}
