// The instrument: it asks one address what is new of a run, shows it, and asks again when it was told to.

import { createChart, whenDrawn } from "./charts.js"
import { element, select, write } from "./dom.js"
import { createEpisodes } from "./episodes.js"
import { createFilmstrip } from "./filmstrip.js"
import { keepFocus, oncePerDoubleClick, onStart, passOver, symbols, whenIdle } from "./page.js"
import { grown, positionOf, updateAt } from "./places.js"
import { createPlayer } from "./player.js"
import { createSmallMap } from "./small_map.js"
import { createNumbers, createStatus, createTable } from "./status.js"

const LATE_MS = 10_000 // that an answer may take, of a connection that has died unnoticed
const RETRY_MS = 1000 // after an answer that did not come: no network, or a server that starts again

const instruments = new WeakMap() // parentElement → its instrument

export function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  if (!instruments.has(parentElement)) instruments.set(parentElement, create(parentElement))
  const instrument = instruments.get(parentElement)
  Object.assign(instrument, { setStateValue, setTriggerValue, page: JSON.parse(new TextDecoder().decode(data)) })
  receive(instrument, instrument.page)
}

export function unmount(parentElement) {
  const instrument = instruments.get(parentElement)
  if (!instrument) return
  instruments.delete(parentElement)
  instrument.gone = true
  clearTimeout(instrument.timer)
  for (const part of [...Object.values(instrument.charts), instrument.player, instrument.filmstrip, instrument.small]) part.destroy()
  for (const stop of instrument.stops) stop()
  instrument.root.remove()
}

function create(parentElement) {
  const place = (name) => element("div", `lab-${name}`)
  const places = Object.fromEntries(["status", "stage", "sentence", "small", "strip", "returns", "left", "right", "numbers", "more"].map((name) => [name, place(name)]))
  const { status, stage, sentence, small, ...others } = places
  const root = element("div", "lab-instrument", {}, status, element("div", "lab-side", {}, stage, sentence, small), ...Object.values(others))
  parentElement.append(root)
  const instrument = {
    root, places, told: { address: null }, version: "", rows: null, newest: 0, cursor: null, asking: false, timer: 0, gone: false,
    asked: null, wanted: null, waiting: false, refused: false, renewals: [], selects: {}, charts: {},
  }
  instrument.status = createStatus(places.status)
  instrument.numbers = createNumbers(places.numbers)
  instrument.table = createTable(places.more, () => answer(instrument, "numbers=1"))
  instrument.sentence = element("p")
  places.sentence.append(instrument.sentence)
  instrument.episodes = createEpisodes((...which) => episode(instrument, ...which))
  instrument.small = createSmallMap(small, (update, agent) => weights(instrument, update, agent))
  instrument.player = createPlayer(places.stage, {
    episodes: instrument.episodes, closer: (...what) => closer(instrument, ...what),
    onLive: (live) => live && release(instrument), onMoment: (...at) => instrument.small.at(...at, instrument.told.subject),
  })
  instrument.filmstrip = createFilmstrip(places.strip, { episodes: instrument.episodes, onPick: (update) => pick(instrument, update) })
  instrument.stops = [symbols(), oncePerDoubleClick(), onStart(() => begin(instrument)), keepFocus(), passOver()]
  return instrument
}

// Takes what the page tells.
function receive(instrument, told) {
  const before = instrument.told
  instrument.told = told
  if (!instrument.selects.over) drawHeads(instrument)
  showView(instrument)
  instrument.places.small.hidden = told.kind !== "cart_pole"
  if (told.subject !== before.subject) {
    instrument.small.forget()
    instrument.episodes = createEpisodes((...which) => episode(instrument, ...which))
    instrument.player.reset({ episodes: instrument.episodes, actions: told.actions })
    instrument.filmstrip.reset({ episodes: instrument.episodes })
    for (const chart of Object.values(instrument.charts)) chart.forget()
    Object.assign(instrument, { cursor: null, version: beginning(instrument) })
  }
  if (told.token === instrument.asked) instrument.asked = null
  if (told.address !== before.address) {
    Object.assign(instrument, { version: beginning(instrument), asked: null, refused: false })
    for (const resolve of instrument.renewals.splice(0)) resolve()
  }
  if (!instrument.refused) ask(instrument)
}

// Asks for the run that was started now, without waiting until the page has run; if it was refused, the page says so.
function begin(instrument) {
  receive(instrument, { ...instrument.page, ...instrument.page.next })
}

// Returns the version of no curves: of axes, or of nothing at all.
function beginning({ rows }) {
  return rows ? "0" : ""
}

// Draws what is above each chart: its name, and the choice of the axis or of the curve.
function drawHeads(instrument) {
  const { told, places, charts, selects } = instrument
  const choose = () => instrument.setStateValue("view", [selects.over, selects.left, selects.right].map(({ value }) => value))
  selects.over = select("Horizontal axis", told.axes, choose)
  selects.left = select("Curve on the left", told.panels, choose)
  selects.right = select("Curve on the right", told.panels, choose)
  places.returns.append(element("div", "lab-head", {}, element("span", "", {}, "Return of each episode"), selects.over))
  instrument.meanings = { left: element("a"), right: element("a") }
  for (const side of ["left", "right"]) {
    places[side].append(element("div", "lab-head", {}, selects[side], instrument.meanings[side]))
  }
  const onClick = (x) => pick(instrument, updateAt(instrument.rows, x))
  charts.returns = createChart(places.returns, { onClick })
  charts.left = createChart(places.left, { small: true, onClick })
  charts.right = createChart(places.right, { small: true, onClick })
}

function showView({ told, selects, meanings }) {
  const [over, left, right] = told.view
  Object.entries({ over, left, right }).forEach(([name, value]) => (selects[name].value = value))
  for (const [side, panel] of Object.entries({ left, right })) {
    write(meanings[side], told.meanings[panel])
    meanings[side].href = `derivations?statement=${told.statements[panel]}`
  }
}

// Asks what is new. What does not come is asked for again: it is a function of the version that the browser has.
async function ask(instrument) {
  clearTimeout(instrument.timer)
  const { address } = instrument.told
  if (instrument.asking || instrument.gone || !address) return
  instrument.asking = true
  const news = await fetched(address, `version=${instrument.version}`, AbortSignal.timeout(LATE_MS)).catch(({ status }) => ({ status }))
  instrument.asking = false
  let seconds = RETRY_MS / 1000
  if (address === instrument.told.address && !instrument.gone) {
    const begins = news.unknown && address !== instrument.page.address // it was started now
    instrument.refused = news.status === 404 || (news.unknown && !begins)
    if (news.told) seconds = take(instrument, news)
    else if (begins) seconds = news.next
    else if (instrument.refused) refresh(instrument) // the run is gone, or the address has ended
  }
  if (address !== instrument.told.address) ask(instrument)
  else if (seconds !== null && !instrument.gone) instrument.timer = setTimeout(() => ask(instrument), 1000 * seconds)
}

// Asks for what does not change. Where the address has ended, the page gives another one.
async function answer(instrument, query) {
  const { address, subject } = instrument.told
  try {
    return await fetched(address, query)
  } catch (error) {
    if (error.status !== 404) throw error
    await renewed(instrument, address)
    if (instrument.told.subject !== subject) throw error
    return fetched(instrument.told.address, query)
  }
}

async function renewed(instrument, address) {
  if (instrument.told.address !== address) return
  refresh(instrument)
  await new Promise((resolve) => instrument.renewals.push(resolve))
}

async function fetched(address, query, signal = null) {
  const found = await fetch(new URL(`${address}?${query}`, document.baseURI), { signal })
  if (!found.ok) throw Object.assign(new Error("The lab did not answer."), { status: found.status })
  const content = await found.json()
  if (content.error) throw new Error(content.error)
  return content
}

function episode(instrument, update, agent, frames) {
  const query = new URLSearchParams({ policy: update, of: instrument.told.subject }) // the browser keeps the answer
  if (agent !== null) query.set("agent", agent)
  if (frames) query.set("frames", 1)
  return answer(instrument, query)
}

function weights(instrument, update, agent) {
  return answer(instrument, new URLSearchParams({ weights: update, agent, of: instrument.told.subject }))
}

// Shows news; returns the seconds until the next question, null if nothing more is to be expected.
function take(instrument, news) {
  if (news.charts && !takeCharts(instrument, news)) {
    instrument.version = ""
    return 0
  }
  if (news.charts) instrument.version = news.version
  instrument.status.show(news.told)
  instrument.numbers.show(news.told.numbers)
  write(instrument.sentence, news.told.sentence)
  instrument.newest = news.stage.newest
  instrument.player.offer(news.stage)
  instrument.filmstrip.update(news.stage)
  if (news.token !== null && news.token !== instrument.told.token) refresh(instrument, news.token)
  return news.next
}

// Returns whether the charts had what the news begins with.
function takeCharts(instrument, { charts, rows }) {
  const all = grown(instrument.rows, rows)
  if (!all) return false
  const [returns, left, right] = charts
  const taken = [instrument.charts.returns.take(returns), instrument.charts.left.take(left), instrument.charts.right.take(right)]
  if (taken.includes(false)) return false
  instrument.rows = all
  mark(instrument)
  instrument.table.refresh()
  return true
}

// Has the page run once, unless it does so anyway: what its buttons and controls say depends on `token`. Without one, it
// is asked for another address. What counts is the newest token at the time that no run is under way: a run that ends has
// no news after its last.
function refresh(instrument, token = null) {
  instrument.wanted = token
  if (instrument.waiting || (token !== null && instrument.asked === token)) return
  instrument.waiting = true
  whenDrawn(() => whenIdle(() => {
    const { gone, told, wanted } = instrument
    instrument.waiting = false
    if (gone || (wanted !== null && told.token === wanted)) return
    instrument.asked = wanted
    instrument.setTriggerValue("stale", wanted ?? "address")
  }))
}

// Returns where an agent's policy after `done` updates is under the microscope, null of a run that has not begun; of the
// newest one, which no update has followed, where the last update is.
function closer({ told, newest }, done, agent) {
  const [run] = told.subject.split(" ")
  const update = Math.max(0, Math.min(done, newest - 1))
  return /^[0-9a-f]{32}$/.test(run) ? `policy?run=${run}&update=${update}&agent=${agent}` : null
}

// Plays the policy of an update, null: the newest one; and puts the charts' cursor there.
function pick(instrument, update) {
  if (update === null) return instrument.player.live()
  instrument.cursor = update
  mark(instrument)
  instrument.player.play(update)
}

// Takes the cursor away: the newest policy is shown again.
function release(instrument) {
  instrument.cursor = null
  mark(instrument)
}

function mark({ cursor, rows, charts, filmstrip }) {
  filmstrip.mark(cursor)
  for (const chart of Object.values(charts)) chart.mark(cursor === null ? null : positionOf(rows, cursor))
}
