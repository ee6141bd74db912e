// Each step's share of the gradient, as bars along the episode: up, what points as the gradient does, down, what points
// against it; the colour tells which way a step pulls the policy, as on the map.

import { element } from "./dom.js"
import { lookOf, onNewLook, open } from "./paper.js"

// Returns bars under `root`; `onStep` is called with the step that was chosen.
export function createShares(root, { onStep }) {
  const canvas = element("canvas", "lab-shares", { role: "img", "aria-label": "No update yet" })
  root.append(canvas)
  const bars = { canvas, look: null, steps: null, isVector: false, step: null }
  const redraw = () => {
    bars.look = lookOf(canvas)
    if (bars.steps) draw(bars)
  }
  const stop = onNewLook(canvas, redraw)
  canvas.onclick = ({ offsetX }) => bars.steps && onStep(Math.floor((offsetX / canvas.clientWidth) * bars.steps.shares.length))
  return {
    // Shows the steps of an episode, whose actions may be vectors.
    show(steps, isVector) {
      Object.assign(bars, { steps, isVector })
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
      canvas.remove()
    },
  }
}

function draw({ canvas, look, steps, isVector, step }) {
  const { pen, box, colors } = open(canvas, look ?? lookOf(canvas))
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
