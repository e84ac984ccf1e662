/** The library has no types of its own. */
declare module 'unicode-script' {
  export function unicodeScript(character: string): string | undefined
  export function unicodeScriptExtensions(text: string): Set<string>
  export function unicodeResolvedScriptCodes(text: string): Set<string>
}
