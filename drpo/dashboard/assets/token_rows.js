// Rows token by token: special tokens are chips, what is cut is struck, what a reset may keep is
// underlined. Texts only ever become text nodes.

const KINDS = ["special", "given", "cut", "end"]

const shownText = (text) => text.replaceAll("\n", "⏎\n").replaceAll("\t", "⇥")

const fillParts = (body, parts, words) => {
  body.replaceChildren(
    ...parts.map((part) => {
      if (part.left_out) {
        const gap = make("span", "gap")
        gap.textContent = fill(words.left_out, { count: part.left_out })
        return gap
      }
      const classes = ["part", ...KINDS.filter((kind) => part[kind])]
      const node = make("span", classes.join(" "), null, shownText(part.text))
      if (part.ids.length) node.title = fill(words.hover, { ids: part.ids.join(" ") })
      if (part.given && !part.place) node.classList.add("inside")
      return node
    })
  )
}

const fillRow = (box, row, words) => {
  box.replaceChildren()
  make("h4", "", box, row.title)
  for (const text of row.texts) {
    const head = make("p", "head", box)
    make("strong", "", head, text.title)
    if (text.note) make("span", "note", head, text.note)
    fillParts(make("p", "body", box), text.parts, words)
  }
}

export default function ({ data, parentElement }) {
  const host = parentElement.querySelector(".token-rows")
  if (!host) return
  applyColours(host, data.colours)
  const wanted = JSON.stringify([data.rows, data.words])
  if (host.dataset.shown === wanted) return
  host.dataset.shown = wanted
  host.replaceChildren()
  const legend = make("p", "legend", host)
  for (const kind of data.kinds) {
    make("span", `part ${kind}`, legend, data.words[`legend_${kind}`])
  }
  for (const row of data.rows) fillRow(make("section", "row", host), row, data.words)
}
