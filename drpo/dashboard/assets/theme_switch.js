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
  const root = document.documentElement.style
  for (const [meaning, code] of Object.entries(colours[isDark(host) ? "dark" : "light"])) {
    root.setProperty(`--drpo-${meaning}`, code)
  }
}

const AHEAD_AFTER = 4000

// The library of the charts is large, and running it takes the page a second. A screen of charts has
// it run while the server still computes them. Others fetch it, and run it when the visitor has
// stayed for a while and nothing else goes on: most visits come to a chart sooner or later.
const loadAhead = (url, wanted) => {
  // A failure is told, and the loading tried again, where a chart is wanted.
  const load = () => loadScript(url).catch(() => {})
  if (wanted) return load()
  if (document.querySelector(`link[href="${url}"]`)) return
  const link = document.createElement("link")
  Object.assign(link, { rel: "prefetch", as: "script", href: url })
  document.head.appendChild(link)
  const later = window.requestIdleCallback ?? ((act) => act())
  setTimeout(() => later(load), AHEAD_AFTER)
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
  loadAhead(data.library, data.charts)
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
