import type { IncomingMessage } from 'node:http'
import { type Format, MEDIA_TYPES } from './arguments.ts'
import { explainConnection, Failure, notALibrary, Refusal } from './failures.ts'
import { ask, begin, interrupted, patiently, readAnswer, type Service } from './http.ts'
import type { ProgressBar } from './progress.ts'
import { ReceivedExport } from './receipt.ts'
import { ClosedPipe, openTarget, type Target } from './targets.ts'

interface ExportOptions {
  format: Format
  /** Whether a spreadsheet is to see that it is UTF-8. */
  excel?: boolean
}

/** Writes all authors to a file, or to stdout for `-`, and gives how many. Throws `Failure` unless all of them came. */
export async function exportAuthors(
  service: Service,
  file: string,
  options: ExportOptions,
  progress: ProgressBar
): Promise<number> {
  const target = await openTarget(file)
  try {
    const total = progress.isVisible ? await countAuthors(service) : undefined
    const response = await patiently(service.signal, () => beginExport(service, options))
    const rows = await receive(service, response, target, new ReceivedExport(options.format), (done) =>
      progress.show({ label: 'Exporting', unit: 'rows', done, total })
    )
    await target.keep()
    return rows
  } catch (error) {
    await target.discard()
    throw error
  }
}

async function countAuthors(service: Service): Promise<number | undefined> {
  const path = '/authors?limit=1&count=true'
  const count = () => ask<{ total?: number }>(service, { method: 'GET', path })
  return (await patiently(service.signal, count)).total
}

async function beginExport(
  service: Service,
  { format, excel = false }: ExportOptions
): Promise<IncomingMessage> {
  const { url } = service
  const mediaType = MEDIA_TYPES[format]
  const path = `/authors/export?receipt=true${excel ? '&bom=true' : ''}`
  const { request, answered } = begin(service, { method: 'GET', path, headers: { accept: mediaType } })
  request.end()
  const response = await answered.catch((error) => {
    throw new Failure(interrupted(service) ?? explainConnection(url, error, 'run this again.'))
  })
  if (response.statusCode !== 200) await readRefusal(url, response)
  if (response.headers['content-type']?.startsWith(mediaType)) return response
  request.destroy()
  throw new Failure(notALibrary(url, `its answer is no ${mediaType}`))
}

async function readRefusal(url: string, response: IncomingMessage): Promise<void> {
  try {
    await readAnswer(url, response)
  } catch (error) {
    const errors = error instanceof Refusal ? error.problem.errors : undefined
    if (!errors?.some(({ pointer }) => pointer === '/receipt')) throw error
    throw new Failure(
      `${url} is of an older version, whose exports do not tell whether they are whole: update the service, or use the command that came with it.`
    )
  }
}

/** Gives the number of rows. Throws `Failure` for an answer that is not whole. */
async function receive(
  service: Service,
  response: IncomingMessage,
  target: Target,
  received: ReceivedExport,
  onRows: (rows: number) => void
): Promise<number> {
  const whatThen = `${target.whenBroken}; run this again.`
  try {
    for await (const chunk of response) {
      await target.write(received.add(chunk))
      onRows(received.rows)
    }
  } catch (error) {
    if (error instanceof Failure || error instanceof ClosedPipe) throw error
    throw new Failure(interrupted(service, whatThen) ?? `The export broke off, so ${whatThen}`)
  }
  const { rest, fault } = received.end()
  await target.write(rest)
  if (fault !== undefined) throw new Failure(`${fault}, so ${whatThen}`)
  return received.rows
}
