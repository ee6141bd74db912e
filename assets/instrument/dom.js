// Returns an element with a class, attributes and children; texts are texts, never markup.
export function element(tag, name = "", attributes = {}, ...children) {
  const node = document.createElement(tag)
  if (name) node.className = name
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  node.append(...children)
  return node
}

// Writes a text only where it is another: what has not changed must not be drawn, nor announced, again. The text node
// stays: a node that comes or goes has the browser ask every `:has()` of the page's styles again.
export function write(node, text) {
  const { firstChild } = node
  if (firstChild?.nodeType !== Node.TEXT_NODE || firstChild.nextSibling) node.textContent = text
  else if (firstChild.data !== text) firstChild.data = text
}

// Returns a select of {value: text}, which calls `onChange` with what was chosen.
export function select(label, options, onChange) {
  const node = element("select", "lab-select", { "aria-label": label })
  for (const [value, text] of Object.entries(options)) node.append(element("option", "", { value }, text))
  node.onchange = () => onChange(node.value)
  return node
}
