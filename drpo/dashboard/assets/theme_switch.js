// Three radio buttons over Streamlit's own record of the visitor's theme.
const KEY = (path) => `stActiveTheme-${path}-v2`

const chosen = () => {
  try {
    return JSON.parse(window.localStorage.getItem(KEY(window.location.pathname))) ?? "System"
  } catch {
    return "System"
  }
}

export default function ({ data, parentElement }) {
  let group = parentElement.querySelector("fieldset")
  if (!group) {
    group = document.createElement("fieldset")
    parentElement.appendChild(group)
  }
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
