/**
 * Runs in the browser, beside Swagger UI: gives the fields names that it leaves without one, for people who hear the page
 * (WCAG 4.1.2). They come and go as operations are opened.
 */
const NAMELESS = 'select:not([aria-label]), textarea:not([aria-label])'

function nameOf(field) {
  if (field.id === 'servers') return 'Server'
  if (field.matches('.examples-select-element')) return 'Example'
  if (field.matches('.body-param__text')) return 'Request body'
  return field.closest('[data-param-name]')?.dataset.paramName ?? field.name
}

function nameFields() {
  for (const field of document.querySelectorAll(NAMELESS)) {
    const name = nameOf(field)
    if (name) field.setAttribute('aria-label', name)
  }
}

new MutationObserver(nameFields).observe(document.body, { childList: true, subtree: true })
