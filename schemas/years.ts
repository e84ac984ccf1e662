import { Type } from '@sinclair/typebox'

const EARLIEST = -3000
const LATEST = 2100

export const Year = (description: string) => Type.Integer({ minimum: EARLIEST, maximum: LATEST, description })

/** Whether what the schema takes is a year. */
export function isYear({ minimum, maximum }: { minimum?: number; maximum?: number }): boolean {
  return minimum === EARLIEST && maximum === LATEST
}

/** Spreadsheets write `1947.0`, and people any dash for a minus. */
const WHOLE_YEAR = /^([-\u2010-\u2015\u2212]?)(\d{1,9})(?:[.,]0{1,9})?$/

/** The year that the text is in so many words, undefined when it is none. */
export function readYear(text: string): number | undefined {
  const [, sign, digits] = WHOLE_YEAR.exec(text.trim()) ?? []
  if (digits === undefined) return undefined
  return sign === '' ? Number(digits) : -Number(digits)
}

const BEFORE_CHRIST = /^\D{0,20}(\d{1,4})\s?(?:b\.?\s?c|v\.?\s?(?:chr|u)|av\.?\s?j|a\.\s?c|до)/i
const YEAR_WITHIN = /(?<!\d)\d{4}(?!\d)|(?<!\d|\d[.,])\d{3}(?!\d)/g
/** As spreadsheets write thousands. */
const IN_GROUPS = /^([12])[.,'\s](\d{3})$/

/** Why a text is no year, and what to write in its place. */
export function explainYear(text: string): string {
  if (text.trim() === '') return 'is blank; leave it out where the year is unknown'
  const shown = JSON.stringify(text.slice(0, 40).toWellFormed())
  const [, beforeChrist] = BEFORE_CHRIST.exec(text) ?? []
  if (beforeChrist !== undefined) return `is ${shown}; a year BC is a negative number: write -${beforeChrist}`
  const years = text.trim().replace(IN_GROUPS, '$1$2').match(YEAR_WITHIN) ?? []
  const example = years.length === 1 ? years[0] : '1947'
  return `is ${shown}, which is no year alone: give the year as a whole number, such as ${example}, and put the rest, such as a doubt or the day, into the note`
}
