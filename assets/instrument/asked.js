// Asks the lab at an address that the page was given.

const FAILED = "The lab did not answer: move the slider, or reload the page."
const GONE = "This run is gone: open another one on the Runs page."

// Promises the answer to a query; where there is none, an error whose message is a sentence.
export async function asked(address, query) {
  return told(await response(address, query))
}

// Promises a file; where there is none, an error as above.
export async function askedFile(address, query) {
  const found = await response(address, query)
  if (!found.headers.get("Content-Type").startsWith("application/json")) return found.blob()
  return told(found)
}

async function told(found) {
  const content = await found.json()
  if (content.unknown) throw new Error(GONE)
  if (content.error) throw new Error(content.error)
  return content
}

// An address has a query of its own: which past of the run it is of.
async function response(address, query) {
  const found = await fetch(new URL(`${address}&${new URLSearchParams(query)}`, document.baseURI)).catch(() => null)
  if (!found?.ok) throw new Error(FAILED)
  return found
}
