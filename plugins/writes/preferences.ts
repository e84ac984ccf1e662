/** The `return` preference (RFC 7240 section 4.2); of several the first counts. */
export function preferredReturn(
  prefer: string | string[] | undefined
): 'minimal' | 'representation' | undefined {
  const preferences = [prefer ?? []].flat().flatMap((line) => line.split(','))
  for (const preference of preferences) {
    const [, value] = /^\s*return\s*=\s*"?(minimal|representation)"?\s*(?:;|$)/i.exec(preference) ?? []
    if (value !== undefined) return value.toLowerCase() as 'minimal' | 'representation'
  }
  return undefined
}
