// Plays the policies of a run: while live, one newer policy after another takes over.

import { describe, say } from "./caption.js"
import { write } from "./dom.js"
import { agentOf } from "./episodes.js"
import { build, ICONS } from "./player_parts.js"
import { createStage } from "./stage.js"
import { isLive, nextUpdate } from "./succession.js"
import { showThought } from "./thought.js"
import { fetched, measured } from "./view.js"

const READABLE_MS = 80 // of play between two texts: digits that change with every picture cannot be read
const REST_MS = 700 // at the end of an episode, to see how it ended
const LATE_MS = 1000 // longer than this between two pictures, the page was not seen
const FIGURE_SPACE = "\u2007" // as wide as a digit: what stands behind a number stays where it is
const NOTHING = { newest: null, kept: [], every: false }
const FAILED = "The episode could not be fetched."
const [FIRST_RETRY_MS, LAST_RETRY_MS] = [1_000, 32_000] // after a failure, twice as long each time

// Returns a player under `root`. `actions` names the environment's actions, null where they have no names; `closer` says
// where an update's policy can be looked at more closely; `onLive` is called when the player begins or ceases to follow,
// `onMoment` with what is on the stage, the moment it is at, and of which update it is.
export function createPlayer(root, { episodes, actions = null, closer = () => null, onLive = () => null, onMoment = () => null }) {
  const reduced = matchMedia("(prefers-reduced-motion: reduce)")
  const player = {
    root, episodes, actions, closer, onLive, onMoment, reduced, parts: build(root),
    offered: NOTHING,
    front: "median", frames: false, speed: 1, // as chosen
    on: null, // what is on the stage
    known: false, // whether it is of the run that is offered
    moment: 0, still: false, // where it is; whether it is seen as a still picture of its whole episode
    playing: !reduced.matches, held: false, following: true, picked: null, wasLive: true,
    played: 0, ended: false, rest: 0, // of the policy on the stage, in milliseconds
    retry: 0, patience: FIRST_RETRY_MS,
    ticket: 0, loading: false, failed: false, // what was fetched for an earlier ticket comes too late
    clock: 0, ticking: 0,
  }
  player.stage = createStage(player.parts.canvas)
  listen(player)
  refresh(player)
  return {
    offer(news) {
      player.offered = news
      if (player.following) player.picked = null
      takeOver(player, true)
    },
    play(update) {
      Object.assign(player, { following: false, picked: update })
      go(player)
    },
    // What has the focus and the keys, and what is drawn on.
    screen: player.parts.screen,
    stage: player.stage,
    hold: (moment) => player.on && hold(player, moment),
    live: () => live(player),
    // Begins anew, with the episodes of another run.
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
  Object.assign(player, { known: false, following: true, held: false, picked: null, failed: false, patience: FIRST_RETRY_MS })
  Object.assign(player, { offered: NOTHING, playing: player.playing || !player.reduced.matches })
  if (typeof player.front === "number") player.front = "median" // another run may have fewer agents
  delete player.root.dataset.update
  link(player, null)
  refresh(player)
}

function again(player) {
  player.failed = false
  takeOver(player)
}

// Ignores what is being fetched.
function drop(player) {
  clearTimeout(player.retry)
  player.ticket += 1
  player.loading = false
}

function takeOver(player, isNews = false) {
  if (player.loading || player.failed) return
  const update = nextUpdate(player, isNews)
  if (update !== null) load(player, update)
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
    if (!player.playing) takeOver(player) // news that came meanwhile: nothing ticks under a still
  } catch (error) {
    if (ticket !== player.ticket) return
    Object.assign(player, { loading: false, failed: true })
    say(player, error.message || FAILED)
    player.retry = setTimeout(() => again(player), player.patience)
    player.patience = Math.min(2 * player.patience, LAST_RETRY_MS)
  }
}

// Puts an episode on: another policy's from its start, another view of the same policy at the time step where it was.
function putOn(player, found) {
  const before = player.known ? player.on : null
  const { base, update } = found
  const same = before?.update === update
  if (base.kind === "frames" && found.front === "all") found.front = player.front = "median"
  player.on = { ...found, ...measured(found) }
  Object.assign(player, { known: true, picked: null, rest: REST_MS, failed: false, patience: FIRST_RETRY_MS })
  if (same) player.moment = sameMoment(player, before)
  else Object.assign(player, { moment: 0, played: 0, ended: false, still: !player.playing })
  if (player.still) player.moment = player.on.last
  if (!same) player.root.dataset.update = update
  link(player, player.closer(update, agentOf(base, found.front)))
  say(player, "")
  describe(player)
  refresh(player)
}

// Has the link to the policy's page lead somewhere; null: nowhere, and nobody can follow it.
function link({ parts }, href) {
  if (href) parts.closer.href = href
  else parts.closer.removeAttribute("href")
  parts.closer.setAttribute("aria-disabled", !href)
}

// Returns the moment that is at the time step at which another view was; played to its end, a shorter one starts again.
function sameMoment({ on, moment, playing }, before) {
  const step = before.steps ? before.steps[moment] ?? before.length : Math.floor(moment)
  const same = on.steps ? on.steps.findIndex((at) => at >= step) : Math.min(step, on.last)
  if (same < 0 || same >= on.last) return playing ? 0 : on.last
  return same
}

// Updates all controls; starts or stops the clock.
function refresh(player) {
  const { parts, on, playing, front, frames } = player
  for (const name of ["previous", "toggle", "next", "slider", "agent", "film", "follow"]) parts[name].disabled = !on
  if (on?.base.num_agents === 1) parts.agent.disabled = true
  parts.node.dataset.front = on?.front ?? "nobody"
  parts.node.dataset.known = player.known
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
  if (Math.floor(player.moment) === Math.floor(moment)) return
  draw(player)
  const each = Math.max(1, (READABLE_MS * speed) / on.tick)
  if (player.moment === on.last || Math.floor(player.moment / each) !== Math.floor(moment / each)) tell(player)
}

function show(player) {
  draw(player)
  tell(player)
}

// Draws the moment.
function draw({ stage, on, moment, still, onMoment }) {
  onMoment(on.entry, Math.floor(moment), on.update)
  stage.show({ episode: on.episode, front: on.film ? on.entry.agent : on.front, moment: Math.floor(moment), strobe: still })
}

// Writes what changes with the moment.
function tell({ on, parts, ...player }) {
  const moment = Math.floor(player.moment)
  const step = on.steps ? on.steps[moment] : moment
  parts.slider.value = moment
  parts.slider.setAttribute("aria-valuetext", `step ${step} of ${on.length}`)
  write(parts.step, ` · step ${String(step).padStart(String(on.length).length, FIGURE_SPACE)} of ${on.length}`)
  parts.think(moment)
}
