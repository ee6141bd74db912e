// What the instrument does for the native part of its page.

const app = () => document.querySelector("[data-testid=stApp]")

// Calls once the page has its server and no run of its script is under way: until then controls hold what they held
// before it.
export function whenIdle(call) {
  const isIdle = () => {
    const { testConnectionState, testScriptState } = app().dataset
    return testConnectionState === "CONNECTED" && testScriptState === "notRunning"
  }
  if (isIdle()) return call()
  const observer = new MutationObserver(() => {
    if (!isIdle()) return
    observer.disconnect()
    call()
  })
  observer.observe(app(), { attributeFilter: ["data-test-connection-state", "data-test-script-state"] })
}

// The second click of what the system counts as one double click means the same press: not what the button says by then.
export function oncePerDoubleClick() {
  return listen("click", (event) => {
    if (event.detail > 1 && event.target.closest(".st-key-slot_main")) event.stopImmediatePropagation()
  })
}

// Calls when a button is pressed that starts a run; after `oncePerDoubleClick`, so not for a second click.
export function onStart(call) {
  return listen("click", (event) => event.target.closest(":is(.st-key-train, .st-key-anew) button:enabled") && call())
}

// Keeps the keyboard where it was when the button under it comes to mean something else.
export function keepFocus() {
  const slot = () => document.querySelector(".st-key-slot_main")
  let inside = false
  const stop = listen("focusin", (event) => (inside = Boolean(event.target.closest(".st-key-slot_main"))))
  const observer = new MutationObserver(() => {
    if (inside && document.activeElement === document.body) slot()?.querySelector("button:enabled")?.focus()
  })
  observer.observe(document.querySelector("[data-testid=stMain]"), { childList: true, subtree: true })
  return () => {
    stop()
    observer.disconnect()
  }
}

// Before the page's first button the keyboard need not stop at the page itself, which scrolls by what is in it, nor at the
// link to where one is, nor at one that skips the four others: that button is the stop behind them.
export function passOver() {
  const links = [...document.querySelectorAll("nav a")]
  const here = links.find(({ href }) => href === location.origin + location.pathname)
  const skip = document.querySelector("a[href$='#stMain']")
  const passed = [document.querySelector("#stMain"), here, skip].filter(Boolean)
  for (const node of passed) node.tabIndex = -1
  return () => passed.forEach((node) => (node.tabIndex = 0))
}

// A symbol of the formula finds its control: it is lit, and on a phone, which shows one at a time, it is the one.
export function symbols() {
  return listen("click", (event) => {
    const name = event.target.closest("[data-knob]")?.dataset.knob
    if (!name) return
    const knob = document.querySelector(`.st-key-knob_${name}`)
    document.querySelector(".st-key-controls").dataset.knob = name
    knob.scrollIntoView({ block: "nearest" })
    knob.querySelector("input, button, [role=slider]")?.focus()
  })
}

function listen(kind, call) {
  document.addEventListener(kind, call, true)
  return () => document.removeEventListener(kind, call, true)
}

// Has each page be one entry of the history, whatever is chosen on it: Streamlit makes one of every change of the address,
// and Back would lead to what its session has left behind, again and again. From then on for all pages, since the next
// one writes its address before anything on it is there; but statements are read one after the other.
export function beOneEntry() {
  if (window.labOneEntry) return
  window.labOneEntry = true
  const { pushState, replaceState } = history
  history.pushState = (state, title, url) => {
    const { pathname } = new URL(url, location.href)
    const stays = pathname === location.pathname && !pathname.endsWith("/derivations")
    return (stays ? replaceState : pushState).call(history, state, title, url)
  }
}
