// Nothing is drawn again under a press: what is clicked is what was pressed, and a node that goes meanwhile is not.

const waiting = new Map() // who → what it does once nothing is pressed
let pressed = false

addEventListener("pointerdown", ({ button }) => (pressed = button === 0), true)
const ends = ["pointerup", "pointercancel", "contextmenu"]
for (const end of ends) addEventListener(end, () => setTimeout(release), true) // after the click that it makes

function release() {
  pressed = false
  const acts = [...waiting.values()]
  waiting.clear()
  for (const act of acts) act()
}

// Does something now, or once the press that is under way is over: of what waits by then for `who`, the newest.
export function unpressed(who, act) {
  if (pressed) waiting.set(who, act)
  else act()
}

// Forgets what waits for `who`.
export function forget(who) {
  waiting.delete(who)
}
