// The policy under the microscope: one moment of a run, what was done then, and the update that followed, taken apart.

import { createArrows } from "./arrows.js"
import { DIMENSIONS } from "./cart_pole.js"
import { createChart } from "./charts.js"
import { element, select, write } from "./dom.js"
import { createEpisodes, stateAt } from "./episodes.js"
import { createEstimators } from "./estimators.js"
import { createNetwork } from "./network.js"
import { newest } from "./newest.js"
import { createPlayer } from "./player.js"
import { createPolicyMap } from "./policy_map.js"
import { alone, only, played, rollout } from "./played.js"
import { createPushes } from "./pushes.js"
import { createTimeBar } from "./time_bar.js"
import { createUpdateTable } from "./update_table.js"
import { createWeights } from "./weights.js"

const FAILED = "The lab did not answer: move the slider, or reload the page."
const NO_UPDATE = "This is the newest policy: no update has followed it yet."
const AXES = [2, 3] // θ and θ̇, at first
const ANGULAR_VELOCITY = 3
const NOTHING = DIMENSIONS.map(() => 0)

const microscopes = new WeakMap() // parentElement → its microscope

export function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  if (!microscopes.has(parentElement)) microscopes.set(parentElement, create(parentElement))
  const microscope = microscopes.get(parentElement)
  Object.assign(microscope, { setStateValue, setTriggerValue })
  receive(microscope, JSON.parse(new TextDecoder().decode(data)))
}

export function unmount(parentElement) {
  const microscope = microscopes.get(parentElement)
  if (!microscope) return
  microscopes.delete(parentElement)
  for (const part of ["time", "player", "pushes", "map", "curve", "table", "estimators", "arrows", "weights"]) microscope[part].destroy()
  microscope.root.remove()
}

function create(parentElement) {
  const names = ["time", "stage", "map", "table", "curve", "estimators"]
  const places = Object.fromEntries(names.map((name) => [name, element("div", `lab-micro-${name}`)]))
  const root = element("div", "lab-microscope", {}, ...Object.values(places))
  parentElement.append(root)
  const [notice, apart] = [element("p", "lab-micro-notice", { role: "status" }), element("div")]
  places.table.append(notice, apart)
  const microscope = {
    root, places, notice, apart, told: null, network: null, entry: null, path: [], moment: 0, rows: null,
  }
  Object.assign(microscope, partsOf(microscope), questionsOf(microscope))
  return microscope
}

function partsOf(microscope) {
  const { stage, map, table, curve, time, estimators } = microscope.places
  const pushed = (more) => present(microscope)?.map((value, i) => value + (i === ANGULAR_VELOCITY ? more : 0))
  return {
    time: createTimeBar(time, { onMove: (at) => go(microscope, at), onRest: () => keep(microscope) }),
    player: createPlayer(stage, { episodes: null, onMoment: (entry, moment) => atMoment(microscope, entry, moment) }),
    pushes: createPushes(stage, {
      onPush: (more) => playFrom(microscope, pushed(more)), onChange: () => playFrom(microscope, present(microscope)),
    }),
    axes: offerAxes(microscope),
    map: createPolicyMap(map, {
      dimensions: DIMENSIONS, actions: ["left", "right"], onPick: (state) => playFrom(microscope, state),
    }),
    curve: createChart(curve, { onClick: (x) => microscope.time.move({ update: updateAt(microscope.rows, x) }) }),
    table: createUpdateTable(microscope.apart, { onStep: (step) => microscope.player.hold(step) }),
    estimators: createEstimators(estimators, {
      ask: (batches) => fetched(microscope, measured(microscope, batches)),
      onRace: (settings) => microscope.setTriggerValue("race", { update: microscope.time.at.update, settings }),
    }),
    arrows: createArrows(table),
    weights: createWeights(curve),
  }
}

// What is asked while the slider moves: only the newest of it counts.
function questionsOf(microscope) {
  const fail = (_, error) => complain(microscope, error)
  const weights = ({ update, agent }) => fetched(microscope, { weights: update, agent })
  const apart = ({ update, ...whose }) => {
    return update < microscope.told.updates ? fetched(microscope, { dissection: update, ...whose }) : null
  }
  return {
    weigh: newest(weights, { show: (at, params) => think(microscope, at, params), fail }),
    takeApart: newest(apart, { show: (at, found) => take(microscope, at, found), fail }),
    spread: newest((of) => fetched(microscope, of), { show: (_, found) => microscope.weights.take(found), fail }),
  }
}

function measured({ time }, batches) {
  const { update, agent } = time.at
  return { estimators: update, agent, batches }
}

function complain({ notice }, error) {
  write(notice, error.message || FAILED)
}

// Offers the two dimensions of the map.
function offerAxes(microscope) {
  const named = Object.fromEntries(DIMENSIONS.map(({ name }, i) => [i, name]))
  const found = ["Horizontal axis of the map", "Vertical axis of the map"].map((label, i) => {
    const chosen = select(label, named, () => drawMap(microscope))
    chosen.value = AXES[i]
    return chosen
  })
  const follow = element("input", "", { type: "checkbox" })
  follow.onchange = () => drawMap(microscope)
  const label = element("label", "", { title: "Else they are 0" }, follow, " others as on stage")
  microscope.places.map.append(element("div", "lab-micro-axes", {}, "over", found[0], found[1], label))
  return { chosen: found, follow }
}

// Takes what the page tells: which run, how long it is, and the first time where to begin.
function receive(microscope, told) {
  const before = microscope.told
  microscope.told = told
  // Of other environments only the pictures are known.
  for (const node of [microscope.places.map, microscope.pushes.node]) node.hidden = told.kind !== "cart_pole"
  microscope.time.of(told)
  if (before?.subject !== told.subject) microscope.time.move(told.at)
  if (before?.subject !== told.subject || before.updates !== told.updates) {
    drawCurve(microscope).catch((error) => complain(microscope, error))
    askSpread(microscope)
  }
}

async function fetched({ told }, query) {
  const found = await fetch(new URL(`${told.address}?${new URLSearchParams(query)}`, document.baseURI))
  if (!found.ok) throw new Error(FAILED)
  const content = await found.json()
  if (content.error) throw new Error(content.error)
  return content
}

async function drawCurve(microscope) {
  const { charts, rows } = await fetched(microscope, { version: "" })
  microscope.rows = rows
  microscope.curve.take(charts[0])
  markCurve(microscope)
}

function markCurve({ curve, rows, time }) {
  if (!rows) return
  const { update } = time.at
  curve.mark(update === 0 ? 0 : rows.x.at(rows.update.findIndex((value) => value >= update)))
}

function updateAt({ x, update }, at) {
  const place = x.findIndex((value) => value >= at)
  return place < 0 ? update.at(-1) : update[place]
}

// Asks how the weights of the agent have spread up to now.
function askSpread(microscope) {
  const { told, time, spreadOf } = microscope
  const { agent } = time.at
  microscope.spreadOf = `${told.subject} ${told.updates} ${agent}`
  if (microscope.spreadOf !== spreadOf) microscope.spread({ spread: told.updates, agent })
}

function go(microscope, at) {
  askSpread(microscope)
  microscope.weights.mark(at.update)
  microscope.estimators.forget()
  microscope.weigh(at)
  microscope.takeApart(at)
  markCurve(microscope)
}

// Has the page keep where one is: it is in its address.
function keep({ setStateValue, time }) {
  const { update, agent, episode } = time.at
  setStateValue("at", [update, agent, episode])
}

function think(microscope, at, params) {
  microscope.network = createNetwork(params)
  microscope.weights.look(params, microscope.told.kind)
  microscope.root.dataset.policy = at.update
  drawMap(microscope)
}

// Shows an update's episode and its numbers; of the newest policy, which no update has followed, an episode as on the
// Train page.
function take(microscope, at, apart) {
  const { told, player, table } = microscope
  write(microscope.notice, apart ? "" : NO_UPDATE)
  microscope.apart.hidden = microscope.arrows.hidden = !apart
  const ofBatch = apart && told.kind === "cart_pole"
  const another = async () => alone(await fetched(microscope, { policy: at.update, agent: at.agent }), at.agent)
  player.reset({ episodes: ofBatch ? only(played(apart, told)) : createEpisodes(another), actions: told.actions })
  player.play(at.update)
  if (apart) table.show(apart, told.actions)
  if (apart) microscope.arrows.show(apart)
  microscope.root.dataset.apart = at.update
}

function atMoment(microscope, entry, moment) {
  if (entry !== microscope.entry) {
    microscope.entry = entry
    microscope.path = entry.states ? Array.from({ length: entry.length + 1 }, (_, t) => stateAt(entry, t)) : []
  }
  microscope.moment = moment
  microscope.table.mark(entry.ofBatch ? moment : null)
  drawMap(microscope)
}

function drawMap({ map, axes, network, path, moment, pushes }) {
  if (!network || !path.length) return
  const at = Math.min(moment, path.length - 1)
  const fixed = axes.follow.checked ? path[at] : NOTHING
  map.show({ network, axes: axes.chosen.map(({ value }) => Number(value)), fixed, path, at, arrows: pushes.dynamics })
}

// Returns the state on the stage; where that ends an episode, it is the one before it.
function present({ path, moment }) {
  return path[Math.min(moment, path.length - 2)]
}

// Plays on from a state, by the policy of this moment.
function playFrom({ network, player, pushes, time, told }, state) {
  if (!network || !state) return
  const episode = rollout(network, state, { ...told, ...time.at }, pushes.dynamics)
  player.reset({ episodes: only(episode), actions: told.actions })
  player.play(episode.update)
}
