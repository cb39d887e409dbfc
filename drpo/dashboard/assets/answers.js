// Cards of prompts and answers. Texts only ever become text nodes.

// Reuse the child of this id, so that what a reader opened or selected stays as it was.
const keyed = (parent, items, build, update) => {
  const old = new Map([...parent.children].map((node) => [node.dataset.id, node]))
  items.forEach((item, index) => {
    const node = old.get(item.id) ?? build(item)
    node.dataset.id = item.id
    old.delete(item.id)
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null)
    update(node, item)
  })
  for (const node of old.values()) node.remove()
}

// A text that begins with a few lines and a button that shows the rest.
const buildFold = (kind, parent) => {
  const fold = make("div", `fold ${kind}`, parent)
  make("div", "text", fold)
  const more = make("button", "more", fold)
  more.type = "button"
  // A phone that is turned, or a window made narrower, cuts what was whole before.
  new ResizeObserver(() => requestAnimationFrame(() => offerMore(fold))).observe(fold.firstChild)
  return fold
}

// A card stays when the language changes, so nothing it says is written only once.
const tellMore = (fold, more, less) => {
  const open = fold.classList.contains("open")
  const button = fold.querySelector(".more")
  write(button, open ? less : more)
  button.setAttribute("aria-expanded", String(open))
}

const offerMore = (fold) => {
  if (fold.classList.contains("open")) return
  const text = fold.querySelector(".text")
  fold.querySelector(".more").hidden = text.scrollHeight <= text.clientHeight + 2
}

const updateFold = (fold, text, markdown, more, less) => {
  tellMore(fold, more, less)
  fold.querySelector(".more").onclick = () => {
    fold.classList.toggle("open")
    tellMore(fold, more, less)
  }
  passage(fold.querySelector(".text"), text, markdown)
  // Whether a text is cut can only be seen once it is laid out.
  requestAnimationFrame(() => offerMore(fold))
}

const buildCard = () => {
  const card = make("article", "card")
  make("h4", "title", make("header", "", card))
  const prompt = make("div", "prompt", card)
  make("span", "label", prompt)
  buildFold("asked", prompt)
  make("div", "columns", card)
  return card
}

const updateCard = (words, markdown) => (card, item) => {
  write(card.querySelector(".title"), item.title)
  write(card.querySelector(".prompt .label"), words.prompt)
  const fold = card.querySelector(".asked")
  updateFold(fold, item.prompt, markdown, words.more, words.less)
  keyed(card.querySelector(".columns"), item.answers, buildAnswer, updateAnswer(words, markdown))
}

const buildAnswer = () => {
  const answer = make("section", "answer")
  const head = make("div", "head", answer)
  make("h5", "", head)
  make("dl", "figures", head)
  const body = make("div", "body", answer)
  const prefix = make("div", "prefix", body)
  make("span", "label", prefix)
  buildFold("given", prefix)
  buildFold("response", body)
  make("span", "unfinished", body)
  return answer
}

const updateAnswer = (words, markdown) => (node, item) => {
  node.classList.toggle("data", item.from_data)
  const title = node.querySelector("h5")
  write(title, item.title)
  title.hidden = !item.title
  const prefix = node.querySelector(".prefix")
  const response = node.querySelector(".response")
  prefix.hidden = !item.prefix && !item.from_data
  write(prefix.querySelector(".label"), words.from_data)
  const given = (item.from_data ? item.response : item.prefix).trim()
  updateFold(prefix.querySelector(".given"), given, markdown, words.more_answer, words.less)
  response.hidden = item.from_data
  const wrote = item.response.trim()
  const text = wrote || words.empty_answer
  updateFold(response, text, markdown && Boolean(wrote), words.more_answer, words.less)
  response.classList.toggle("empty", !wrote)
  const unfinished = node.querySelector(".unfinished")
  write(unfinished, words.unfinished)
  unfinished.hidden = item.finished || item.from_data
  const figures = node.querySelector(".figures")
  const wanted = JSON.stringify(item.figures)
  if (figures.dataset.shown !== wanted) {
    figures.dataset.shown = wanted
    figures.replaceChildren(
      ...item.figures.map(({ label, value, meaning }) => {
        const pair = make("div")
        make("dt", "", pair).textContent = label
        const number = make("dd", "", pair)
        number.textContent = value
        number.style.color = `var(--${meaning})`
        return pair
      })
    )
  }
}

export default function ({ data: sent, parentElement }) {
  const host = parentElement.querySelector(".answers")
  if (!host) return
  const data = read(sent)
  applyColours(host, data.colours)
  host.style.maxHeight = data.maxHeight ? `${data.maxHeight}px` : ""
  host.classList.toggle("scrolls", Boolean(data.maxHeight))
  host.tabIndex = data.maxHeight ? 0 : -1
  keyed(host, data.cards, buildCard, updateCard(data.words, data.markdown))
}
