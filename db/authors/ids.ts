import { timeOf } from '../text.ts'

/** A clock that was set back by more is believed; until then ids go on in their order. */
const MOST_SET_BACK_MS = 600_000
const TAIL_DIGITS = 12
const TAILS = 16 ** TAIL_DIGITS

/** The id of an author that comes after the one with the id `last`: `stamp`, unless that is not later (both UUIDv7). */
export function idAfter(last: string | undefined, stamp: string): string {
  if (last === undefined || stamp > last) return stamp
  const isSetBack = Date.parse(timeOf(last)) - Date.parse(timeOf(stamp)) > MOST_SET_BACK_MS
  return isSetBack ? stamp : idPlus(last, 1)
}

/** The id that comes so many after this one. */
export function idPlus(id: string, count: number): string {
  const digits = (BigInt(`0x${id.replaceAll('-', '')}`) + BigInt(count)).toString(16).padStart(32, '0')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** This id or one after it, from which so many more differ in their last twelve digits only: these, and what stands before them. */
export function idsFrom(id: string, count: number): { head: string; tail: number } {
  const tail = Number.parseInt(id.slice(-TAIL_DIGITS), 16)
  if (tail + count < TAILS) return { head: id.slice(0, -TAIL_DIGITS), tail }
  return idsFrom(idPlus(id, TAILS - tail), count)
}
