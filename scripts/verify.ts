/** `npx library verify DIR`: whether a backup is good. */
import { verify } from '../db/backups/index.ts'
import { giveWay } from '../db/backups/priority.ts'
import { explain } from '../process/explain.ts'
import { backupFolder, runOnBackups, summaryOf, tellerOf } from './backup/shared.ts'

const USAGE = `usage: npx library verify [DIR] [--all]
  whether a backup is good: its files are those of its manifest, and it can be opened and leads to all that it should have.
  DIR is one backup, or a folder of them, of which the newest is verified, and with --all each. Without DIR it is BACKUP_DIR.`

const OPTIONS = { all: { type: 'boolean', default: false } } as const

await runOnBackups(
  USAGE,
  { begin: 'npx library verify', options: OPTIONS },
  async ({ config, words, values, terminal }) => {
    giveWay('verifying')
    const folder = backupFolder(words[0], config)
    let spoilt = 0
    await verify(
      config.DATABASE_URL,
      { folder, all: values.all === true, tell: tellerOf(terminal) },
      (found) => {
        terminal.progress.clear()
        if (!(found instanceof Error)) {
          for (const note of found.notes) console.log(note)
          return console.log(`${found.folder} is good: ${summaryOf(found.manifest)}`)
        }
        const sentence = explain(found, { databaseUrl: config.DATABASE_URL })
        if (sentence === undefined) throw found
        console.error(sentence)
        spoilt += 1
      }
    )
    return spoilt === 0 ? 0 : 1
  }
)
