// A policy over states: on the environment's grid an arrow for each, of its most probable action, else a row of bars.

import { element, write } from "./dom.js"
import { option, signed } from "./thought.js"
import { short } from "./update_table.js"

const TURNS = { up: 0, right: 90, down: 180, left: 270 } // degrees, of the actions that lead somewhere
const ENDS = "HGC" // holes, goals and cliffs: nothing is decided there
const SHADE = 45 // % of the colour, at the highest value
const HEAD = 40 // CSS pixels at both ends, where a row is not seen whole
const NS = "http://www.w3.org/2000/svg"
const ARROW = "M8 14V3M3.5 7.5 8 3l4.5 4.5"
const DOT = "M8 8h0" // as wide as its stroke

// Returns a map under `root` of as many `states` as the environment has, on its `grid`, rows of letters, if that has any.
export function createStateMap(root, { states, grid, action_size: count, actions }) {
  const names = Array.from({ length: count }, (_, k) => actions?.[k] ?? option([count], k))
  const letters = [...grid.join("")]
  const spots = Array.from({ length: states }, (_, s) => (grid.length ? fieldOf(letters[s]) : rowOf(s, names)))
  const head = element("div", "lab-map-told")
  const role = { tabindex: "0", role: "region", "aria-label": "States" }
  const screen = element("div", "lab-states-screen", role, tableOf(spots, grid, names))
  const node = element("div", "lab-states", {}, head, screen)
  root.append(node)
  const map = {
    names, letters, spots, head, screen,
    policy: null, chances: [], value: null, values: null, // of each state
    path: null, visited: [], state: null,
  }
  return {
    // Shows a network of network.js; with another one `value`, instead of actions what that says of each state; and of an
    // episode's observations `path` where number `at` is.
    show({ policy, value, path, at }) {
      if (path !== map.path) visit(map, path)
      if (policy !== map.policy || value !== map.value) fill(map, policy, value)
      mark(map, map.visited[at])
    },
    destroy: () => node.remove(),
  }
}

function tableOf(spots, grid, names) {
  if (!grid.length) {
    const titles = ["state", ...names].map((name) => element("th", "", { scope: "col" }, name))
    const body = element("tbody", "", {}, ...spots.map(({ row }) => row))
    return element("table", "lab-states-rows", {}, element("thead", "", {}, element("tr", "", {}, ...titles)), body)
  }
  const across = grid[0].length
  const rows = grid.map((_, i) => element("tr", "", {}, ...spots.slice(i * across, (i + 1) * across).map(({ node }) => node)))
  return element("table", "lab-states-grid", {}, element("tbody", "", {}, ...rows))
}

function fieldOf(letter) {
  const [arrow, path] = [document.createElementNS(NS, "svg"), document.createElementNS(NS, "path")]
  arrow.setAttribute("viewBox", "0 0 16 16")
  arrow.setAttribute("aria-hidden", "true")
  arrow.setAttribute("hidden", "") // until there is a policy
  arrow.append(path)
  const words = element("span", "lab-states-words")
  return { node: element("td", "", {}, element("b", "", {}, letter), arrow, words), arrow, path, words }
}

function rowOf(state, names) {
  const bars = names.map(() => element("span", "lab-states-bar"))
  const numbers = names.map(() => element("span"))
  const cells = bars.map((bar, k) => element("td", "", {}, bar, numbers[k]))
  const row = element("tr", "", {}, element("th", "", { scope: "row" }, String(state)), ...cells)
  return { node: row, row, bars, numbers }
}

// Notes in which state each step of an episode was.
function visit(map, path) {
  for (const state of map.visited) map.spots[state].node.classList.remove("lab-states-visited")
  Object.assign(map, { path, visited: path.map((observation) => observation.indexOf(1)) })
  for (const state of map.visited) map.spots[state].node.classList.add("lab-states-visited")
}

function fill(map, policy, value) {
  const { spots, letters, names } = map
  const alone = (state) => spots.map((_, s) => Number(s === state))
  const over = (tell) => spots.map((_, state) => tell(alone(state)))
  const values = value && over((each) => value.outputs(each)[0])
  Object.assign(map, { policy, value, chances: over(policy.probabilities), values })
  spots.forEach((spot, s) => {
    shade(spot.node, s, map.values)
    if (spot.row) bars(spot, map.chances[s])
    else if (map.values) field(spot, short(map.values[s]))
    else if (ENDS.includes(letters[s])) field(spot, "")
    else choice(spot, map.chances[s], names)
  })
}

// Colours a state the more the higher its value is.
function shade({ style }, state, values) {
  const [low, high] = values ? [Math.min(...values), Math.max(...values)] : [0, 0]
  const share = high > low ? (values[state] - low) / (high - low) : 0
  style.background = `color-mix(in srgb, var(--st-primary-color) ${(SHADE * share).toFixed(1)}%, transparent)`
}

function bars({ bars, numbers }, chances) {
  chances.forEach((chance, k) => {
    bars[k].style.transform = `scaleX(${chance.toFixed(3)})`
    write(numbers[k], signed(chance, 2))
  })
}

// Shows the most probable action: an arrow, the stronger the more probable it is, where the action has a direction; a dot
// where several are, in as many digits as are shown.
function choice(spot, chances, names) {
  const best = Math.max(...chances)
  const likely = names.filter((_, k) => signed(chances[k], 2) === signed(best, 2))
  const turn = TURNS[likely[0]]
  const strength = (best - 1 / chances.length) / (1 - 1 / chances.length)
  field(spot, `${likely.join(" or ")} ${signed(best, 2)}`, turn !== undefined)
  const isTie = likely.length > 1
  spot.path.setAttribute("d", isTie ? DOT : ARROW)
  spot.arrow.style.transform = `rotate(${turn}deg)`
  spot.arrow.style.opacity = 0.25 + 0.75 * strength
  spot.arrow.style.strokeWidth = (isTie ? 3 : 1) + 2 * strength
}

// Writes what is said of a field, which only a screen reader says where an arrow does.
function field({ node, arrow, words }, text, hasArrow = false) {
  arrow.toggleAttribute("hidden", !hasArrow)
  words.classList.toggle("lab-states-unseen", hasArrow)
  node.title = text
  write(words, text)
}

// Marks the present state, and says what is done there.
function mark(map, state) {
  const { spots, chances, values, names, head, screen } = map
  if (state !== map.state) {
    spots[map.state]?.node.removeAttribute("aria-current")
    map.state = state
    spots[state].node.setAttribute("aria-current", "step")
    const { offsetTop } = spots[state].node
    const { scrollTop, clientHeight } = screen
    const isSeen = offsetTop >= scrollTop + HEAD && offsetTop <= scrollTop + clientHeight - HEAD
    if (!isSeen) screen.scrollTop = offsetTop - clientHeight / 2
  }
  const done = chances[state].map((chance, k) => `${names[k]} ${signed(chance, 2)}`).join(" · ")
  write(head, `state ${state}: ${values ? `V(s) ${short(values[state])}` : done}`)
}
