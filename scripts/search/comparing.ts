/** Whether a list, page by page, is what a plain scan gives. */
import type { AuthorRecord } from '../../db/authors/table.ts'
import { addressOf, type Question } from './question.ts'
import type { Page, User } from './service.ts'

/** Spoils a page, to prove that it would be noticed. */
export type Sabotage = (page: Page) => Page

interface Comparing {
  user: User
  question: Question
  expected: readonly AuthorRecord[]
  limit: number
  /** Longer lists are followed only so far. */
  mostPages: number
  sabotage: Sabotage
}

/** What is wrong with the answer, if anything, and how many pages it took. */
export async function compare(comparing: Comparing): Promise<{ fault: string | undefined; pages: number }> {
  const { user, question, expected, limit, mostPages, sabotage } = comparing
  const first = addressOf(question, limit)
  let [next, found, pages]: [string | null, number, number] = [first, 0, 0]
  while (next !== null && pages < mostPages) {
    const address: string = next
    const page = sabotage(await user.page(address))
    const fault = faultOf(page, expected, { from: found, limit, isCounted: question.count === true })
    if (fault !== undefined) return { fault: `${first}, page ${pages + 1}: ${fault}\n  ${address}`, pages }
    found += page.data.length
    pages += 1
    next = page.next
  }
  return { fault: undefined, pages }
}

function faultOf(
  { data, next, total }: Page,
  expected: readonly AuthorRecord[],
  { from, limit, isCounted }: { from: number; limit: number; isCounted: boolean }
): string | undefined {
  const due = expected.slice(from, from + limit)
  const at = due.findIndex((author, index) => JSON.stringify(author) !== JSON.stringify(data[index]))
  if (at !== -1) {
    return `entry ${from + at + 1} of ${expected.length} is not ${told(due[at])}, but ${told(data[at])}`
  }
  if (data.length > due.length) return `${told(data[due.length])} is one more than the ${expected.length}`
  if ((next !== null) !== from + limit < expected.length) return `next is ${next} after ${from + data.length}`
  const due_total = isCounted ? expected.length : undefined
  return total === due_total ? undefined : `the total is ${total}, not ${due_total}`
}

function told(author: AuthorRecord | undefined): string {
  return author === undefined ? 'there' : JSON.stringify(author)
}
