// The visitor plays CartPole against a policy: from the same first state, by the same rules, fifty steps a second.

import { failed, step } from "./cart_pole.js"
import { write } from "./dom.js"
import { stateAt } from "./episodes.js"
import { build, result, showScores, whose } from "./game_parts.js"
import { createStage } from "./stage.js"

const STEP_MS = 20
const LATE_MS = 1000 // longer than this between two pictures, the page was not seen: the game has waited
const START = 0.05 // every number of the first state is uniform in ±START
const [LEFT, RIGHT] = [0, 1]
const KEYS = { ArrowLeft: LEFT, a: LEFT, A: LEFT, ArrowRight: RIGHT, d: RIGHT, D: RIGHT }
const READY = "The first press starts. You are in front, the agent is the ghost behind you."
const FALLEN = "You fell: the agent goes on."

// Returns the game under `root`: `onOpen` is called when the visitor is about to play, `onEnd` with what was played.
export function createGame(root, { onOpen, onEnd }) {
  const game = { root, parts: build(), policy: null, limit: 0, match: null, clock: 0, ticking: 0, onOpen, onEnd }
  game.stage = createStage(game.parts.canvas)
  root.append(game.parts.node)
  listen(game)
  return {
    // Tells after how many steps a game ends, and the best scores; null where there is no game.
    of(told) {
      game.parts.node.hidden = !told
      if (!told) return close(game)
      game.limit = told.limit
      showScores(game.parts.scores, told.scores)
    },
    // Tells whom the next game is against: `{network, update, agent}`, null while nobody is known.
    against(policy) {
      game.policy = policy
      game.parts.open.disabled = !policy
      if (!policy) close(game)
      else if (game.match && game.match.action === null) deal(game)
    },
    destroy() {
      close(game)
      game.stage.destroy()
      game.parts.node.remove()
    },
  }
}

function listen(game) {
  const { parts } = game
  parts.open.onclick = () => open(game)
  parts.again.onclick = () => open(game)
  parts.leave.onclick = () => close(game)
  parts.pushes.forEach((button, action) => {
    button.onpointerdown = () => press(game, action)
    button.onclick = ({ detail }) => detail || press(game, action) // by keyboard: a pointer has pressed already
  })
  parts.panel.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === "Escape") close(game)
    if (event.key.startsWith("Arrow")) event.preventDefault() // which would scroll the page
    if (event.key in KEYS) press(game, KEYS[event.key])
  }
}

function open(game) {
  const { root, parts, onOpen } = game
  onOpen()
  root.dataset.game = "open" // in whose place the stage of the page is hidden
  parts.panel.hidden = false
  parts.open.hidden = true
  deal(game)
  parts.screen.focus()
}

function close(game) {
  const { root, parts, match } = game
  if (!match) return
  cancelAnimationFrame(game.ticking)
  game.match = null
  delete root.dataset.game
  const focused = parts.panel.contains(document.activeElement)
  parts.panel.hidden = true
  parts.open.hidden = false
  if (focused) parts.open.focus()
}

// Begins another game, which stands still until the first press.
function deal(game) {
  const { parts, policy, limit } = game
  const start = Array.from({ length: 4 }, () => START * (2 * Math.random() - 1))
  const [visitor, opponent] = [0, 1].map((agent) => ({ agent, states: [...start], scale: [1, 1, 1, 1], length: 0, actions: "" }))
  game.match = { policy, limit, start, visitor, opponent, action: null, due: 0 }
  parts.again.hidden = true
  parts.pushes.forEach((button) => button.setAttribute("aria-pressed", "false"))
  write(parts.whose, whose(policy))
  write(parts.words, READY)
  draw(game)
}

// Has the cart be pushed to a side from now on.
function press(game, action) {
  const { match, parts } = game
  if (isOver(match)) return
  const isFirst = match.action === null
  match.action = action
  parts.pushes.forEach((button, i) => button.setAttribute("aria-pressed", i === action))
  if (!isFirst) return
  write(parts.words, "")
  game.clock = performance.now()
  game.ticking = requestAnimationFrame((now) => tick(game, now))
}

function tick(game, now) {
  const { match } = game
  const elapsed = Math.max(0, now - game.clock)
  game.clock = now
  if (elapsed < LATE_MS) match.due += elapsed
  for (; match.due >= STEP_MS && !isOver(match); match.due -= STEP_MS) move(match)
  draw(game)
  if (isOver(match)) return end(game)
  if (hasEnded(match, match.visitor)) write(game.parts.words, FALLEN)
  game.ticking = requestAnimationFrame((now) => tick(game, now))
}

function move(match) {
  const { visitor, opponent, policy: { network } } = match
  if (!hasEnded(match, visitor)) advance(visitor, match.action)
  if (hasEnded(match, opponent)) return
  advance(opponent, Number(Math.random() < network.probabilities(present(opponent))[RIGHT]))
}

function advance(player, action) {
  player.states.push(...step(present(player), action))
  player.actions += action
  player.length += 1
}

function present(player) {
  return stateAt(player, player.length)
}

function hasEnded({ limit }, player) {
  return player.length === limit || failed(present(player))
}

function isOver(match) {
  return hasEnded(match, match.visitor) && hasEnded(match, match.opponent)
}

function draw({ stage, parts, match }) {
  const { visitor, opponent } = match
  const episode = { kind: "cart_pole", num_agents: 2, episodes: [visitor, opponent] }
  stage.show({ episode, front: visitor.agent, moment: Math.max(visitor.length, opponent.length), strobe: false })
  write(parts.count, `you ${visitor.length} · agent ${opponent.length}`)
}

function end(game) {
  const { parts, match: { policy, limit, start, visitor, opponent }, onEnd } = game
  write(parts.words, result(visitor.length, opponent.length, limit))
  parts.again.hidden = false
  if (parts.panel.contains(document.activeElement)) parts.again.focus()
  onEnd({ update: policy.update, agent: policy.agent, start, visitor: visitor.actions, opponent: opponent.actions })
}
