// Three radio buttons over Streamlit's own record of the visitor's theme.
const KEY = (path) => `stActiveTheme-${path}-v2`

const chosen = () => {
  try {
    return JSON.parse(window.localStorage.getItem(KEY(window.location.pathname))) ?? "System"
  } catch {
    return "System"
  }
}

// Plain HTML on the screens cannot see which theme is on, only components can; so the colours of our
// meanings are handed on to the page as a whole.
const publish = (host, colours) => {
  const style = getComputedStyle(host)
  const root = document.documentElement.style
  const [r, g, b] = [1, 3, 5].map((i) =>
    parseInt(style.getPropertyValue("--st-background-color").trim().slice(i, i + 2), 16)
  )
  const theme = 0.2126 * r + 0.7152 * g + 0.0722 * b < 128 ? "dark" : "light"
  for (const [meaning, code] of Object.entries(colours[theme])) {
    root.setProperty(`--drpo-${meaning}`, code)
  }
}

// Most visits come to a chart sooner or later; its library is large, so it is fetched ahead.
const fetchAhead = (url) => {
  if (document.querySelector(`link[href="${url}"]`)) return
  const link = document.createElement("link")
  link.rel = "prefetch"
  link.as = "script"
  link.href = url
  document.head.appendChild(link)
}

export default function ({ data, parentElement }) {
  let group = parentElement.querySelector("fieldset")
  if (!group) {
    group = document.createElement("fieldset")
    parentElement.appendChild(group)
  }
  publish(group, data.colours)
  // Screen readers choose a voice by it, browsers a font and where lines may break.
  document.documentElement.lang = data.language
  fetchAhead(data.library)
  const current = chosen()
  const legend = document.createElement("legend")
  legend.textContent = data.label
  const options = Object.entries(data.names).map(([value, name]) => {
    const label = document.createElement("label")
    const input = document.createElement("input")
    input.type = "radio"
    input.name = "drpo-theme"
    input.value = value
    input.checked = value === current
    input.onchange = () => {
      for (const path of data.paths) window.localStorage.setItem(KEY(path), JSON.stringify(value))
      window.location.reload()
    }
    const text = document.createElement("span")
    text.textContent = name
    label.append(input, text)
    return label
  })
  group.replaceChildren(legend, ...options)
}
