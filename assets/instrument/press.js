// Nothing is drawn again under a press: a node that is replaced meanwhile gets no click.

const waiting = new Map() // who → what it does once nothing is pressed
let pressed = false

// A tap is pressed, released and clicked in one, after the finger has gone.
addEventListener("pointerdown", ({ button, pointerType }) => (pressed = button === 0 && pointerType !== "touch"), true)
addEventListener("pointerup", () => setTimeout(release), true) // after the click that it makes
for (const end of ["pointercancel", "contextmenu", "blur"]) addEventListener(end, release)
addEventListener("pointermove", ({ buttons }) => pressed && !buttons && release(), true) // the end was another window's

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
