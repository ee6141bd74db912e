// One slider over all updates of a run, and whose update it is.

import { element, select, write } from "./dom.js"

const FILM_SECONDS = 10 // in which the whole run passes by

// Returns a bar under `root`: `onMove` is called with every moment {update, agent, episode}, `onRest` when one is kept.
export function createTimeBar(root, { onMove, onRest }) {
  const slider = element("input", "lab-time-slider", { type: "range", min: "0", step: "1", value: "0", "aria-label": "Update" })
  const film = element("button", "lab-player-button lab-time-film", { type: "button", "aria-pressed": "false" }, "Watch it learn")
  const label = element("output", "lab-time-label")
  const whose = element("span", "lab-time-whose")
  root.append(film, slider, label, whose)
  const bar = { slider, film, label, whose, of: null, selects: {}, onMove, onRest, ticking: 0 }
  slider.oninput = () => stop(bar) || moved(bar)
  slider.onchange = onRest
  film.onclick = () => (bar.ticking ? stop(bar) || onRest() : start(bar))
  return {
    // Tells how long the run is, and of how many agents and episodes.
    of(told) {
      offer(bar, told)
    },
    move(at) {
      stop(bar)
      place(bar, at)
      moved(bar)
      onRest()
    },
    get at() {
      return moment(bar)
    },
    destroy() {
      stop(bar)
    },
  }
}

function offer(bar, told) {
  const { slider, whose, selects } = bar
  slider.max = told.updates
  if (bar.of?.subject === told.subject) return label(bar)
  bar.of = told
  const numbered = (count, name) => Object.fromEntries(Array.from({ length: count }, (_, i) => [i, `${name} ${i}`]))
  const chosen = () => moved(bar) || bar.onRest()
  selects.agent = select("Agent", numbered(told.agents, "agent"), chosen)
  selects.episode = select("Episode of the update", numbered(told.episodes, "episode"), chosen)
  whose.replaceChildren(element("span", "lab-time-name", {}, told.name), selects.agent, selects.episode)
}

function place({ slider, selects }, at) {
  if (at.update !== undefined) slider.value = at.update
  for (const name of ["agent", "episode"]) if (at[name] !== undefined) selects[name].value = at[name]
}

function moment({ slider, selects }) {
  return { update: Number(slider.value), agent: Number(selects.agent.value), episode: Number(selects.episode.value) }
}

function moved(bar) {
  label(bar)
  bar.onMove(moment(bar))
}

function label({ slider, label }) {
  const [update, last] = [slider.value, slider.max].map((text) => Number(text).toLocaleString("en"))
  const text = update === "0" ? `untrained of ${last}` : `after update ${update} of ${last}`
  write(label, text)
  slider.setAttribute("aria-valuetext", text)
}

function start(bar) {
  const last = Number(bar.slider.max)
  if (Number(bar.slider.value) >= last) {
    bar.slider.value = 0
    moved(bar)
  }
  const [from, begun] = [Number(bar.slider.value), performance.now()]
  bar.film.setAttribute("aria-pressed", "true")
  const tick = (now) => {
    const update = Math.min(last, from + Math.floor(((now - begun) / 1000 / FILM_SECONDS) * last))
    bar.ticking = requestAnimationFrame(tick)
    if (update !== Number(bar.slider.value)) {
      bar.slider.value = update
      moved(bar)
    }
    if (update >= last) {
      stop(bar)
      bar.onRest()
    }
  }
  bar.ticking = requestAnimationFrame(tick)
}

function stop(bar) {
  cancelAnimationFrame(bar.ticking)
  bar.ticking = 0
  bar.film.setAttribute("aria-pressed", "false")
}
