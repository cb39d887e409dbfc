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

// Most visits come to a chart sooner or later. Its library takes half a second to fetch and run, so
// that is done while there is nothing else to do.
const loadAhead = (url) => {
  const later = window.requestIdleCallback ?? ((act) => setTimeout(act, 1000))
  // A failure is told, and the loading tried again, where a chart is wanted.
  later(() => loadScript(url).catch(() => {}))
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
  loadAhead(data.library)
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
