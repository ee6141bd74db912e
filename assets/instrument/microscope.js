// The policy under the microscope: one moment of a run, what was done then, and the update that followed, taken apart.

import { createArrows } from "./arrows.js"
import { asked, askedFile } from "./asked.js"
import { createCompared } from "./compared.js"
import { element, write } from "./dom.js"
import { createEpisodes } from "./episodes.js"
import { createEstimators } from "./estimators.js"
import { createFilm } from "./film.js"
import { createGame } from "./game.js"
import { createGrips } from "./grips.js"
import { createMapPanel } from "./map_panel.js"
import { atMoment, drawMap, follow, goTo, playFrom, playOn, push } from "./moments.js"
import { createNetwork } from "./network.js"
import { newest } from "./newest.js"
import { beOneEntry } from "./page.js"
import { createPlayer } from "./player.js"
import { alone, only, played } from "./played.js"
import { createPushes } from "./pushes.js"
import { createRobustness } from "./robustness.js"
import { createRunCurve } from "./run_curve.js"
import { createTimeBar } from "./time_bar.js"
import { createUpdateTable } from "./update_table.js"
import { createWeights } from "./weights.js"

const FIRST = "The update is being taken apart: the first one takes some seconds."
const NO_UPDATE = "This is the newest policy: no update has followed it yet."

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
  for (const part of Object.values(microscope.parts)) part.destroy()
  microscope.root.remove()
}

function create(parentElement) {
  const names = ["time", "stage", "map", "table", "curve", "estimators"]
  const places = Object.fromEntries(names.map((name) => [name, element("div", `lab-micro-${name}`)]))
  const root = element("div", "lab-microscope", {}, ...Object.values(places))
  parentElement.append(root)
  const [notice, apart] = [element("p", "lab-micro-notice", { role: "status" }), element("div", "", { hidden: "" })]
  places.table.append(notice, apart)
  const microscope = { root, places, notice, apart, told: null, network: null, value: null, entry: null, path: [], moment: 0 }
  microscope.parts = partsOf(microscope)
  Object.assign(microscope, microscope.parts, questionsOf(microscope))
  beOneEntry()
  return microscope
}

function partsOf(microscope) {
  const { stage, map, table, curve, time, estimators } = microscope.places
  const onPush = (body, more) => push(microscope, body, more)
  const agent = () => ({ agent: microscope.time.at.agent })
  const player = createPlayer(stage, { episodes: null, onMoment: (entry, moment) => atMoment(microscope, entry, moment) })
  return {
    time: createTimeBar(time, { onMove: (at) => go(microscope, at), onRest: () => keep(microscope) }),
    player,
    grips: createGrips(player, { onPush, onHold: () => player.hold(microscope.moment) }),
    pushes: createPushes(stage, { onPush, onChange: () => playOn(microscope) }),
    compared: createCompared({ time, stage }, {
      moment: () => microscope.time.at, put: (...what) => put(microscope, ...what), onOwn: () => go(microscope, microscope.time.at),
      onRest: () => keep(microscope), onRival: () => drawMap(microscope), fail: (error) => complain(microscope, error),
    }),
    map: createMapPanel(map, {
      onPick: (state) => playFrom(microscope, state), onValue: () => microscope.evaluate(microscope.time.at),
    }),
    curve: createRunCurve(curve, {
      ask: (query) => fetched(microscope, query), onPick: (update) => microscope.time.move({ update }),
      fail: (error) => complain(microscope, error),
    }),
    table: createUpdateTable(microscope.apart, { onStep: (step) => goTo(microscope, step) }),
    film: createFilm(curve, {
      ask: (query) => askedFile(microscope.told.address, { ...query, ...agent() }), named: (format) => `${microscope.told.name}.${format}`,
    }),
    estimators: createEstimators(estimators, {
      ask: (batches) => fetched(microscope, { estimators: microscope.time.at.update, ...agent(), batches }),
      onRace: (settings) => microscope.setTriggerValue("race", { update: microscope.time.at.update, settings }),
    }),
    arrows: createArrows(table),
    weights: createWeights(curve, { ask: (query) => fetched(microscope, query), fail: (error) => complain(microscope, error) }),
    robustness: createRobustness(microscope.root, {
      ask: (parameter) => microscope.compared.measure(microscope.time.at, { parameter }),
    }),
    game: createGame(stage, {
      onOpen: () => microscope.player.hold(microscope.moment), onEnd: (played) => microscope.setTriggerValue("game", played),
    }),
  }
}

// What is asked while the slider moves: only the newest of it counts.
function questionsOf(microscope) {
  const fail = (_, error) => complain(microscope, error)
  const weights = ({ update, agent }) => fetched(microscope, { weights: update, agent })
  const value = ({ update, agent }) => fetched(microscope, { value: update, agent })
  // The newest policy has no update yet: unless the browser can play it, it is shown where the last one's episode led.
  const apart = ({ update, ...whose }) => {
    const { updates, kind } = microscope.told
    if (update >= updates && kind === "cart_pole") return null
    return fetched(microscope, { dissection: Math.min(update, updates - 1), ...whose })
  }
  return {
    evaluate: newest(value, { show: (_, params) => evaluate(microscope, params), fail }),
    weigh: newest(weights, { show: (at, params) => think(microscope, at, params), fail }),
    takeApart: newest(apart, { show: (at, found) => take(microscope, at, found), fail: (_, error) => miss(microscope, error) }),
  }
}

// What is not known of an update is not shown of another one.
function miss(microscope, error) {
  microscope.apart.hidden = microscope.arrows.hidden = true
  delete microscope.root.dataset.waiting
  complain(microscope, error)
}

function complain({ notice }, error) {
  write(notice, error.message)
}

function fetched({ told }, query) {
  return asked(told.address, query)
}

// Takes what the page tells: which run, how long it is, and the first time where to begin.
function receive(microscope, told) {
  const before = microscope.told
  const isNew = before?.subject !== told.subject
  microscope.told = told
  for (const { node } of [microscope.pushes, microscope.robustness]) node.hidden = told.kind !== "cart_pole"
  microscope.grips.take(told.kind === "cart_pole")
  microscope.game.of(told.game)
  microscope.map.of(told)
  microscope.time.of(told)
  if (isNew) {
    Object.assign(microscope, { network: null, value: null, path: [] })
    microscope.apart.hidden = microscope.arrows.hidden = true // nothing of another run is shown
    delete microscope.root.dataset.apart
    microscope.game.against(null)
    microscope.curve.begin()
    microscope.compared.begin(told)
    microscope.time.move(told.at)
  }
  if (!isNew && before.updates === told.updates) return
  const { at } = microscope.time
  microscope.curve.refresh()
  microscope.weights.mark(told, at)
  if (!isNew && at.update >= before.updates) microscope.takeApart(at) // now an update has followed
}

function go(microscope, at) {
  if (!microscope.root.dataset.apart) write(microscope.notice, FIRST)
  else if (at.update < microscope.told.updates) write(microscope.notice, "")
  microscope.root.dataset.waiting = "true"
  microscope.pushes.reset()
  microscope.estimators.forget()
  microscope.robustness.forget()
  microscope.weights.mark(microscope.told, at)
  microscope.weigh(at)
  if (microscope.map.showsValue) microscope.evaluate(at)
  else microscope.value = null
  microscope.takeApart(at)
  microscope.compared.play(at)
  microscope.curve.mark(at.update)
}

// Has the page keep where one is: it is in its address.
function keep({ setStateValue, time, compared }) {
  const { update, agent, episode } = time.at
  setStateValue("at", [update, agent, episode, ...compared.at])
}

// Puts an episode on the stage.
function put({ player, told }, episodes, update) {
  player.reset({ episodes, actions: told.actions })
  player.play(update)
}

function think(microscope, at, params) {
  microscope.network = createNetwork(params, microscope.told.choices)
  microscope.game.against({ network: microscope.network, update: at.update, agent: at.agent })
  microscope.weights.look(params, microscope.told)
  microscope.root.dataset.policy = at.update
  drawMap(microscope)
}

function evaluate(microscope, params) {
  microscope.value = createNetwork(params)
  drawMap(microscope)
}

// Shows an update's numbers, and its episode unless a fresh one was chosen; of the newest policy, which no update has
// followed, an episode as on the Train page.
function take(microscope, at, found) {
  const { told, compared, table } = microscope
  const apart = at.update < told.updates ? found : null
  write(microscope.notice, apart ? "" : NO_UPDATE)
  microscope.apart.hidden = microscope.arrows.hidden = !apart
  const ofBatch = apart && told.kind === "cart_pole"
  const another = async () => alone(await fetched(microscope, { policy: at.update, agent: at.agent }), at.agent)
  if (!compared.fresh) {
    compared.forget()
    put(microscope, ofBatch ? only(played(apart, told)) : createEpisodes(another), at.update)
  }
  if (apart) {
    table.show(apart, told)
    microscope.arrows.show(apart)
  }
  if (told.kind !== "cart_pole") {
    follow(microscope, found.observations)
    if (apart) table.mark(0)
    drawMap(microscope)
  }
  microscope.root.dataset.apart = at.update
  if (at.update === microscope.time.at.update) delete microscope.root.dataset.waiting
}
