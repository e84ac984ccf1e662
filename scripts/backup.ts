/** `npx library backup DIR`: a verified copy of the database that DATABASE_URL names, while the service runs or not. */

import { backUp } from '../db/backups/index.ts'
import { giveWay } from '../db/backups/priority.ts'
import packageJson from '../package.json' with { type: 'json' }
import { backupFolder, runOnBackups, sizeText, summaryOf, tellerOf } from './backup/shared.ts'

const USAGE = `usage: npx library backup [DIR]
  copies the database that DATABASE_URL names, with the keys that sign tokens, to a new folder in DIR, and verifies the
  copy; only then it gets its name (library-2026-11-26T14-00-00Z). The service may run meanwhile. Without DIR it is BACKUP_DIR.
  Who can read a backup can read everything: passwords are hashed in it, but the signing keys are not.`

await runOnBackups(USAGE, { begin: 'npx library backup' }, async ({ config, words, terminal }) => {
  giveWay('copying')
  const folder = backupFolder(words[0], config)
  const made = await backUp(config.DATABASE_URL, {
    folder,
    version: packageJson.version,
    tell: tellerOf(terminal),
    whenCopied: () => giveWay('verifying')
  })
  terminal.progress.clear()
  if (made === undefined) {
    console.error(`Another process makes a backup in ${folder}: try again when it is done.`)
    return 1
  }
  for (const note of made.manifest.verified_by) console.log(note)
  console.log(`${made.folder} is made and good: ${summaryOf(made.manifest)}, ${sizeText(made.bytes)}`)
  return 0
})
