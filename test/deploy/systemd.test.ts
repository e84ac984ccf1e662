/** deploy/library.service, as systemd itself reads it. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { loadConfig } from '../../config.ts'
import { ROOT, temporaryFolder } from '../helpers.ts'

const text = readFileSync(path.join(ROOT, 'deploy/library.service'), 'utf8')
const isInstalled = spawnSync('systemd-analyze', ['--version']).status === 0
const skip = isInstalled ? false : 'systemd is not installed'

function setting(name: string): string | undefined {
  return new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1]
}

t.test('it runs the package, and gives it the time that it may take to end', async (t) => {
  const [, script = ''] = /library-api\/(\S+) start$/.exec(setting('ExecStart') ?? '') ?? []
  t.ok(existsSync(path.join(ROOT, script)), script)
  t.ok(Number(setting('TimeoutStopSec')) > loadConfig({}).SHUTDOWN_TIMEOUT + 5)
  t.match(text, /^ExecReload=\/bin\/kill -HUP \$MAINPID$/m)
  t.equal(setting('Restart'), 'on-failure')
  t.ok(setting('EnvironmentFile'))
  t.match(text, /^SystemCallFilter=setpriority$/m, 'backups may give way')
})

t.test('backups may lower their priority', async (t) => {
  const [, forbidden = '', allowed = ''] = text.match(/^SystemCallFilter=.+$/gm) ?? []
  t.match(forbidden, '~')
  t.match(allowed, '=setpriority')
})

t.test('systemd finds nothing wrong with it', { skip }, async (t) => {
  const file = path.join(temporaryFolder(t), 'library.service')
  // Where it is tested, node is elsewhere.
  writeFileSync(file, text.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`))
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
  t.match({ status, stderr }, { status: 0, stderr: '' })
})

t.test('it reaches little of the machine', { skip }, async (t) => {
  const file = path.join(ROOT, 'deploy/library.service')
  const args = ['security', '--offline=true', '--threshold=25', '--no-pager', file]
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  const exposure = Number(/exposure level for library\.service: ([\d.]+)/.exec(stdout)?.[1])
  t.ok(exposure > 0 && exposure <= 2.5, `${exposure}`)
})
