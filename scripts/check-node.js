/** Before anything else, and in JavaScript, for an old Node stops at the first type. Nothing is imported, so that every Node can read it. */
if (!process.features.typescript) {
  console.error(
    `Node ${process.versions.node} is too old: 22.18 or newer is needed. ` +
      'Install Node 24 (https://nodejs.org), or run `npm ci` without --omit=dev, which brings one that npm uses for all its scripts here.'
  )
  process.exit(1)
}
