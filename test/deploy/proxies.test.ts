/** The configurations in deploy/ for proxies, with the proxies themselves where they are installed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { createServer } from 'node:net'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { listen, ROOT, signIn, temporaryFolder } from '../helpers.ts'

interface Ports {
  service: number
  plain: number
  tls: number
}

interface Proxy {
  program: string
  version: string[]
  file: string
  /** The configuration with these ports and certificate, into a file of this folder; gives the arguments that run it. */
  prepare(text: string, folder: string, ports: Ports): string[]
}

const PROXIES: Proxy[] = [
  {
    program: 'nginx',
    version: ['-v'],
    file: 'deploy/nginx.conf',
    prepare(text, folder, { service, plain, tls }) {
      const site = text
        .replace('listen 80;', `listen 127.0.0.1:${plain};`)
        .replace('listen 443 ', `listen 127.0.0.1:${tls} `)
        .replace('127.0.0.1:3000', `127.0.0.1:${service}`)
        .replace(/ssl_certificate \S+;/, `ssl_certificate ${folder}/tls.pem;`)
        .replace(/ssl_certificate_key \S+;/, `ssl_certificate_key ${folder}/tls.key;`)
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      const main = `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
events {} http { access_log off; ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')} include site.conf; }`
      writeFileSync(path.join(folder, 'site.conf'), site)
      writeFileSync(path.join(folder, 'main.conf'), main)
      return ['-p', folder, '-e', 'stderr', '-c', path.join(folder, 'main.conf')]
    }
  },
  {
    program: 'caddy',
    version: ['version'],
    file: 'deploy/Caddyfile',
    prepare(text, folder, { service, plain, tls }) {
      const global = `{
	admin off
	http_port ${plain}
	https_port ${tls}
	default_bind 127.0.0.1
	storage file_system ${folder}
}
`
      const site = text
        .replace('library.example.org {', `library.example.org {\n\ttls ${folder}/tls.pem ${folder}/tls.key`)
        .replace('127.0.0.1:3000', `127.0.0.1:${service}`)
      const file = path.join(folder, 'Caddyfile')
      writeFileSync(file, global + site)
      return ['run', '--adapter', 'caddyfile', '--config', file]
    }
  }
]

function isInstalled({ program, version }: Proxy): boolean {
  try {
    execFileSync(program, version, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

function makeCertificate(folder: string): void {
  const names = ['-subj', '/CN=library.example.org', '-addext', 'subjectAltName=DNS:library.example.org']
  const files = ['-keyout', path.join(folder, 'tls.key'), '-out', path.join(folder, 'tls.pem')]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', ['req', '-x509', ...key, ...names, ...files], { stdio: 'ignore' })
}

/** Runs it until the end of the test; gives what asks it for a path. */
async function runProxy(t: Test, proxy: Proxy, service: number) {
  const folder = temporaryFolder(t)
  makeCertificate(folder)
  const ports = { service, plain: await freePort(), tls: await freePort() }
  const args = proxy.prepare(readFileSync(path.join(ROOT, proxy.file), 'utf8'), folder, ports)
  const child = spawn(proxy.program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOME: folder }
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  t.teardown(() => {
    child.kill('SIGTERM')
    return ended
  })
  const ca = readFileSync(path.join(folder, 'tls.pem'))
  const ask = (url: string, { body, ...options }: https.RequestOptions & { body?: string } = {}) => {
    const isPlain = url.startsWith('http:')
    const common = { host: '127.0.0.1', agent: false, ...options } as const
    const headers = { ...options.headers, host: 'library.example.org' }
    const request = isPlain
      ? http.request({ ...common, port: ports.plain, path: url.slice(5), headers })
      : https.request({
          ...common,
          port: ports.tls,
          path: url,
          headers,
          ca,
          servername: 'library.example.org'
        })
    request.end(body)
    return new Promise<http.IncomingMessage>((resolve, reject) =>
      request.once('response', resolve).once('error', reject)
    )
  }
  await untilListening(child, () => ask('/library/health/ready'))
  return ask
}

async function untilListening(child: ChildProcess, ask: () => Promise<http.IncomingMessage>): Promise<void> {
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += data))
  while (child.exitCode === null) {
    const answer = await ask().catch(() => undefined)
    answer?.resume()
    if (answer?.statusCode === 200) return
    await pause(50)
  }
  throw new Error(output)
}

async function textOf(answer: Readable): Promise<string> {
  return Buffer.concat(await answer.toArray()).toString()
}

for (const proxy of PROXIES) {
  const skip = isInstalled(proxy) ? false : `${proxy.program} is not installed`
  t.test(`${proxy.file}: TLS, a path, streams and uploads`, { skip }, async (t) => {
    const { server, url } = await listen(t, { TRUST_PROXY: 'loopback' })
    const { headers } = await signIn(server)
    const ask = await runProxy(t, proxy, Number(new URL(url).port))

    const plain = await ask('http:/library/authors')
    t.match(plain, { statusCode: 308, headers: { location: 'https://library.example.org/library/authors' } })
    const root = await ask('/library')
    t.match(root, { statusCode: 308, headers: { location: /\/library\/$/ } })
    const outside = await ask('/authors')
    t.equal(outside.statusCode, 404, 'beside the path there is nothing')
    outside.resume()
    const ready = await ask('/library/health/ready')
    t.match(ready.headers, { 'strict-transport-security': /max-age/ }, 'the service knows of TLS')

    const stream = await ask('/library/changes/stream', {
      headers: { ...headers, accept: 'text/event-stream' }
    })
    t.match(stream, { statusCode: 200, headers: { 'content-type': /event-stream/ } })
    const rows = Array.from(
      { length: 5000 },
      (_, number) => `Author ${number},${'a book of many words '.repeat(12)}`
    )
    const imported = await ask('/library/authors/import', {
      method: 'POST',
      headers: { ...headers, 'content-type': 'text/csv' },
      body: `name,book\n${rows.join('\n')}\n`
    })
    const isWritten = t.match(
      JSON.parse(await textOf(imported)),
      { created: 5000 },
      'a body above the limit that nginx has'
    )
    if (!isWritten) return stream.destroy()
    let seen = ''
    for await (const chunk of stream) {
      seen += chunk
      if (seen.includes('"Author ')) break
    }
    t.match(seen, /Author /, 'an event comes while the stream is open')

    const page = await ask('/library/authors?limit=2', { headers: { ...headers, 'accept-encoding': 'gzip' } })
    t.equal(page.headers['content-encoding'], 'gzip')
    t.match(page.headers.link, /<(https:\/\/library\.example\.org)?\/library\/authors\?/)
    page.resume()
    stream.destroy()
  })
}
