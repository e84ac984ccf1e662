/**
 * Makes dist/, which `npm pack` packs: JavaScript of all that the service and its commands load, since Node reads no TypeScript below
 * node_modules. In a checkout nothing of it is used.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { readBuild } from '../plugins/build/version.ts'

const ROOT = path.join(import.meta.dirname, '..')
const DIST = path.join(ROOT, 'dist')
/** Loaded by the names of their files, so that they are taken whole. */
const FOLDERS = ['cluster', 'db', 'migrations', 'plugins', 'process', 'routes', 'schemas']
const COMPILER = path.join(ROOT, 'node_modules/typescript/bin/tsc')
const CONFIGURATION = path.join(ROOT, 'node_modules/.cache/library-api/tsconfig.json')

/** The script of each command of `npx library`. */
function scriptsOfCommands(): string[] {
  const library = readFileSync(path.join(ROOT, 'bin/library.js'), 'utf8')
  return [...library.matchAll(/'(scripts\/[\w/-]+\.ts)'/g)].map(([, script = '']) => script)
}

function compile(): void {
  const configuration = {
    extends: path.join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      allowJs: true,
      rewriteRelativeImportExtensions: true,
      rootDir: ROOT,
      outDir: DIST,
      typeRoots: [path.join(ROOT, 'node_modules/@types')]
    },
    include: FOLDERS.map((folder) => path.join(ROOT, folder)),
    files: ['server.js', ...scriptsOfCommands()].map((file) => path.join(ROOT, file)),
    exclude: []
  }
  mkdirSync(path.dirname(CONFIGURATION), { recursive: true })
  writeFileSync(CONFIGURATION, JSON.stringify(configuration))
  const { status } = spawnSync(process.execPath, [COMPILER, '--project', CONFIGURATION], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}

/** What is read as a file, and not by an import. */
function copyFiles(): void {
  const files = globSync([`{${FOLDERS.join()}}/**/*.{txt,json}`, 'data-samples/*.csv'], { cwd: ROOT })
  for (const file of files) cpSync(path.join(ROOT, file), path.join(DIST, file))
}

/** Which commit it was made of, since a package has no `.git`. */
function tellCommit(): void {
  const { commit } = readBuild(ROOT)
  writeFileSync(path.join(DIST, 'build.json'), JSON.stringify({ commit }))
}

rmSync(DIST, { recursive: true, force: true })
compile()
copyFiles()
tellCommit()
