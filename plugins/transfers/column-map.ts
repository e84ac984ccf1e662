import { refusedParameter } from '../../schemas/errors.ts'
import { COLUMNS } from '../../schemas/transfers.ts'

/** What a column of a file stands for, by its own name; `''` leaves it out. */
export type ColumnMap = readonly (readonly [name: string, column: string])[]

/**
 * Reads `Autor=name,Land=country,Regal=`. A name may have commas and equals signs in it: what stands for it has neither. Throws
 * `ValidationFailed`.
 */
export function parseColumnMap(text: string): ColumnMap {
  const parts = text.split(',')
  const pairs: [string, string][] = []
  let name = ''
  for (const part of parts) {
    const end = part.lastIndexOf('=')
    if (end === -1) name += `${part},`
    else {
      pairs.push([foldName(name + part.slice(0, end)), foldName(part.slice(end + 1))])
      name = ''
    }
  }
  const fault = name === '' ? faultOf(pairs) : `has no "=" after ${quoted(name.slice(0, -1))}`
  if (fault === undefined) return pairs
  throw refusedParameter('map', `${fault}; it is written like Autor=name,Land=country,Regal=`)
}

/** As the names of columns are compared. */
export function foldName(name: string): string {
  return name.normalize('NFC').trim().toLowerCase()
}

function faultOf(pairs: ColumnMap): string | undefined {
  const wrong = pairs.find(([, column]) => column !== '' && !(COLUMNS as readonly string[]).includes(column))
  if (wrong !== undefined) {
    return `takes ${quoted(wrong[0])} for ${quoted(wrong[1])}, which is no column; known are ${COLUMNS.join(', ')}`
  }
  const names = pairs.map(([name]) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  return twice === undefined ? undefined : `names ${quoted(twice)} twice`
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 100))
}
