/** What a cell says that is no text, in the ways that spreadsheets and people write it. */
import { explainYear, readYear } from '../../schemas/years.ts'
import { Unreadable } from '../errors/field-errors.ts'
import { quote } from '../errors/texts.ts'

/** Of English, and of other languages that spreadsheets write them in. */
const YES_AND_NO: [yes: string, no: string][] = [
  ['true', 'false'],
  ['yes', 'no'],
  ['y', 'n'],
  ['t', 'f'],
  ['1', '0'],
  ['wahr', 'falsch'],
  ['ja', 'nein'],
  ['j', 'nee'],
  ['oui', 'non'],
  ['vrai', 'faux'],
  ['sí', 'no'],
  ['si', 'no'],
  ['verdadero', 'falso'],
  ['sì', 'no'],
  ['vero', 'falso'],
  ['sim', 'não'],
  ['sim', 'nao'],
  ['verdadeiro', 'falso'],
  ['tak', 'nie'],
  ['prawda', 'fałsz'],
  ['да', 'нет'],
  ['истина', 'ложь'],
  ['так', 'ні'],
  ['істина', 'хибність'],
  ['ano', 'ne'],
  ['áno', 'nie'],
  ['pravda', 'nepravda'],
  ['igen', 'nem'],
  ['igaz', 'hamis'],
  ['waar', 'onwaar'],
  ['ja', 'nej'],
  ['sand', 'falsk'],
  ['sann', 'usann'],
  ['sant', 'falskt'],
  ['ja', 'nei'],
  ['kyllä', 'ei'],
  ['tosi', 'epätosi'],
  ['jah', 'ei'],
  ['da', 'nu'],
  ['adevărat', 'fals'],
  ['evet', 'hayır'],
  ['evet', 'hayir'],
  ['doğru', 'yanlış'],
  ['ναι', 'όχι'],
  ['αληθές', 'ψευδές'],
  ['כן', 'לא'],
  ['نعم', 'لا'],
  ['हाँ', 'नहीं'],
  ['是', '否'],
  ['はい', 'いいえ'],
  ['예', '아니요']
]
const BOOLEANS = new Map(
  YES_AND_NO.flatMap(([yes, no]) => [
    [yes.normalize('NFC'), true] as const,
    [no.normalize('NFC'), false] as const
  ])
)

/** The boolean or `Unreadable`; undefined for a blank cell. */
export function readBoolean(cell: string): boolean | Unreadable | undefined {
  if (cell === 'true') return true
  if (cell === 'false') return false
  const word = cell
    .trim()
    .toLowerCase()
    .normalize('NFC')
    .replace(/[.,]0$/, '')
  if (word === '') return undefined
  const known = BOOLEANS.get(word)
  return (
    known ??
    new Unreadable(
      `is ${quote(cell)}, which is no boolean: write true or false, yes or no, or 1 or 0; words of other languages, such as wahr, non and sí, are taken too`
    )
  )
}

/** The year or `Unreadable`; undefined for a blank cell. */
export function readYearCell(cell: string): number | Unreadable | undefined {
  if (cell.trim() === '') return undefined
  return readYear(cell) ?? new Unreadable(explainYear(cell))
}
