// Passages of text: code monospaced, and where asked for Markdown as it is meant. Whatever a text
// holds, it only ever becomes text nodes inside elements made here: no link, no image, no address.

const FENCE = /^ {0,3}(`{3,}|~{3,})/

// Cut a text at its code fences: [{code: false, text}, {code: true, text, word}, ...], all of it.
const partsOf = (text) => {
  const parts = []
  let open = null
  const add = (code, line) => {
    const last = parts.at(-1)
    if (last?.code === code && (!code || !last.closed)) last.lines.push(line)
    else parts.push({ code, lines: [line] })
  }
  for (const line of text.split("\n")) {
    const mark = FENCE.exec(line)?.[1]
    if (!open && mark) {
      open = mark
      parts.push({ code: true, lines: [line] })
    } else if (open) {
      add(true, line)
      if (mark && mark[0] === open[0] && mark.length >= open.length && line.trim() === mark) {
        parts.at(-1).closed = true
        open = null
      }
    } else add(false, line)
  }
  return parts
}

// As written: every sign of the text is shown, code in a font of one width.
const writePlain = (node, text) => {
  const parts = partsOf(text)
  node.replaceChildren()
  parts.forEach((part, index) => {
    const last = index === parts.length - 1
    const written = part.lines.join("\n") + (last ? "" : "\n")
    if (part.code) make("span", "code", node).textContent = written
    else node.append(written)
  })
}

const INLINE = /(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)|\*\*(?=\S)([\s\S]*?\S)\*\*|\*(?=\S)([^*]*?[^*\s])\*/

// Bold, slanted and code within a line; a link stays what it is: signs.
const writeInline = (node, text) => {
  // What is this long is no line that somebody wrote, and would be searched for its marks for long.
  let rest = text
  if (text.length > 4000) return node.append(text)
  for (let found = INLINE.exec(rest); found; found = INLINE.exec(rest)) {
    node.append(rest.slice(0, found.index))
    const [whole, tick, code, strong, slanted] = found
    if (tick) make("code", "code", node).textContent = code
    else writeInline(make(strong === undefined ? "em" : "strong", "", node), strong ?? slanted)
    rest = rest.slice(found.index + whole.length)
  }
  node.append(rest)
}

const BLOCKS = [
  [/^(#{1,6})\s+(.*)$/, "heading"],
  [/^\s*[-*+]\s+(.*)$/, "item"],
  [/^\s*(\d{1,9})[.)]\s+(.*)$/, "numbered"],
  [/^\s*>\s?(.*)$/, "quote"],
  [/^\s*(?:-{3,}|\*{3,}|_{3,})\s*$/, "rule"],
]

const writeLine = (node, line) => {
  const [pattern, kind] = BLOCKS.find(([known]) => known.test(line)) ?? [null, line.trim() ? "line" : "gap"]
  const found = pattern?.exec(line) ?? []
  const block = make("span", `md ${kind}`, node)
  if (kind === "numbered") block.append(`${found[1]}. `)
  if (kind === "item") block.append("• ")
  if (kind !== "rule" && kind !== "gap") writeInline(block, kind === "line" ? line : found.at(-1))
}

const writeMarkdown = (node, text) => {
  node.replaceChildren()
  for (const part of partsOf(text)) {
    if (part.code) {
      const inner = part.lines.slice(1, part.closed ? -1 : undefined)
      make("span", "code block", node).textContent = inner.join("\n")
    } else part.lines.forEach((line) => writeLine(node, line))
  }
}

// Write a text unless it stands there already, so that what is selected stays selected.
const passage = (node, text, markdown) => {
  const shown = `${markdown ? "md" : "as written"} ${text}`
  if (node.shownPassage === shown) return
  node.shownPassage = shown
  ;(markdown ? writeMarkdown : writePlain)(node, text)
}
