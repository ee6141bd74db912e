// The map of the Policy page: what of the policy it shows, and over what; the choices come from the environment.

import { DIMENSIONS } from "./cart_pole.js"
import { element, select } from "./dom.js"
import { createPolicyMap } from "./policy_map.js"
import { isValue, offered, quantityOf } from "./quantity.js"
import { createRanges } from "./ranges.js"
import { createStateMap } from "./state_map.js"

const MOST_STATES = 1000 // that are shown, each with a place of its own
const AXES = { cart_pole: [2, 3] } // θ and θ̇, at first
const SAID = ["Horizontal axis of the map", "Vertical axis of the map"]

// Returns a panel under `root`: `onPick` is called with an observation from which an episode is to begin, where the
// browser can play it, `onValue` when the value of states is to be shown.
export function createMapPanel(root, { onPick, onValue }) {
  const panel = { root, onPick, onValue, told: null, ranges: null, map: null, controls: null, scene: null }
  return {
    // Takes what the page tells of a run.
    of(told) {
      if (panel.told?.subject !== told.subject) begin(panel, told)
    },
    // Shows {policy, rival, value}, networks of which all but the first may be missing, and the rest of a map's scene but for what
    // is chosen here.
    show(scene) {
      panel.scene = scene
      draw(panel)
    },
    hold: (observations) => panel.ranges.hold(observations),
    get showsValue() {
      return isValue(panel.controls?.what.value)
    },
    destroy: () => panel.map?.destroy(),
  }
}

function begin(panel, told) {
  const { root, onPick } = panel
  const isCartPole = told.kind === "cart_pole"
  panel.map?.destroy()
  root.replaceChildren()
  Object.assign(panel, { told, map: null, scene: null, ranges: createRanges(isCartPole ? DIMENSIONS : told.dimensions) })
  const isTabular = told.choices.length === 1 && told.states > 0 && told.states <= MOST_STATES
  root.hidden = !isTabular && panel.ranges.dimensions.length < 2
  if (root.hidden) return
  panel.controls = controlsOf(panel, isTabular, isCartPole)
  panel.map = isTabular ? createStateMap(root, told) : createPolicyMap(root, { onPick: isCartPole ? onPick : null })
}

function controlsOf(panel, isTabular, isCartPole) {
  const { told, root } = panel
  const redraw = () => draw(panel)
  const what = select("What the map shows", offered(told), () => (isValue(what.value) ? panel.onValue() : redraw()))
  if (!isTabular) what.value = told.choices.length ? told.action_size - 1 : 0
  const over = isTabular ? { nodes: [] } : axesOf(panel, isCartPole, redraw)
  root.append(element("div", "lab-micro-axes", {}, what, ...over.nodes))
  return { what, ...over }
}

function axesOf({ told, ranges }, isCartPole, onchange) {
  const chosen = [...(AXES[told.kind] ?? [0, 1])].map(String)
  const named = Object.fromEntries(ranges.dimensions.map(({ name }, i) => [i, name]))
  const choose = (i) => (value) => {
    if (value === chosen[1 - i]) chosen[1 - i] = chosen[i] // two axes are never the same: they change places
    chosen[i] = value
    axes.forEach((axis, k) => (axis.value = chosen[k]))
    onchange()
  }
  const axes = SAID.map((label, i) => select(label, named, choose(i)))
  axes.forEach((axis, i) => (axis.value = chosen[i]))
  const follow = element("input", "", { type: "checkbox" })
  Object.assign(follow, { checked: !isCartPole, onchange })
  const label = element("label", "", { title: "Else they are 0" }, follow, ` others as ${isCartPole ? "on stage" : "at the step"}`)
  return { axes, follow, nodes: ["over", ...axes, label] }
}

function draw({ map, scene, controls, ranges, told }) {
  if (!map || !scene?.policy) return
  const { policy, rival, value, path, at, arrows } = scene
  const { what, axes, follow } = controls
  if (isValue(what.value) && !value) return // it is on its way
  if (!axes) return map.show({ policy, value: isValue(what.value) ? value : null, path, at })
  const { dimensions } = ranges
  const fixed = (follow.checked && path[at]) || dimensions.map(() => 0)
  map.show({
    quantity: quantityOf(what.value, scene, told), network: policy, dimensions, axes: axes.map(({ value }) => Number(value)),
    rival: rival && !isValue(what.value) ? quantityOf(what.value, { policy: rival }, told) : null, fixed, path, at, arrows,
  })
}
