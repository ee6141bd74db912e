// The gradient of each episode of an update as an arrow, in the plane of their two main directions; their mean, which
// is the update's gradient, in bold: with the baseline of the run, and without one.

import { drawArrow } from "./arrow.js"
import { element, write } from "./dom.js"
import { lookOf, onNewLook, open } from "./paper.js"
import { short } from "./update_table.js"

const PICTURES = { own: "As the run learns", without: "Without baseline" } // by name in the answer
const INTRO = "The gradient of each episode, thin, and their mean ĝ, bold, which points to the right. Each picture has its own scale."
const PLAIN = "Without baseline: from the same episodes, of returns from which nothing is taken off."

// Returns two pictures under `root`, which show what a dissection says.
export function createArrows(root) {
  const pictures = Object.fromEntries(Object.entries(PICTURES).map(([name, title]) => [name, createPicture(title)]))
  const [signal, foresight] = [createNumber("signal-to-noise", "variance"), createNumber("explained variance", "baselines")]
  const both = element("div", "lab-arrows-both", {}, ...Object.values(pictures).map(({ node }) => node))
  const intro = element("p", "", { title: PLAIN }, INTRO)
  const node = element("section", "lab-arrows", { "aria-label": "Noise of the gradient" }, intro, both, signal.node, foresight.node)
  root.append(node)
  return {
    show({ arrows, measured, episode }) {
      for (const [name, picture] of Object.entries(pictures)) picture.show(arrows[name], episode)
      signal.say(measured.grad_snr, "how long the bold arrow is, by how far chance would move it from batch to batch. At about 1 it could point anywhere.")
      foresight.say(measured.explained_variance, "how much of the returns’ spread the baseline foresaw: that is taken out of the thin arrows. At 0 it is no better than a constant, below 0 worse.")
    },
    set hidden(hidden) {
      node.hidden = hidden
    },
    destroy() {
      for (const picture of Object.values(pictures)) picture.destroy()
      node.remove()
    },
  }
}

// Returns a sentence on a number, whose name is a link to where it is derived.
function createNumber(name, statement) {
  const words = element("span")
  const node = element("p", "", {}, element("a", "", { href: `derivations?statement=${statement}` }, name), " ", words)
  return { node, say: (number, sentence) => write(words, `${short(number)}: ${sentence}`) }
}

function createPicture(title) {
  const canvas = element("canvas", "lab-arrows-canvas", { role: "img", "aria-label": "No update yet" })
  const caption = element("figcaption")
  const picture = { title, canvas, caption, look: null, arrows: null, episode: 0 }
  const stop = onNewLook(canvas, () => {
    picture.look = lookOf(canvas)
    if (picture.arrows) draw(picture)
  })
  return {
    node: element("figure", "", {}, canvas, caption),
    show(arrows, episode) {
      Object.assign(picture, { arrows, episode })
      tell(picture)
      draw(picture)
    },
    destroy: stop,
  }
}

function tell({ title, canvas, caption, arrows }) {
  const { episodes, gradient, share, snr } = arrows
  const lengths = episodes.map(([x, y]) => Math.hypot(x, y))
  const along = episodes.filter(([x]) => x > 0).length
  const held = share === null ? "all gradients are 0" : `${short(100 * share)} % of the squared length lies in this plane`
  write(caption, `${title}: signal-to-noise ${short(snr)}; ${held}.`)
  canvas.setAttribute("aria-label", `${title}: the gradients of ${episodes.length} episodes, ${short(Math.min(...lengths))} to ` +
    `${short(Math.max(...lengths))} long, of which ${along} point with their mean; that is ${short(gradient[0])} long`)
}

function draw({ canvas, look, arrows: { episodes, gradient }, episode }) {
  const { pen, box, dense, colors } = open(canvas, look ?? lookOf(canvas))
  const place = placing(box, 8 * dense, [[0, 0], gradient, ...episodes])
  const [x, y] = place([0, 0])
  pen.fillStyle = colors.track
  pen.fillRect(0, y, box.width, 1)
  pen.fillRect(x, 0, 1, box.height)
  const arrow = (point, color, width) => {
    Object.assign(pen, { strokeStyle: color, lineWidth: width * dense })
    drawArrow(pen, [x, y], place(point), (4 + 2 * width) * dense)
  }
  for (const point of episodes) arrow(point, colors.faint, 1)
  arrow(episodes[episode], colors.text, 2)
  arrow(gradient, colors.pole, 4)
}

// Returns what places points on a box, all of them as large as it has room for, with as many pixels to each side.
function placing(box, margin, points) {
  const [left, right] = ends(points.map(([x]) => x))
  const [low, high] = ends(points.map(([, y]) => y))
  const scale = Math.min((box.width - 2 * margin) / (right - left || 1), (box.height - 2 * margin) / (high - low || 1))
  const [middle, center] = [(left + right) / 2, (low + high) / 2]
  return ([x, y]) => [box.width / 2 + scale * (x - middle), box.height / 2 - scale * (y - center)]
}

function ends(values) {
  return [Math.min(...values), Math.max(...values)]
}
