/** What the settings of backups mean. */
import path from 'node:path'
import { BASE_FOLDER } from '../base-folder.ts'
import type { Keep } from './keeping.ts'

export interface BackupSettings {
  BACKUP_DIR: string
  BACKUP_EVERY: string
  BACKUP_KEEP: string
}

const UNITS_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The absolute path of the folder. */
export function backupFolderOf({ BACKUP_DIR }: Pick<BackupSettings, 'BACKUP_DIR'>): string {
  return path.resolve(BASE_FOLDER, BACKUP_DIR)
}

/** As in `21600` (seconds) or `6h`. */
export function everyMsOf({ BACKUP_EVERY }: Pick<BackupSettings, 'BACKUP_EVERY'>): number {
  const unit = /[smhd]$/.exec(BACKUP_EVERY)?.[0] ?? 's'
  return Number.parseInt(BACKUP_EVERY, 10) * (UNITS_MS[unit] as number)
}

/** As in `hourly=24,daily=7,weekly=5`; a kind that is not named has none. */
export function keepOf({ BACKUP_KEEP }: Pick<BackupSettings, 'BACKUP_KEEP'>): Keep {
  const pairs = BACKUP_KEEP.split(/, */).map((pair) => pair.split('='))
  return {
    hourly: 0,
    daily: 0,
    weekly: 0,
    ...Object.fromEntries(pairs.map(([name, count]) => [name, Number(count)]))
  }
}
