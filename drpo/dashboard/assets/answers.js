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

const buildCard = () => {
  const card = make("article", "card")
  const head = make("header", "", card)
  make("h4", "title", head)
  const prompt = make("div", "prompt", card)
  make("span", "label", prompt)
  const text = make("p", "text", prompt)
  const more = make("button", "more", prompt)
  more.type = "button"
  make("div", "columns", card)
  // A phone that is turned, or a window made narrower, cuts what was whole before.
  new ResizeObserver(() => requestAnimationFrame(() => offerMore(card))).observe(text)
  return card
}

// A card stays when the language changes, so nothing it says is written only once.
const tellMore = (card, words) => {
  const open = card.classList.contains("open")
  const more = card.querySelector(".more")
  write(more, open ? words.less : words.more)
  more.setAttribute("aria-expanded", String(open))
}

const offerMore = (card) => {
  if (card.classList.contains("open")) return
  const text = card.querySelector(".prompt .text")
  card.querySelector(".more").hidden = text.scrollHeight <= text.clientHeight + 2
}

const updateCard = (words) => (card, item) => {
  write(card.querySelector(".title"), item.title)
  write(card.querySelector(".prompt .label"), words.prompt)
  tellMore(card, words)
  card.querySelector(".more").onclick = () => {
    card.classList.toggle("open")
    tellMore(card, words)
  }
  const text = card.querySelector(".prompt .text")
  write(text, item.prompt)
  // Whether the prompt is cut can only be seen once it is laid out.
  requestAnimationFrame(() => offerMore(card))
  keyed(card.querySelector(".columns"), item.answers, buildAnswer, updateAnswer(words))
}

const buildAnswer = () => {
  const answer = make("section", "answer")
  const head = make("div", "head", answer)
  make("h5", "", head)
  make("dl", "figures", head)
  const body = make("div", "body", answer)
  const prefix = make("div", "prefix", body)
  make("span", "label", prefix)
  make("p", "text", prefix)
  make("p", "text response", body)
  make("span", "unfinished", answer)
  return answer
}

const updateAnswer = (words) => (node, item) => {
  node.classList.toggle("data", item.from_data)
  const title = node.querySelector("h5")
  write(title, item.title)
  title.hidden = !item.title
  const prefix = node.querySelector(".prefix")
  const response = node.querySelector(".response")
  prefix.hidden = !item.prefix && !item.from_data
  write(prefix.querySelector(".label"), words.from_data)
  write(prefix.querySelector(".text"), (item.from_data ? item.response : item.prefix).trim())
  response.hidden = item.from_data
  const wrote = item.response.trim()
  write(response, wrote || words.empty_answer)
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

export default function ({ data, parentElement }) {
  const host = parentElement.querySelector(".answers")
  if (!host) return
  applyColours(host, data.colours)
  host.style.maxHeight = data.maxHeight ? `${data.maxHeight}px` : ""
  host.classList.toggle("scrolls", Boolean(data.maxHeight))
  host.tabIndex = data.maxHeight ? 0 : -1
  keyed(host, data.cards, buildCard, updateCard(data.words))
}
