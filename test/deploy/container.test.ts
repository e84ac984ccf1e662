/** The image: built and run where an engine runs, and its steps by themselves where none does. */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { loadConfig } from '../../config.ts'
import { ROOT } from '../helpers.ts'

const run = promisify(execFile)
const NOBODY = 65_534
const MOST_MB = 90

interface Instruction {
  name: string
  text: string
}

const dockerfile = readFileSync(path.join(ROOT, 'Dockerfile'), 'utf8')
const instructions = dockerfile
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => line !== '')
  .map((line): Instruction => {
    const [name = '', ...rest] = line.split(' ')
    return { name, text: rest.join(' ') }
  })
/** Of the last stage, which is the image. */
const image = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'))

function textsOf(name: string, from = instructions): string[] {
  return from.filter((instruction) => instruction.name === name).map(({ text }) => text)
}

/** The words of an instruction in exec form, which no shell reads. */
function wordsOf(text = ''): string[] {
  return JSON.parse(text.slice(text.indexOf('[')))
}

function environment(): Record<string, string> {
  const pairs = textsOf('ENV', image).flatMap((text) => text.split(' '))
  return Object.fromEntries(pairs.map((pair) => pair.split('=')))
}

/** What the image and the packages were built from: the files that .dockerignore lets in. */
function copyContext(folder: string): void {
  const lines = readFileSync(path.join(ROOT, '.dockerignore'), 'utf8').split('\n')
  const names = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
  for (const name of names) cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

t.test('the image runs what the tests run, as nobody in particular, and takes signals itself', async (t) => {
  const { devDependencies } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
  t.match(textsOf('ARG'), [`NODE=${devDependencies.node}-bookworm-slim`])
  t.strictSame(textsOf('USER', image), ['node'])
  t.strictSame(textsOf('VOLUME', image), ['/data'])
  t.strictSame(wordsOf(textsOf('CMD', image)[0]), ['node', 'server.js'])
  t.equal(environment().DATABASE_URL, '/data/library.db')
  const order = image.map(({ name }) => name)
  t.ok(order.indexOf('USER') > order.lastIndexOf('COPY'), 'files of the image are not of its user')
  t.ok(order.indexOf('VOLUME') > order.lastIndexOf('RUN'), 'or what is done to it would be lost')
  const compose = readFileSync(path.join(ROOT, 'compose.yaml'), 'utf8')
  const grace = Number(/stop_grace_period: (\d+)s/.exec(compose)?.[1])
  t.ok(grace > loadConfig({}).SHUTDOWN_TIMEOUT + 5)
  t.match(compose, /read_only: true/)
})

/** A folder that everybody can read, which /dev/shm may not be for another user. */
function publicFolder(t: Test): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'library-image-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755)
  return folder
}

t.test('its steps build a tree that a user runs who may not write to it', async (t) => {
  const folder = publicFolder(t)
  const app = path.join(folder, 'app')
  const data = path.join(folder, 'data')
  mkdirSync(app)
  mkdirSync(data)
  copyContext(app)
  const [install = ''] = textsOf('RUN')
  const env = { ...process.env, NODE_OPTIONS: '', NODE_ENV: 'production' }
  await run('sh', ['-c', `${install} --prefer-offline`], { cwd: app, env })
  const { stdout: size } = await run('du', ['-sm', path.join(app, 'node_modules')])
  t.ok(Number.parseInt(size, 10) < MOST_MB, size)
  t.equal(existsSync(path.join(app, 'node_modules/typescript')), false)

  const other = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  if (other.uid === undefined) spawnSync('chmod', ['-R', 'a-w', app])
  else spawnSync('chown', [`${NOBODY}:${NOBODY}`, data])
  chmodSync(data, 0o700)
  const port = await freePort()
  const variables = { ...environment(), HOST: '127.0.0.1', PORT: String(port) }
  const options = {
    ...other,
    cwd: app,
    env: { PATH: process.env.PATH, ...variables, DATABASE_URL: path.join(data, 'library.db') }
  }
  const [, ...healthy] = wordsOf(textsOf('HEALTHCHECK', image)[0]?.replace(/^.* CMD /, ''))
  const isHealthy = () =>
    run(process.execPath, healthy, options).then(
      () => true,
      () => false
    )
  t.equal(await isHealthy(), false, 'before it listens')

  const [, ...command] = wordsOf(textsOf('CMD', image)[0])
  const child = spawn(process.execPath, command, options)
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  await Promise.race([untilListening(child.stdout), exited])
  t.match(output, `data          ${path.join(data, 'library.db')} (new)`)
  t.equal(await isHealthy(), true)
  child.kill('SIGTERM')
  t.strictSame(await exited, [0, null])
  t.equal(existsSync(path.join(app, 'node_modules/.cache')), false, 'nothing was written beside its data')
})

function untilListening(stdout: NodeJS.ReadableStream): Promise<void> {
  let text = ''
  return new Promise((resolve) => {
    stdout.on('data', (chunk) => {
      text += chunk
      if (/^data +/m.test(text)) resolve()
    })
  })
}

/** One that runs here and has, or can get, the image that ours is built on. */
function findEngine(): string | undefined {
  const base = `docker.io/library/node:${textsOf('ARG')[0]?.replace('NODE=', '')}`
  return ['docker', 'podman'].find((engine) => {
    const tries = [['info'], ['image', 'inspect', base], ['pull', base]].map((args) => () => {
      return spawnSync(engine, args, { stdio: 'ignore', timeout: 120_000 }).status === 0
    })
    const [runs, has, gets] = tries as [() => boolean, () => boolean, () => boolean]
    return runs() && (has() || gets())
  })
}

t.test('an engine builds and runs it, with a root file system that is read-only', async (t) => {
  const engine = findEngine()
  if (engine === undefined) return t.pass('no engine is here that has the image below ours', { skip: true })
  const name = `library-test-${process.pid}`
  const ask = (...args: string[]) => run(engine, args, { cwd: ROOT })
  t.teardown(async () => {
    await ask('rm', '--force', '--volumes', name).catch(() => {})
    await ask('rmi', '--force', name).catch(() => {})
  })
  await ask('build', '--tag', name, '.')
  const limits = ['--read-only', '--tmpfs=/tmp', '--cap-drop=ALL', '--security-opt=no-new-privileges']
  await ask('run', '--detach', '--name', name, ...limits, '--publish=127.0.0.1::3000', name)
  const logs = spawn(engine, ['logs', '--follow', name])
  await untilListening(logs.stdout)
  await ask('exec', name, ...wordsOf(textsOf('HEALTHCHECK', image)[0]?.replace(/^.* CMD /, '')))
  const { stdout: address } = await ask('port', name, '3000')
  t.equal((await fetch(`http://${address.trim()}/health/ready`)).status, 200)
  t.match((await ask('exec', name, 'id', '-un')).stdout, 'node')
  await ask('stop', '-t', '30', name)
  const { stdout: state } = await ask('inspect', '--format={{.State.ExitCode}}', name)
  t.equal(state.trim(), '0', 'SIGTERM ends it as it should')
  logs.kill()
})
