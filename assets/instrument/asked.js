// Asks the lab at an address that the page was given.

export const FAILED = "The lab did not answer: move the slider, or reload the page."

// Promises the answer to a query; where there is none, an error whose message is a sentence.
export async function asked(address, query) {
  const content = await (await response(address, query)).json()
  if (content.error) throw new Error(content.error)
  return content
}

// Promises a file; where there is none, an error as above.
export async function askedFile(address, query) {
  const found = await response(address, query)
  if (!found.headers.get("Content-Type").startsWith("application/json")) return found.blob()
  throw new Error((await found.json()).error)
}

// An address has a query of its own: which past of the run it is of.
async function response(address, query) {
  const found = await fetch(new URL(`${address}&${new URLSearchParams(query)}`, document.baseURI))
  if (!found.ok) throw new Error(FAILED)
  return found
}
