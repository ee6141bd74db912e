// Pushes the pole, and makes cart and pole others than those that the policy was trained with.

import { CART_POLE, step } from "./cart_pole.js"
import { element, write } from "./dom.js"

const PUSH = 1 // rad/s that a push adds to the pole's angular velocity
const KNOBS = { // what each is called, its unit, and between what it may be
  gravity: ["gravity", "m/s²", 1, 30],
  halfLength: ["half of the pole’s length", "m", 0.1, 2],
  poleMass: ["mass of the pole", "kg", 0.01, 2],
  cartMass: ["mass of the cart", "kg", 0.1, 5],
  force: ["force of an action", "N", 1, 30],
}

// Returns the controls under `root`: `onPush` is called with what a push adds to the angular velocity, `onChange` when
// `dynamics`, what a state and an action lead to, have become others.
export function createPushes(root, { onPush, onChange }) {
  const pushes = { physics: { ...CART_POLE }, dynamics: step }
  const renew = () => {
    const physics = { ...pushes.physics }
    pushes.dynamics = (state, action) => step(state, action, physics)
    onChange()
  }
  const button = (text, name, onclick) => Object.assign(element("button", "lab-player-button", { type: "button", "aria-label": name }, text), { onclick })
  const knobs = Object.keys(KNOBS).map((name) => knob(pushes, name, renew))
  const back = button("As in training", "Cart and pole as in training", () => {
    Object.assign(pushes.physics, CART_POLE)
    for (const { show } of knobs) show()
    renew()
  })
  const node = element("div", "lab-pushes", {},
    element("span", "", {}, "Push the pole"),
    button("◀", "Push the pole to the left", () => onPush(-PUSH)), button("▶", "Push the pole to the right", () => onPush(PUSH)),
    element("details", "", {}, element("summary", "", {}, "Other physics"), ...knobs.map(({ label }) => label), back),
  )
  root.append(node)
  return {
    node,
    get dynamics() {
      return pushes.dynamics
    },
    destroy: () => node.remove(),
  }
}

function knob({ physics }, name, onChange) {
  const [words, unit, min, max] = KNOBS[name]
  const [slider, told] = [element("input", "", { type: "range", min, max, step: "0.01" }), element("output")]
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
