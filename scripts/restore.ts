/** `npx library restore DIR`: puts a backup in the place of the database that DATABASE_URL names. */
import { restore } from '../db/backups/index.ts'
import { backupFolder, runOnBackups, summaryOf, tellerOf } from './backup/shared.ts'

const USAGE = `usage: npx library restore [DIR]
  puts a backup in the place of the database that DATABASE_URL names, once it is verified. DIR is one backup, or a folder
  of them, of which it takes the newest that is good. Without DIR it is BACKUP_DIR. End the service first.
  What was there is kept beside it, under a name with the time.`

await runOnBackups(USAGE, { begin: 'npx library restore' }, async ({ config, words, terminal }) => {
  const { folder, manifest, place, setAside } = await restore(config.DATABASE_URL, {
    folder: backupFolder(words[0], config),
    tell: tellerOf(terminal),
    hear(refusal) {
      terminal.progress.clear()
      console.error(`Left out: ${refusal}`)
    }
  })
  terminal.progress.clear()
  console.log(`${folder} is restored to ${place}: ${summaryOf(manifest)}.`)
  if (setAside !== undefined) console.log(`What was there is kept: ${setAside}. Delete it once all is well.`)
  console.log('What was written after the backup is not there. Start the service: npx library start')
  return 0
})
