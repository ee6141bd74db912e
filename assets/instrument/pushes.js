// Pushes cart and pole, and makes cart and pole others than those that the policy was trained with.

import { CART_POLE, step } from "./cart_pole.js"
import { element, write } from "./dom.js"

const PUSH = 1 // m/s or rad/s that a press of a button adds to the velocity
const AS_TRAINED = { ...CART_POLE, sensorNoise: 0, actionDelay: 0 }
const KNOBS = { // what each is called, its unit, between what it may be, and how fine
  gravity: ["gravity", "m/s²", 1, 30],
  halfLength: ["half of the pole’s length", "m", 0.1, 2],
  poleMass: ["mass of the pole", "kg", 0.01, 2],
  cartMass: ["mass of the cart", "kg", 0.1, 5],
  force: ["force of an action", "N", 1, 30],
  sensorNoise: ["sensor noise σ", "SI units", 0, 0.5], // m, m/s, rad, rad/s
  actionDelay: ["action delay", "steps", 0, 10, 1],
}

// Returns the controls under `root`: `onPush` is called with what is pushed, "cart" or "pole", and what that adds to its
// velocity, `onChange` when `physics`, or `dynamics`, what a state and an action lead to by them, have become others.
export function createPushes(root, { onPush, onChange }) {
  const pushes = { physics: { ...AS_TRAINED }, dynamics: step }
  const renew = () => {
    const physics = { ...pushes.physics }
    pushes.dynamics = (state, action) => step(state, action, physics)
    onChange()
  }
  const button = (text, name, onclick) => {
    const node = element("button", "lab-player-button", { type: "button", "aria-label": name, title: name }, text)
    return Object.assign(node, { onclick })
  }
  const buttons = (body) => element("span", "lab-pushes-pair", {},
    `Push the ${body}`,
    button("◀", `Push the ${body} to the left`, () => onPush(body, -PUSH)),
    button("▶", `Push the ${body} to the right`, () => onPush(body, PUSH)),
  )
  const knobs = Object.keys(KNOBS).map((name) => knob(pushes, name, renew))
  const reset = () => {
    Object.assign(pushes.physics, AS_TRAINED)
    pushes.dynamics = step
    for (const { show } of knobs) show()
  }
  const back = button("As in training", "Cart and pole as in training", () => reset() || onChange())
  const node = element("div", "lab-pushes", {},
    buttons("pole"), buttons("cart"),
    element("details", "", {}, element("summary", "", {}, "Other physics"), ...knobs.map(({ label }) => label), back),
  )
  root.append(node)
  return {
    node,
    physics: pushes.physics,
    // Makes cart and pole those of training: such an episode is put on the stage.
    reset,
    get dynamics() {
      return pushes.dynamics
    },
    destroy: () => node.remove(),
  }
}

function knob({ physics }, name, onChange) {
  const [words, unit, min, max, step = 0.01] = KNOBS[name]
  const [slider, told] = [element("input", "", { type: "range", min, max, step }), element("output")]
  const show = () => {
    slider.value = physics[name]
    write(told, `${physics[name]} ${unit}`)
  }
  slider.oninput = () => {
    physics[name] = Number(slider.value)
    show()
  }
  slider.onchange = onChange
  show()
  return { label: element("label", "lab-pushes-knob", {}, element("span", "", {}, words), slider, told), show }
}
