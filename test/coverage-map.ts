/**
 * Of which test files tap takes coverage: not of those that work from outside of the service, with processes, and cover nothing that no other
 * file does. Without it they take half as long.
 */
const WITHOUT = ['bench', 'cluster', 'commands', 'harnesses', 'instances', 'kills', 'server']
const files = new Set(WITHOUT.map((name) => `test/groups/${name}.ts`))

/** What tap asks for: null for no coverage, nothing in particular for that of all that is loaded. */
export default function coverageOf(file: string): null | [] {
  return files.has(file) ? null : []
}
