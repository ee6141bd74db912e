// The elements of the game, and its words.

import { element } from "./dom.js"

const KEYS = "arrows or A and D push the cart, Escape ends the game"
const COLUMNS = ["Best games against", "visitor", "agent"]

export function build() {
  const canvas = element("canvas", "lab-player-canvas", { role: "img", "aria-label": "You and the agent on one track" })
  const screen = element("div", "lab-player-screen", { tabindex: "0", role: "group", "aria-label": `Game: ${KEYS}` }, canvas)
  const [whose, count] = [element("span"), element("span")]
  const words = element("p", "lab-game-words", { "aria-live": "polite" })
  const pushes = [["◀", "left"], ["▶", "right"]].map(([sign, side]) => button(sign, `Push the cart to the ${side}`))
  const [open, again, leave] = ["Beat the agent", "Play again", "Leave the game"].map((text) => button(text))
  open.disabled = true // until there is somebody to play against
  const panel = element("div", "lab-game-panel", { hidden: "" },
    screen, element("p", "lab-game-count", {}, count, whose), element("div", "lab-game-pushes", {}, ...pushes), words,
    element("div", "lab-game-ends", {}, again, leave),
  )
  const scores = element("table", "lab-game-scores")
  const node = element("div", "lab-game", {}, open, panel, scores)
  return { node, canvas, screen, whose, count, words, pushes, open, again, leave, panel, scores }
}

function button(text, name = text) {
  return element("button", "lab-player-button", { type: "button", "aria-label": name }, text)
}

// Says in words whose policy one plays against.
export function whose({ update, agent }) {
  return `agent ${agent}, ${update ? `after update ${update}` : "untrained"}`
}

// Says in words what came of a game.
export function result(visitor, opponent, limit) {
  const held = (steps) => (steps === limit ? `all ${limit} steps` : `${steps} step${steps === 1 ? "" : "s"}`)
  const won = visitor === opponent ? "a draw" : visitor > opponent ? "you win" : "the agent wins"
  return `You held the pole up for ${held(visitor)}, the agent for ${held(opponent)}: ${won}.`
}

export function showScores(table, scores) {
  const row = ({ visitor_steps, opponent_steps, ...policy }) => [whose(policy), visitor_steps, opponent_steps]
  const cells = (tag, texts, more = {}) => element("tr", "", {}, ...texts.map((text) => element(tag, "", more, String(text))))
  table.hidden = !scores.length
  table.replaceChildren(
    element("thead", "", {}, cells("th", COLUMNS, { scope: "col" })),
    element("tbody", "", {}, ...scores.map((score) => cells("td", row(score)))),
  )
}
