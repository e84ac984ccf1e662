/** The OpenAPI document as other programs read it: JavaScript, Python, Go, and makers of clients and of test values. */
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'
import Ajv from 'ajv'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { isPortable } from '../plugins/openapi/published.ts'
import { schemas } from '../schemas/index.ts'
import { type Document, routesOf, type Schema, wholeDocument } from '../scripts/fuzz/document.ts'
import { buildApp, PASSWORD, ROOT, signIn, temporaryFolder } from './helpers.ts'

const tools = createRequire(new URL('../tools/package.json', import.meta.url))
const run = promisify(execFile)

const server = await buildApp(t)
const answer = await server.inject('/openapi.json')
const sent: Document = answer.json()
const document = wholeDocument(sent)
