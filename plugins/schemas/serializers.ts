import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import { madeOnce } from './made-once.ts'

const build = SerializerSelector()

/** Fastify's own serializers of answers. */
export const buildSerializer: typeof build = (named, options) =>
  madeOnce('serializer', named, build(named, options))
