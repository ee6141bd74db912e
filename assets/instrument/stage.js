// Draws one moment of an episode into a canvas: CartPole where Gymnasium's own renderer has it, in the theme's
// colours; every other environment by Gymnasium's pictures.

import { agentOf, entryOf, stateAt } from "./episodes.js"
import { AXLE, bodyAt, CART, drawFigure, drawPull, METRE, PICTURE, POLE, TRACK } from "./figure.js"
import { lookOf, mixed, onNewLook, open } from "./paper.js"

// Lengths are pixels of Gymnasium's picture, angles are radians.
const LANE = { left: 0, top: 168, width: 600, height: 152 } // what a small track shows of its picture
const FALLEN = Math.PI / 15 // 12°, at which an episode ends

const FADE_STEPS = 25 // from an episode's end until its agent is a ghost
const GHOST = 0.22
const RIVAL = 3 // its colour in the palette
const STROBE_MOMENTS = 6
// CSS pixels.
const LABEL = 15 // above a small track
const FINGER = 12 // that a press may miss by

// Returns a stage: `show({episode, front, moment, strobe})` draws, again whenever canvas or theme become another.
// `moment` counts steps, or pictures where the episode has these.
export function createStage(canvas) {
  const stage = { canvas, look: null, scene: null, pictures: [], wanted: null }
  const redraw = () => {
    stage.look = lookOf(canvas)
    if (stage.scene) paint(stage)
  }
  const stop = onNewLook(canvas, redraw)
  return {
    show(scene) {
      stage.scene = scene
      if (scene.episode.kind === "frames") decode(stage)
      else paint(stage)
    },
    // Returns what of the front agent is at a point of the canvas, "cart", "pole" or undefined, and how long a metre is there.
    locate: (x, y) => locate(stage, x, y),
    // Draws, until another moment is shown, by how many metres the front agent's cart or pole is pulled.
    pull(body, metres) {
      stage.scene = { ...stage.scene, pulled: { body, metres } }
      paint(stage)
    },
    destroy() {
      stop()
      stage.scene = stage.wanted = null
      for (const picture of stage.pictures) picture.close()
    },
  }
}

// Draws the front agent at a few moments of its episode in one picture, the later the stronger; of pictures the last.
export async function drawStrobe(canvas, episode, front) {
  const entry = entryOf(episode, front) ?? episode.episodes[0]
  if (episode.kind !== "frames") return strobe(open(canvas), entry, closeUp(entry))
  const picture = await createImageBitmap(entry.frames.at(-1))
  letterbox(open(canvas), picture)
  picture.close()
}

function paint({ canvas, look, scene, pictures }) {
  const { episode, front, moment } = scene
  const paper = open(canvas, look ?? lookOf(canvas))
  const placed = (picture, i) => letterbox(column(paper, i, pictures.length), picture)
  if (episode.kind === "frames") return pictures.forEach(placed)
  if (front === "all") return grid(paper, episode, moment)
  if (scene.strobe && !episode.beside) return strobe(paper, entryOf(episode, front), PICTURE)
  overlay(paper, scene)
}

function locate({ look, scene }, x, y) {
  if (!scene || scene.episode.kind === "frames") return {}
  const [width, height] = look.size
  const { scale, left, top } = fitted(PICTURE, { left: 0, top: 0, width, height })
  const pose = poseAt(entryOf(scene.episode, scene.front), scene.moment)
  return { body: bodyAt(pose, (x - left) / scale, (y - top) / scale, FINGER / scale), metre: scale * METRE }
}

// Decodes the pictures that are wanted; those that come late, when others are wanted already, are not drawn.
async function decode(stage) {
  const { episode, front, moment } = stage.scene
  const wanted = [entryOf(episode, front), ...(episode.beside ?? [])].map(({ frames }) => frames[moment])
  stage.wanted = wanted
  const pictures = await Promise.all(wanted.map((blob) => createImageBitmap(blob)))
  const late = stage.wanted !== wanted
  for (const picture of late ? pictures : stage.pictures) picture.close()
  if (late) return
  stage.pictures = pictures
  paint(stage)
}

// Returns one of equal columns of a paper.
function column({ pen, box }, i, count) {
  const width = box.width / count
  return { pen, box: { ...box, left: box.left + i * width, width } }
}

function letterbox({ pen, box }, picture) {
  const scale = Math.min(box.width / picture.width, box.height / picture.height)
  const [width, height] = [scale * picture.width, scale * picture.height]
  pen.drawImage(picture, box.left + (box.width - width) / 2, (box.height - height) / 2, width, height)
}

function overlay(paper, { episode, front, moment, pulled }) {
  const { colors } = paper
  aim(paper, PICTURE, paper.box)
  track(paper, PICTURE)
  ruler(paper)
  const agent = agentOf(episode, front)
  const others = episode.episodes.filter((entry) => entry.agent !== agent)
  // Ghosts behind those that still play.
  for (const entry of others.toSorted((a, b) => a.length - b.length)) {
    const strength = shade(entry.agent, episode.num_agents) * presence(entry, moment)
    drawFigure(paper, poseAt(entry, moment), shades(colors, strength))
  }
  const rivals = { ...colors, pole: colors.palette[RIVAL] }
  for (const entry of episode.beside ?? []) drawFigure(paper, poseAt(entry, moment), shades(rivals, 0.7))
  const entry = entryOf(episode, front)
  limits(paper, poseAt(entry, moment))
  drawFigure(paper, poseAt(entry, moment), shades(colors, 1))
  if (pulled?.metres) drawPull(paper, poseAt(entry, moment), pulled)
}

function grid(paper, episode, moment) {
  const places = cells(paper, episode.episodes.length)
  const speaker = agentOf(episode, "all")
  episode.episodes.forEach((entry, i) => {
    label(paper, places[i], entry, roleOf(episode, entry.agent), entry.agent === speaker)
    aim(paper, LANE, below(places[i], LABEL * paper.dense))
    track(paper, LANE)
    drawFigure(paper, poseAt(entry, moment), shades(paper.colors, presence(entry, moment)))
  })
}

function below(box, height) {
  return { ...box, top: box.top + height, height: box.height - height }
}

function strobe(paper, entry, region) {
  aim(paper, region, paper.box)
  track(paper, { left: -1000, width: 2600 })
  if (region === PICTURE) ruler(paper)
  const last = STROBE_MOMENTS - 1
  for (let i = 0; i <= last; i++) {
    const strength = i === last ? 1 : 0.15 + (0.5 * i) / last
    drawFigure(paper, poseAt(entry, Math.round((i * entry.length) / last)), shades(paper.colors, strength))
  }
}

// Returns the part of the picture in which an agent moves, for small canvases.
function closeUp(entry) {
  const xs = Array.from({ length: entry.length + 1 }, (_, step) => METRE * stateAt(entry, step)[0])
  const [low, high] = [Math.min(...xs), Math.max(...xs)]
  const width = Math.max(160, high - low + CART.width + 40)
  return { left: PICTURE.width / 2 + (low + high - width) / 2, top: 164, width, height: 158 }
}

// Returns equal boxes for small tracks, as large as they can be.
function cells({ box, dense }, count) {
  const gap = 6 * dense
  const size = (columns) => {
    const width = (box.width - gap * (columns + 1)) / columns
    const height = (box.height - gap) / Math.ceil(count / columns) - gap
    return { columns, width, height, scale: Math.min(width / LANE.width, (height - LABEL * dense) / LANE.height) }
  }
  const sizes = Array.from({ length: count }, (_, i) => size(i + 1))
  const { columns, width, height } = sizes.reduce((a, b) => (b.scale > a.scale ? b : a))
  return Array.from({ length: count }, (_, i) => ({
    left: gap + (i % columns) * (width + gap), top: gap + Math.floor(i / columns) * (height + gap), width, height,
  }))
}

// Returns where a region of Gymnasium's picture lies in a box: as large as that lets it be.
function fitted(region, box) {
  const scale = Math.min(box.width / region.width, box.height / region.height)
  const left = box.left + (box.width - scale * region.width) / 2 - scale * region.left
  const top = box.top + (box.height - scale * region.height) / 2 - scale * region.top
  return { scale, left, top }
}

// From here on the pen draws in Gymnasium's pixels.
function aim(paper, region, box) {
  const { scale, left, top } = fitted(region, box)
  paper.pen.setTransform(scale, 0, 0, scale, left, top)
  paper.pixel = paper.dense / scale // one of CSS
}

function track({ pen, pixel, colors }, { left, width }) {
  const height = Math.max(1, pixel)
  pen.fillStyle = colors.track
  pen.fillRect(left, TRACK - height / 2, width, height)
}

// Marks the metres; at the picture's edges, 2.4 m from the middle, an episode ends.
function ruler({ pen, pixel, colors }) {
  pen.fillStyle = colors.track
  for (const metres of [-2, -1, 0, 1, 2]) pen.fillRect(300 + METRE * metres - pixel / 2, TRACK + 24, pixel, 5 * pixel)
  pen.fillStyle = colors.faint
  pen.font = `${11 * pixel}px ${colors.font}`
  pen.textAlign = "center"
  pen.textBaseline = "top"
  for (const metres of [-2, -1, 0, 1, 2]) {
    const text = metres === 2 ? "2 m" : shortNumber(metres)
    pen.fillText(text, 300 + METRE * metres, TRACK + 24 + 8 * pixel)
  }
}

// Marks how far the pole may lean.
function limits({ pen, pixel, colors }, { x }) {
  pen.fillStyle = colors.faint
  pen.font = `${10 * pixel}px ${colors.font}`
  pen.textAlign = "center"
  pen.textBaseline = "alphabetic"
  pen.fillText("±12°", 300 + METRE * x, TRACK - AXLE - POLE.length - 1)
  for (const angle of [-FALLEN, FALLEN]) {
    pen.save()
    pen.translate(300 + METRE * x, TRACK - AXLE)
    pen.rotate(angle)
    pen.fillRect(-pixel / 2, -POLE.length - 9, pixel, 9)
    pen.restore()
  }
}

function label({ pen, dense, colors }, { left, top, width }, entry, role, speaks) {
  const wide = width > 150 * dense
  pen.setTransform(1, 0, 0, 1, 0, 0)
  pen.font = `${(width > 70 * dense ? 11 : 9) * dense}px ${colors.font}`
  pen.textBaseline = "top"
  pen.fillStyle = speaks ? colors.pole : colors.text
  pen.textAlign = "left"
  pen.fillText(wide ? `agent ${entry.agent}${role ? ` · ${role}` : ""}` : entry.agent, left, top)
  pen.fillStyle = colors.text
  pen.textAlign = "right"
  pen.fillText((wide ? "return " : "") + shortNumber(entry.return), left + width, top)
}

export function shortNumber(number) {
  return String(Number(number.toPrecision(4))).replace("-", "−")
}

function roleOf({ roles = {}, num_agents }, agent) {
  return num_agents > 1 && Object.keys(roles).find((role) => roles[role] === agent)
}

function poseAt(entry, moment) {
  const [x, , theta] = stateAt(entry, Math.min(moment, entry.length))
  return { x, theta }
}

// Returns 1 while an agent plays; after the end of its episode less and less, down to that of a ghost.
function presence({ length }, moment) {
  const gone = Math.min(1, Math.max(0, moment - length) / FADE_STEPS)
  return 1 - (1 - GHOST) * gone
}

function shade(agent, count) {
  return 0.28 + 0.32 * (count > 1 ? agent / (count - 1) : 0)
}

function shades({ back, text, pole }, strength) {
  return { cart: mixed(back, text, strength), pole: mixed(back, pole, strength) }
}
