// A row of places that never move, with a picture of an earlier policy in each; the last one leads back to the newest.

import { element, write } from "./dom.js"
import { entryOf } from "./episodes.js"
import { onNewLook } from "./paper.js"
import { drawStrobe, shortNumber } from "./stage.js"

const [FIRST_RETRY_MS, LAST_RETRY_MS] = [1_000, 32_000] // after a failure, twice as long each time

// Returns a filmstrip under `root`; `onPick` is called with the update of the picture that was pressed, null for "now".
export function createFilmstrip(root, { episodes, onPick, slots = 10 }) {
  const film = {
    episodes, onPick, strip: [], marked: null, shots: new Map(), refused: new Set(),
    patience: FIRST_RETRY_MS, filling: false, gone: false,
  }
  film.node = element("div", "lab-film", { role: "group", "aria-label": "Earlier policies", tabindex: "0" })
  film.places = Array.from({ length: slots }, () => element("div", "lab-film-place"))
  film.now = shot(() => onPick(null))
  film.now.canvas.replaceWith(element("span", "lab-film-dot", { "aria-hidden": "true" }))
  write(film.now.policy, "now")
  film.node.style.setProperty("--lab-film-slots", slots)
  film.node.append(...film.places)
  film.places.at(-1).append(film.now.button)
  root.append(film.node)
  const redraw = () => film.shots.forEach(draw)
  const stop = onNewLook(film.node, redraw)
  return {
    update: ({ strip, newest }) => update(film, strip, newest),
    mark(update) {
      film.marked = update
      mark(film)
    },
    // Begins anew, with the pictures of another run.
    reset({ episodes }) {
      Object.assign(film, { episodes, marked: null, patience: FIRST_RETRY_MS })
      film.refused.clear()
      film.shots.clear()
      update(film, [], null)
    },
    destroy() {
      film.gone = true
      stop()
      film.node.remove()
    },
  }
}

function update(film, strip, newest) {
  film.strip = strip.slice(0, film.places.length - 1)
  for (const update of film.shots.keys()) if (!film.strip.includes(update)) film.shots.delete(update)
  for (const update of film.strip) if (!film.shots.has(update)) film.shots.set(update, shotOf(film, update))
  const focused = document.activeElement
  film.places.slice(0, -1).forEach((place, i) => put(place, film.shots.get(film.strip[i])?.button))
  if (film.node.contains(focused)) focused.focus({ preventScroll: true }) // which a picture that moves loses
  write(film.now.outcome, newest === null ? "" : nameOf(newest))
  film.now.button.disabled = newest === null
  mark(film)
  fill(film)
}

function put(place, button = null) {
  if (place.firstChild !== button) place.replaceChildren(...(button ? [button] : []))
}

function mark({ shots, now, marked }) {
  for (const [update, { button }] of shots) button.setAttribute("aria-pressed", update === marked)
  now.button.setAttribute("aria-pressed", marked === null)
}

function shotOf(film, update) {
  const found = shot(() => film.onPick(update))
  write(found.policy, nameOf(update))
  return found
}

function shot(onclick) {
  const canvas = element("canvas", "lab-film-picture", { "aria-hidden": "true" })
  const policy = element("span", "lab-film-policy")
  const outcome = element("span", "lab-film-outcome")
  const pressed = { type: "button", "aria-pressed": "false" }
  const button = element("button", "lab-film-shot", pressed, canvas, policy, " ", outcome)
  button.onclick = onclick
  return { button, canvas, policy, outcome, episode: null }
}

// Fetches the missing pictures, the oldest first, whenever nothing else is being fetched.
async function fill(film) {
  if (film.filling) return
  film.filling = true
  const isMissing = (update) => !film.shots.get(update).episode && !film.refused.has(update)
  while (film.strip.some(isMissing) && !film.gone) {
    const { episodes } = film
    await episodes.idle()
    const update = film.strip.find(isMissing)
    if (update !== undefined && episodes === film.episodes && !film.gone) await develop(film, update)
  }
  film.filling = false
}

// Fetches one picture; after a failure it is tried again, later each time.
async function develop(film, update) {
  const { episodes } = film
  try {
    const episode = await episodes.get(update)
    const found = film.shots.get(update)
    if (!found || episodes !== film.episodes || film.gone) return
    found.episode = episode
    film.patience = FIRST_RETRY_MS
    const entry = entryOf(episode, "median") ?? episode.episodes[0]
    write(found.outcome, `return ${shortNumber(entry.return)}`)
    draw(found)
  } catch {
    if (episodes !== film.episodes) return
    film.refused.add(update)
    setTimeout(() => again(film, episodes), film.patience)
    film.patience = Math.min(2 * film.patience, LAST_RETRY_MS)
  }
}

function again(film, episodes) {
  if (film.gone || episodes !== film.episodes) return
  film.refused.clear()
  fill(film)
}

function draw({ canvas, episode }) {
  if (episode) drawStrobe(canvas, episode, "median").catch(console.error)
}

function nameOf(update) {
  return update ? `update ${update}` : "untrained"
}
