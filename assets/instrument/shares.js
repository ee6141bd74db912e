// Each step's share of the gradient, as bars along the episode: up, what points as the gradient does, down, what points
// against it; the colour tells which way a step pulls the policy, as on the map.

import { element } from "./dom.js"
import { lookOf, onNewLook, open } from "./paper.js"
import { option } from "./thought.js"

const SAID = "Each step’s share of ĝ: up, it points as ĝ does; down, against it. It asks for "
const NOTHING = "Every advantage is 0, as Gₜ = bₜ at each step: nothing pulls."

// Returns bars under `root`; `onStep` is called with the step that was chosen.
export function createShares(root, { onStep }) {
  const canvas = element("canvas", "lab-shares", { role: "img", "aria-label": "No update yet" })
  const words = element("p", "lab-shares-told")
  root.append(words, canvas)
  const bars = { canvas, keys: [element("i"), element("i")], look: null, steps: null, isVector: false, step: null }
  const redraw = () => {
    bars.look = lookOf(canvas)
    if (bars.steps) draw(bars)
  }
  const stop = onNewLook(canvas, redraw)
  canvas.onclick = ({ offsetX }) => bars.steps && onStep(Math.floor((offsetX / canvas.clientWidth) * bars.steps.shares.length))
  return {
    // Shows the steps of an episode of a run of which the page told.
    show(steps, told) {
      Object.assign(bars, { steps, isVector: !told.choices.length })
      words.replaceChildren(...legend(bars, told))
      canvas.setAttribute("aria-label", `Share of the gradient of each of ${steps.shares.length} steps`)
      draw(bars)
    },
    // Marks a step, null: none.
    mark(step) {
      bars.step = step
      if (bars.steps) draw(bars)
    },
    destroy() {
      stop()
      words.remove()
      canvas.remove()
    },
  }
}

function legend({ steps: { shares, advantages }, keys }, told) {
  if ([...shares, ...advantages].every((number) => number === 0)) return [NOTHING]
  const [less, more] = ways(told)
  return [SAID, element("span", "", {}, keys[0], less), " or ", element("span", "", {}, keys[1], more), "."]
}

// Returns what a step may ask for, in words: of two actions, less of one is more of the other.
function ways({ actions, choices, action_size: count }) {
  if (!choices.length) return ["a lower ", "a higher "].map((way) => `${way}mean a${count > 1 ? "₀" : ""}`)
  const named = (k) => actions?.[k] ?? option(choices, k)
  return count === 2 ? [`more ${named(0)}`, `more ${named(1)}`] : [`less ${named(count - 1)}`, `more ${named(count - 1)}`]
}

function draw({ canvas, keys, look, steps, isVector, step }) {
  const { pen, box, colors } = open(canvas, look ?? lookOf(canvas))
  keys.forEach(({ style }, i) => (style.background = colors.palette[i]))
  const { shares } = steps
  const [most, least] = [Math.max(0, ...shares), Math.min(0, ...shares)]
  const scale = most > least ? box.height / (most - least) : 0
  const zero = scale ? most * scale : box.height / 2
  const each = box.width / shares.length
  if (step !== null) {
    pen.fillStyle = colors.track
    pen.fillRect(step * each, 0, Math.max(each, 2), box.height)
  }
  shares.forEach((share, t) => {
    pen.fillStyle = colors.palette[Number(pull(steps, t, isVector) > 0)]
    pen.fillRect(t * each, zero, Math.max(1, each > 4 ? each - 1 : each), -share * scale)
  })
  pen.fillStyle = colors.faint
  pen.fillRect(0, Math.round(zero), box.width, 1)
}

// Returns the slope of the objective along what the map shows at first, the logit of the last action or the first mean:
// above 0, the step asks for more of it.
function pull({ weights, scores }, t, isVector) {
  return weights[t] * scores[t].at(isVector ? 0 : -1)
}
