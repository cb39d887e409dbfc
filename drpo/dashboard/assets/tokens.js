// Answers word by word: the shade of a token says where the policy departs or what it earns.
// A click, or Enter, on a token asks to go on from there. Texts only ever become text nodes.

const build = (host) => {
  const box = make("section", "answer", host)
  const head = make("div", "head", box)
  make("h4", "", head)
  make("dl", "figures", head)
  make("p", "body", box)
  make("p", "error", box)
  make("p", "note", box)
  return box
}

const fillFigures = (list, figures) => {
  const wanted = JSON.stringify(figures)
  if (list.dataset.shown === wanted) return
  list.dataset.shown = wanted
  list.replaceChildren(
    ...figures.map(({ label, value, ink }) => {
      const pair = make("div")
      make("dt", "", pair).textContent = label
      const number = make("dd", "", pair)
      number.textContent = value
      number.style.color = `var(--${ink})`
      return pair
    })
  )
}

// Where one token can be chosen: which it is, and which ones decided how the answer came out.
const mark = (node, index, { chosen, decided }) => {
  node.classList.toggle("decided", Boolean(decided) && decided[0] <= index && index < decided[1])
  if (chosen === undefined) return
  node.classList.toggle("chosen", index === chosen)
  node.setAttribute("aria-pressed", String(index === chosen))
}

const fillTokens = (body, item, at, words, ask) => {
  while (body.children.length > item.tokens.length) body.lastChild.remove()
  item.tokens.forEach((token, index) => {
    let node = body.children[index]
    if (!node) {
      node = make("button", "token", body)
      node.type = "button"
    }
    node.onclick = () => ask({ at, index, nonce: Date.now() })
    write(node, token.text)
    const hover = `${token.hover}\n${words.continue_from}`
    if (node.title !== hover) node.title = hover
    const [meaning, strength] = token.shade
    const shade = strength ? `color-mix(in srgb, var(--${meaning}) ${60 * strength}%, transparent)` : ""
    if (node.style.background !== shade) node.style.background = shade
    node.classList.toggle("given", index < item.given)
    mark(node, index, item)
  })
}

export default function ({ data, parentElement, setTriggerValue }) {
  const host = parentElement.querySelector(".tokens")
  if (!host) return
  applyColours(host, data.colours)
  while (host.children.length > data.answers.length) host.lastChild.remove()
  data.answers.forEach((item, at) => {
    const box = host.children[at] ?? build(host)
    write(box.querySelector("h4"), item.title)
    fillFigures(box.querySelector(".figures"), item.figures)
    fillTokens(box.querySelector(".body"), item, at, data.words, (cut) => setTriggerValue("cut", cut))
    const error = box.querySelector(".error")
    write(error, item.error || (item.finished ? "" : data.words.unfinished))
    error.hidden = !error.textContent
    write(box.querySelector(".note"), item.note)
  })
}
