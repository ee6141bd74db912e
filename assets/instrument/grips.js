// Cart and pole are pushed on the stage itself: by keys while it has the focus, and by dragging them.

const PER_METRE = 1 // m/s of the cart, rad/s of the pole, that a drag adds for each metre
const LEAST = 4 // CSS pixels: less is a press without a drag
const KEYS = { u: ["pole", -1], o: ["pole", 1], j: ["cart", -1], l: ["cart", 1] }
const HELP = "U and O push the pole to the left and to the right, J and L the cart; or drag them"

// Returns what makes a player's stage take pushes: `onPush` is called with what is pushed, "cart" or "pole", and what that
// adds to its velocity, `onHold` when a drag begins.
export function createGrips({ screen, stage }, { onPush, onHold }) {
  const [own, canvas, quiet] = [screen.getAttribute("aria-label"), screen.querySelector("canvas"), new AbortController()]
  const grips = { screen, stage, onPush, onHold, held: null }
  const listen = (name, act) => screen.addEventListener(name, act, { signal: quiet.signal })
  const at = ({ clientX, clientY }) => {
    const { left, top } = canvas.getBoundingClientRect()
    return { ...stage.locate(clientX - left, clientY - top), from: clientX, metres: 0 }
  }
  const isOn = () => "grips" in screen.dataset
  listen("keydown", (event) => isOn() && press(grips, event))
  listen("pointerdown", (event) => isOn() && event.isPrimary && event.button === 0 && take(grips, event, at(event)))
  listen("pointermove", (event) => (grips.held ? pull(grips, event) : point(grips, isOn() && at(event).body)))
  listen("pointerup", () => release(grips))
  listen("pointercancel", () => drop(grips))
  return {
    // Takes pushes from now on, or none: only cart and pole can be pushed.
    take(wanted) {
      screen.toggleAttribute("data-grips", wanted)
      screen.setAttribute("aria-label", wanted ? `${own}; ${HELP}` : own)
      screen.title = wanted ? HELP : ""
    },
    destroy: () => quiet.abort(),
  }
}

function press({ onPush }, event) {
  const pushed = KEYS[event.key.toLowerCase()]
  if (!pushed || event.ctrlKey || event.metaKey || event.altKey) return
  event.preventDefault()
  onPush(...pushed)
}

function take(grips, { pointerId }, found) {
  if (!found.body) return
  grips.held = found
  grips.screen.setPointerCapture(pointerId)
}

// Once it is a drag, the episode stands still, and an arrow shows how far it is pulled.
function pull({ held, stage, onHold }, { clientX }) {
  const pixels = clientX - held.from
  if (!held.metres && Math.abs(pixels) < LEAST) return
  if (!held.metres) onHold()
  held.metres = pixels / held.metre
  stage.pull(held.body, held.metres)
}

function release(grips) {
  const { held, onPush } = grips
  grips.held = null
  if (held?.metres) onPush(held.body, PER_METRE * held.metres)
}

// The browser takes the pointer, as to scroll: nothing is pushed.
function drop(grips) {
  if (grips.held?.metres) grips.stage.pull(grips.held.body, 0)
  grips.held = null
}

function point({ screen }, body) {
  screen.style.cursor = body ? "grab" : ""
}
