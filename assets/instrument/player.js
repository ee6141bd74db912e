// Plays the policies of a run: while live, one newer policy after another takes over.

import { element, write } from "./dom.js"
import { agentOf, entryOf, rightAt, stateAt } from "./episodes.js"
import { createStage, shortNumber } from "./stage.js"

const STAY_MS = 800 // that a policy is played at least, unless its episode ends before
const REST_MS = 700 // at the end of an episode, to see how it ended
const LATE_MS = 1000 // longer than this between two pictures, the page was not seen
const NONE_SKIPPED = 3 // so many newer policies are shown one by one, where every one is to be seen
const SPEEDS = [[0.25, "¼×"], [0.5, "½×"], [1, "1×"], [2, "2×"], [4, "4×"]]
const ROLES = [
  ["median", "Median agent"], ["best", "Best agent"], ["worst", "Worst agent"], ["all", "All side by side"],
]
const MOST_BARS = 6
const SUBSCRIPTS = "₀₁₂₃₄₅"
const DEGREES = 180 / Math.PI
const QUANTITIES = [["x", "m", 1, 2], ["ẋ", "m/s", 1, 2], ["θ", "°", DEGREES, 1], ["θ̇", "°/s", DEGREES, 1]]
const KEYS = "Space plays and pauses, arrows step, Home and End jump, < and > change the speed"
const FIGURE_SPACE = "\u2007" // as wide as a digit: what stands behind a number stays where it is
const NOTHING = { newest: null, kept: [], every: false }
const FAILED = "The episode could not be fetched."
const ICONS = {
  previous: "M4 3h1.6v10H4zM13 3v10L6.4 8z",
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  next: "M12 3h-1.6v10H12zM3 3v10l6.6-5z",
  film: "M1.5 2.5h13v11h-13zM3 4v1.6h1.5V4zm0 3.2v1.6h1.5V7.2zm0 3.2V12h1.5v-1.6zM11.5 4v1.6H13V4zm0 3.2v1.6H13V7.2z" +
    "m0 3.2V12H13v-1.6zM6 4v8h4V4z",
}

// Returns a player under `root`. `actions` names the environment's actions, null where they have no names; `onShow` is
// called with update and episode when another policy is put on, `onLive` when the player begins or ceases to follow.
export function createPlayer(root, { episodes, actions = null, onShow = () => null, onLive = () => null }) {
  const reduced = matchMedia("(prefers-reduced-motion: reduce)")
  const player = {
    root, episodes, actions, onShow, onLive, reduced, parts: build(root), key: null,
    offered: NOTHING,
    front: "median", frames: false, speed: 1, // as chosen
    on: null, // what is on the stage
    known: false, // whether it is of the run that is offered
    moment: 0, still: false, // where it is; whether it is seen as a still picture of its whole episode
    playing: !reduced.matches, held: false, following: true, picked: null, wasLive: true,
    played: 0, ended: false, rest: 0, // of the policy on the stage, in milliseconds
    ticket: 0, loading: false, failed: false, // what was fetched for an earlier ticket comes too late
    clock: 0, ticking: 0,
  }
  player.stage = createStage(player.parts.canvas)
  listen(player)
  refresh(player)
  return {
    offer(news) {
      Object.assign(player, { offered: news, failed: false })
      if (player.following) player.picked = null
      takeOver(player)
    },
    play(update) {
      Object.assign(player, { following: false, picked: update })
      go(player)
    },
    live: () => live(player),
    setActions(actions) {
      player.actions = actions
      if (player.on) showThought(player)
    },
    // Another key is another run.
    setKey(key) {
      if (key !== player.key) forget(player)
      player.key = key
    },
    // Begins anew, with the episodes of another run; what was on the stage plays on until the first of these is there.
    reset({ episodes, actions = null }) {
      Object.assign(player, { episodes, actions })
      forget(player)
    },
    destroy() {
      drop(player)
      cancelAnimationFrame(player.ticking)
      reduced.onchange = null
      player.stage.destroy()
      player.parts.node.remove()
      delete root.dataset.update
    },
  }
}

function build(root) {
  const canvas = element("canvas", "lab-player-canvas", { role: "img", "aria-label": "No episode yet" })
  const notice = element("p", "lab-player-notice", {}, "The first policy is on its way.")
  const role = { tabindex: "0", role: "group", "aria-label": `Stage: ${KEYS}` }
  const screen = element("div", "lab-player-screen", role, canvas, notice)
  const thought = element("div", "lab-player-thought")
  const [policy, step, outcome] = ["policy", "step", "outcome"].map((name) => cell(name))
  const caption = element("p", "lab-player-caption", {}, policy, step, outcome)
  const controls = buildControls()
  const bar = element("div", "lab-player-controls", {}, ...Object.values(controls))
  const node = element("div", "lab-player", {}, element("div", "lab-player-picture", {}, screen, thought), caption, bar)
  root.append(node)
  return { node, canvas, notice, screen, thought, policy, step, outcome, ...controls }
}

function buildControls() {
  const speed = picker("speed", "Speed")
  speed.append(...SPEEDS.map(([value, text]) => element("option", "", { value }, text)))
  speed.value = 1
  const slider = { type: "range", min: "0", step: "1", value: "0", "aria-label": "Time step" }
  return {
    previous: button("Previous time step", icon("previous")),
    toggle: button("Pause the episode", icon("pause")),
    next: button("Next time step", icon("next")),
    slider: element("input", "lab-player-slider", slider),
    speed,
    agent: picker("agent", "Agent in front"),
    film: button("Gymnasium's frames", icon("film")),
    follow: button("Live", element("span", "lab-player-dot"), "Live"),
  }
}

function picker(name, label) {
  return element("select", `lab-player-select lab-player-${name}`, { "aria-label": label, title: label })
}

function button(name, ...children) {
  return element("button", "lab-player-button", { type: "button", "aria-label": name, title: name }, ...children)
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  svg.setAttribute("viewBox", "0 0 16 16")
  svg.setAttribute("aria-hidden", "true")
  const path = document.createElementNS(svg.namespaceURI, "path")
  path.setAttribute("d", ICONS[name])
  path.setAttribute("fill-rule", "evenodd")
  svg.append(path)
  return svg
}

function listen(player) {
  const { parts } = player
  parts.previous.onclick = () => hold(player, player.moment - 1)
  parts.next.onclick = () => hold(player, player.moment + 1)
  parts.toggle.onclick = () => toggle(player)
  parts.slider.oninput = () => hold(player, Number(parts.slider.value))
  parts.speed.onchange = () => (player.speed = Number(parts.speed.value))
  parts.agent.onchange = () => choose(player, { front: frontOf(parts.agent.value) })
  parts.film.onclick = () => choose(player, { frames: !player.frames })
  parts.follow.onclick = () => (isLive(player) ? stay(player) : live(player))
  parts.screen.onkeydown = (event) => press(player, event)
  player.reduced.onchange = () => {
    player.playing = !player.reduced.matches && !player.held
    if (player.playing) player.still = false
    refresh(player)
  }
}

function frontOf(value) {
  return /^\d+$/.test(value) ? Number(value) : value
}

function press(player, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !player.on) return
  const act = {
    " ": () => toggle(player),
    ArrowLeft: () => hold(player, player.moment - 1),
    ArrowRight: () => hold(player, player.moment + 1),
    Home: () => hold(player, 0),
    End: () => hold(player, player.on.last),
    "<": () => shift(player, -1),
    ">": () => shift(player, 1),
  }[event.key]
  if (!act) return
  event.preventDefault()
  act()
}

function shift(player, by) {
  const { speed } = player.parts
  speed.selectedIndex = Math.max(0, Math.min(speed.selectedIndex + by, speed.length - 1))
  player.speed = Number(speed.value)
}

// Whether a newer policy may take over.
function isLive({ following, held }) {
  return following && !held
}

function toggle(player) {
  if (player.playing) return hold(player, player.moment)
  if (player.still || player.moment >= player.on.last) player.moment = 0
  Object.assign(player, { playing: true, held: false, still: false, rest: REST_MS })
  refresh(player)
}

// Pauses at a moment: what is on the stage stays there.
function hold(player, moment) {
  drop(player)
  Object.assign(player, { playing: false, held: true, still: false, picked: null })
  player.moment = Math.max(0, Math.min(Math.floor(moment), player.on.last))
  refresh(player)
}

// Keeps what is on the stage, and plays it on.
function stay(player) {
  drop(player)
  player.following = false
  refresh(player)
}

function live(player) {
  Object.assign(player, { following: true, picked: player.on ? player.offered.newest : null })
  go(player)
}

// Plays, unless the user does without motion, and has what was picked come at once.
function go(player) {
  drop(player)
  if (player.picked === player.on?.update && player.known) player.picked = null
  Object.assign(player, { held: false, failed: false, playing: player.playing || !player.reduced.matches })
  if (player.playing) player.still = false
  refresh(player)
  takeOver(player)
}

function choose(player, chosen) {
  drop(player)
  Object.assign(player, chosen, { failed: false })
  if (player.frames && player.front === "all") player.front = "median"
  refresh(player)
  takeOver(player)
}

function forget(player) {
  drop(player)
  Object.assign(player, { known: false, following: true, held: false, picked: null, failed: false })
  Object.assign(player, { offered: NOTHING, playing: player.playing || !player.reduced.matches })
  if (typeof player.front === "number") player.front = "median" // another run may have fewer agents
  delete player.root.dataset.update
  refresh(player)
}

// Lets what is being fetched come too late.
function drop(player) {
  player.ticket += 1
  player.loading = false
}

function takeOver(player) {
  if (player.loading || player.failed) return
  const update = nextUpdate(player)
  if (update !== null) load(player, update)
}

// Returns the policy that is due, null if the one on the stage stays.
function nextUpdate(player) {
  const { on, offered, known, picked, playing, front, frames } = player
  if (picked !== null) return picked
  if (on && known && (on.front !== front || on.frames !== frames)) return on.update
  if (!isLive(player) || offered.newest === null) return null
  if (!known) return offered.newest
  const newer = offered.kept.filter((update) => update > on.update)
  const eachOne = offered.every && playing && newer.length > 0 && newer.length <= NONE_SKIPPED
  const stay = STAY_MS / (eachOne ? newer.length : 1)
  if (offered.newest === on.update || (playing && !player.ended && player.played < stay)) return null
  return eachOne ? newer[0] : offered.newest
}

async function load(player, update) {
  const ticket = ++player.ticket
  const { front, frames } = player
  player.loading = true
  try {
    const found = await fetched(player, update)
    if (ticket !== player.ticket) return
    player.loading = false
    putOn(player, { update, front, frames, ...found })
  } catch (error) {
    if (ticket !== player.ticket) return
    Object.assign(player, { loading: false, failed: true })
    say(player, error.message || FAILED)
  }
}

// Fetches a policy's episode, with the front agent among its entries; and Gymnasium's frames of it if these are wanted.
async function fetched({ episodes, front, frames, on, offered }, update) {
  const told = typeof front === "number" ? front : offered.fronts?.[update]?.[front] ?? null
  let base = await episodes.get(update, { agent: on?.base.kind === "frames" ? told : null })
  const agent = agentOf(base, front)
  if (!entryOf(base, front)) base = joined(base, await episodes.get(update, { agent }))
  const withFrames = frames && base.kind !== "frames"
  return { base, episode: withFrames ? await episodes.get(update, { agent, frames }) : base }
}

function joined(base, more) {
  if (base.kind === "frames") return { ...base, ...more, roles: base.roles ?? more.roles }
  const agents = new Set(base.episodes.map(({ agent }) => agent))
  return { ...base, episodes: [...base.episodes, ...more.episodes.filter(({ agent }) => !agents.has(agent))] }
}

// Puts an episode on: another policy's from its start, another view of the same policy at the time step where it was.
function putOn(player, found) {
  const before = player.known ? player.on : null
  const { base, update } = found
  const same = before?.update === update
  if (base.kind === "frames" && found.front === "all") found.front = player.front = "median"
  player.on = { ...found, ...measured(found) }
  Object.assign(player, { known: true, picked: null, rest: REST_MS, failed: false })
  if (same) player.moment = sameMoment(player, before)
  else Object.assign(player, { moment: 0, played: 0, ended: false, still: !player.playing })
  if (player.still) player.moment = player.on.last
  player.root.dataset.update = update
  say(player, "")
  describe(player)
  refresh(player)
  if (!same) player.onShow(update, base)
}

// Returns what there is to play of an episode: the front agent's entry, and how many moments, how long each.
function measured({ episode, front }) {
  const entry = entryOf(episode, front) ?? episode.episodes[0]
  const film = episode.kind === "frames"
  const entries = front === "all" && !film ? episode.episodes : [entry]
  const length = Math.max(...entries.map((entry) => entry.length))
  const steps = film ? entry.steps : null // done before each picture
  const [last, tick] = film ? [steps.length - 1, entry.frame_ms] : [length, episode.step_ms]
  return { entry, film, steps, length, last, tick }
}

// Returns the moment that is at the time step at which another view was; played to its end, a shorter one starts again.
function sameMoment({ on, moment, playing }, before) {
  const step = before.steps ? before.steps[moment] ?? before.length : Math.floor(moment)
  const same = on.steps ? on.steps.findIndex((at) => at >= step) : Math.min(step, on.last)
  if (same < 0 || same >= on.last) return playing ? 0 : on.last
  return same
}

function say({ parts }, sentence) {
  write(parts.notice, sentence)
  parts.notice.hidden = !sentence
}

// Writes what changes with the episode only.
function describe(player) {
  const { on, parts } = player
  const { base, entry } = on
  const policy = on.update ? `update ${on.update}` : "untrained"
  const who = whoIs(on)
  const outcome = on.front === "all" && !on.film ? `returns ${spread(base)}` : `return ${shortNumber(entry.return)}`
  const among = who && on.front !== "all" ? ` of ${base.num_agents}` : ""
  write(parts.policy, who ? `${policy} · ${who}${among}` : policy)
  write(parts.outcome, ` · ${outcome}`)
  const what = [base.env_id, policy, who].filter(Boolean).join(", ")
  parts.canvas.setAttribute("aria-label", `${what}: ${outcome} in ${on.length} steps`)
  parts.slider.max = on.last
  offerAgents(player)
  showThought(player)
}

function whoIs({ front, film, base, entry }) {
  if (base.num_agents === 1) return ""
  if (front === "all" && !film) {
    const shown = base.episodes.length
    return shown === base.num_agents ? `all ${shown} agents` : `${shown} of ${base.num_agents} agents`
  }
  return `${typeof front === "number" ? "" : `${front === "all" ? "median" : front} `}agent ${entry.agent}`
}

function spread({ episodes }) {
  const returns = episodes.map((entry) => entry.return)
  return `${shortNumber(Math.min(...returns))} to ${shortNumber(Math.max(...returns))}`
}

// Lists the agents that may stand in front.
function offerAgents({ parts, on, front }) {
  const { num_agents: count, kind } = on.base
  const wanted = `${count} ${kind}`
  if (parts.agent.dataset.lists !== wanted) {
    const numbered = Array.from({ length: count }, (_, agent) => [agent, `Agent ${agent}`])
    const listed = count > 1 ? [...ROLES, ...numbered] : [["median", "Agent 0"]]
    parts.agent.replaceChildren(...listed.map(([value, text]) => element("option", "", { value }, text)))
    parts.agent.dataset.lists = wanted
  }
  const all = parts.agent.querySelector("[value=all]")
  if (all) all.disabled = kind === "frames"
  parts.agent.value = front
}

// Has everything say what is so, and the clock run if it is to.
function refresh(player) {
  const { parts, on, playing, front, frames } = player
  for (const name of ["previous", "toggle", "next", "slider", "agent", "film", "follow"]) parts[name].disabled = !on
  if (on?.base.num_agents === 1) parts.agent.disabled = true
  parts.node.dataset.front = on?.front ?? "nobody"
  parts.film.hidden = on?.base.kind === "frames"
  parts.film.setAttribute("aria-pressed", frames)
  parts.follow.setAttribute("aria-pressed", isLive(player))
  if (on) parts.agent.value = front
  const name = playing ? "Pause the episode" : "Play the episode"
  parts.toggle.setAttribute("aria-label", name)
  parts.toggle.title = name
  parts.toggle.querySelector("path").setAttribute("d", playing ? ICONS.pause : ICONS.play)
  if (on) show(player)
  if (isLive(player) !== player.wasLive) player.onLive((player.wasLive = isLive(player)))
  cancelAnimationFrame(player.ticking)
  player.clock = performance.now()
  if (on && playing) player.ticking = requestAnimationFrame((now) => tick(player, now))
}

function tick(player, now) {
  player.ticking = requestAnimationFrame((now) => tick(player, now))
  const elapsed = Math.min(Math.max(0, now - player.clock), LATE_MS)
  player.clock = now
  player.played += elapsed
  advance(player, elapsed)
  takeOver(player)
}

function advance(player, elapsed) {
  const { on, moment, speed } = player
  if (moment < on.last) {
    player.moment = Math.min(on.last, moment + (elapsed * speed) / on.tick)
    if (player.moment === on.last) Object.assign(player, { ended: true, rest: REST_MS })
  } else {
    player.rest -= elapsed
    if (player.rest <= 0) player.moment = 0
  }
  if (Math.floor(player.moment) !== Math.floor(moment)) show(player)
}

// Draws the moment, and writes what changes with it.
function show(player) {
  const { on, parts, still } = player
  const moment = Math.floor(player.moment)
  const step = on.steps ? on.steps[moment] : moment
  player.stage.show({ episode: on.episode, front: on.film ? on.entry.agent : on.front, moment, strobe: still })
  parts.slider.value = moment
  parts.slider.setAttribute("aria-valuetext", `step ${step} of ${on.length}`)
  write(parts.step, ` · step ${String(step).padStart(String(on.length).length, FIGURE_SPACE)} of ${on.length}`)
  parts.think(moment)
}

// Builds what tells the policy's thought, if it is to tell another kind of thought than before.
function showThought({ parts, on, actions, moment }) {
  const { entry, film } = on
  const wanted = JSON.stringify(film ? [entry.discrete, entry.thoughts[0].length, actions] : "cart_pole")
  if (parts.thought.dataset.tells !== wanted) {
    const [nodes, tell] = film ? thoughts(entry, actions) : cartPoleThought()
    parts.thought.replaceChildren(...nodes)
    parts.thought.dataset.tells = wanted
    parts.tell = tell
  }
  parts.think = (moment) => parts.tell(entry, Math.min(moment, film ? on.last : entry.length))
  parts.think(Math.floor(moment))
}

function cartPoleThought() {
  const { bar, set } = gauge("lab-player-split")
  const number = cell("number")
  const title = "Probability of each push: π(left | s), π(right | s)"
  const [left, right] = [cell("word", "◀ left"), cell("word", "right ▶")]
  const row = element("div", "lab-player-push", { title }, left, bar, right, number)
  const values = QUANTITIES.map(() => cell("number"))
  const named = QUANTITIES.map(([name, unit], i) => {
    return element("span", "lab-player-quantity", {}, element("i", "", {}, name), values[i], cell("unit", unit))
  })
  const tell = (entry, step) => {
    const right = rightAt(entry, step)
    set(right === null ? null : 1 - right)
    write(number, right === null ? "end" : right.toFixed(2))
    stateAt(entry, step).forEach((value, i) => write(values[i], signed(value * QUANTITIES[i][2], QUANTITIES[i][3])))
  }
  return [[row, element("div", "lab-player-state", {}, ...named)], tell]
}

// Tells a probability for each action, with a bar; or each number of the mean action.
function thoughts({ discrete, thoughts }, actions) {
  const count = thoughts[0].length
  const rows = Array.from({ length: Math.min(count, MOST_BARS) }, (_, i) => {
    const name = discrete ? actions?.[i] ?? `action ${i}` : `mean a${count > 1 ? SUBSCRIPTS[i] : ""}`
    return { name, number: cell("number"), ...(discrete ? gauge("") : { bar: "", set: () => null }) }
  })
  const nodes = rows.map(({ name, bar, number }) => {
    return element("div", "lab-player-action", { title: name }, cell("word", name), bar, number)
  })
  const tell = ({ thoughts }, moment) => rows.forEach(({ set, number }, i) => {
    const thought = thoughts[moment][i] ?? null
    set(thought)
    write(number, thought === null ? "end" : signed(thought, 2))
  })
  return [[element("div", "lab-player-actions", {}, ...nodes)], tell]
}

function cell(name, text = "") {
  return element("span", `lab-player-${name}`, {}, text)
}

// Returns a bar and what sets its share, null for none.
function gauge(name) {
  const filled = element("div", "lab-player-filled")
  const bar = element("div", `lab-player-bar ${name}`, { "aria-hidden": "true" }, filled)
  const set = (share) => {
    bar.classList.toggle("lab-player-empty", share === null)
    if (share !== null) filled.style.transform = `scaleX(${share})`
  }
  return { bar, set }
}

function signed(number, digits) {
  const text = number.toFixed(digits)
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−")
}
