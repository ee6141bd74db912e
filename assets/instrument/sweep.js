// A sweep: it asks one address what is new of it, shows it, and asks again when it was told to.

import { whenDrawn } from "./charts.js"
import { element, select, write } from "./dom.js"
import { createHeatMap } from "./heat_map.js"
import { whenIdle } from "./page.js"
import { createParallel } from "./parallel.js"
import { forget, unpressed } from "./press.js"
import { createSettingCurves } from "./setting_curves.js"
import { createSettingPanel } from "./setting_panel.js"
import { createSettingTable } from "./setting_table.js"
import { inOrder, sentence } from "./settings.js"
import { createStatus } from "./status.js"

const LATE_MS = 10_000 // that an answer may take, of a connection that has died unnoticed
const RETRY_MS = 1000 // after an answer that did not come: no network, or a server that starts again
const MANY_AXES = 3 // from so many on, lines show what a map cannot

const sweeps = new WeakMap() // parentElement → what shows a sweep there

export function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  if (!sweeps.has(parentElement)) sweeps.set(parentElement, create(parentElement))
  const sweep = sweeps.get(parentElement)
  Object.assign(sweep, { setStateValue, setTriggerValue })
  receive(sweep, JSON.parse(new TextDecoder().decode(data)))
}

export function unmount(parentElement) {
  const sweep = sweeps.get(parentElement)
  if (!sweep) return
  sweeps.delete(parentElement)
  sweep.gone = true
  clearTimeout(sweep.timer)
  forget(sweep)
  for (const part of [sweep.map, sweep.curves, sweep.lines]) part.destroy()
  sweep.root.remove()
}

function create(parentElement) {
  const place = (name, ...children) => element("section", `lab-sweep-${name}`, {}, ...children)
  const status = element("div", "lab-status")
  const measures = element("div", "lab-sweep-measures")
  const [best, meaning] = [element("p", "lab-sweep-best"), element("p", "lab-sweep-meaning")]
  const places = Object.fromEntries(["map", "curves", "setting", "lines", "table"].map((name) => [name, place(name)]))
  const root = element("div", "lab-sweep", {}, status, place("head", measures, best, meaning), ...Object.values(places))
  parentElement.append(root)
  const sweep = {
    root, places, measures, best, meaning, told: { address: null }, settings: new Map(), version: "", measure: null,
    picked: null, asking: false, timer: 0, gone: false, asked: null, waiting: false,
  }
  const onPick = (number) => pick(sweep, number)
  sweep.status = createStatus(status)
  sweep.map = createHeatMap(places.map, { onPick })
  sweep.curves = createSettingCurves(places.curves, { onPick })
  sweep.panel = createSettingPanel(places.setting, { onStop: (number) => sweep.setTriggerValue("halt", number), onClose: () => onPick(null) })
  sweep.lines = createParallel(places.lines, { onPick })
  sweep.table = createSettingTable(places.table, { onPick })
  return sweep
}

// Takes what the page tells.
function receive(sweep, told) {
  const before = sweep.told
  sweep.told = told
  if (told.subject !== before.subject) {
    Object.assign(sweep, { settings: new Map(), version: "", picked: null, measure: told.measure })
    sweep.measures.replaceChildren(select("Measure", namesOf(told.measures), (name) => choose(sweep, name)))
    sweep.places.lines.hidden = told.axes.length < MANY_AXES
  }
  sweep.measures.firstChild.value = sweep.measure
  if (told.token === sweep.asked) sweep.asked = null
  if (told.address !== before.address) sweep.asked = null
  ask(sweep)
}

function namesOf(measures) {
  return Object.fromEntries(Object.entries(measures).map(([name, { name: words }]) => [name, words]))
}

function choose(sweep, measure) {
  sweep.measure = measure
  sweep.setStateValue("measure", measure)
  draw(sweep)
}

function pick(sweep, number) {
  sweep.picked = number
  sweep.setStateValue("at", number)
  draw(sweep)
}

// Asks what is new. What does not come is asked for again: it is a function of the version that the browser has.
async function ask(sweep) {
  clearTimeout(sweep.timer)
  const { address } = sweep.told
  if (sweep.asking || sweep.gone) return
  sweep.asking = true
  const news = await fetched(address, sweep.version).catch(({ status }) => ({ status }))
  sweep.asking = false
  if (sweep.gone) return
  if (address !== sweep.told.address) return ask(sweep)
  if (news.error || news.status === 404) refresh(sweep, news.error ? "gone" : "address")
  else if (news.told) unpressed(sweep, () => address === sweep.told.address && take(sweep, news))
  const seconds = news.status ? RETRY_MS / 1000 : news.next ?? null
  if (seconds !== null && news.status !== 404) sweep.timer = setTimeout(() => ask(sweep), 1000 * seconds)
}

async function fetched(address, version) {
  const url = new URL(`${address}?version=${version}`, document.baseURI)
  const found = await fetch(url, { signal: AbortSignal.timeout(LATE_MS) }).catch(() => ({ status: 1 }))
  if (!found.ok) throw Object.assign(new Error("The lab did not answer."), { status: found.status })
  return found.json()
}

function take(sweep, news) {
  const there = new Set(news.numbers)
  for (const setting of news.settings) sweep.settings.set(setting.number, setting)
  for (const number of sweep.settings.keys()) if (!there.has(number)) sweep.settings.delete(number)
  sweep.status.show(news.told)
  if (news.version !== sweep.version) {
    sweep.version = news.version
    draw(sweep)
  }
  if (news.token !== sweep.told.token) refresh(sweep, news.token)
}

function draw(sweep) {
  const { told, measure } = sweep
  const settings = inOrder([...sweep.settings.values()], measure, told.measures[measure].more)
  const picked = sweep.settings.get(sweep.picked) ?? null
  const shown = { settings, measure, picked, axes: told.axes, measures: told.measures }
  write(sweep.best, sentence(shown))
  write(sweep.meaning, told.measures[measure].meaning)
  sweep.map.show(shown)
  sweep.curves.show(shown)
  sweep.panel.show(picked, told)
  if (told.axes.length >= MANY_AXES) sweep.lines.show(shown)
  sweep.table.show(shown)
}

// Has the page run once: what its buttons say depends on `token`.
function refresh(sweep, token) {
  if (sweep.waiting || sweep.asked === token) return
  sweep.waiting = true
  sweep.asked = token
  whenDrawn(() => whenIdle(() => {
    sweep.waiting = false
    if (!sweep.gone) sweep.setTriggerValue("stale", token)
  }))
}
