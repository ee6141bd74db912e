// Asks the lab at an address that the page was given.

export const FAILED = "The lab did not answer: move the slider, or reload the page."

// Promises the answer to a query; where there is none, an error whose message is a sentence.
export async function asked(address, query) {
  const found = await fetch(new URL(`${address}?${new URLSearchParams(query)}`, document.baseURI))
  if (!found.ok) throw new Error(FAILED)
  const content = await found.json()
  if (content.error) throw new Error(content.error)
  return content
}
