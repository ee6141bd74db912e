// Returns a function that has what it is given loaded, one after the other: what is asked for while something is loading
// waits, and of several only the newest one does. All that has come is shown; `fail` is told why the newest has not.
export function newest(load, { show, fail }) {
  let [next, busy] = [null, false]
  return async (wanted) => {
    next = wanted
    if (busy) return
    busy = true
    try {
      while (next !== null) {
        const now = next
        next = null
        const [found, error] = await Promise.resolve(load(now)).then((found) => [found], (error) => [null, error])
        if (!error) show(now, found)
        else if (next === null) fail(now, error)
      }
    } finally {
      busy = false
    }
  }
}
