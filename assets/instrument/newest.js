// Returns a function that has what it is given loaded, one after the other: what is asked for while something is loading
// waits, and of several only the newest one does. All that has come is shown.
export function newest(load, { show, fail }) {
  let [next, busy] = [null, false]
  return async (wanted) => {
    next = wanted
    if (busy) return
    busy = true
    while (next !== null) {
      const now = next
      next = null
      try {
        show(now, await load(now))
      } catch (error) {
        if (next === null) fail(now, error)
      }
    }
    busy = false
  }
}
