import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import { madeOnce } from './made-once.ts'

const build = SerializerSelector()

/** Fastify's own serializers of answers, each made when the first answer needs it: to make all took a tenth of the start. */
export const buildSerializer: typeof build = (named, options) =>
  madeOnce('serializer', named, () => whenNeeded(build(named, options)))

type Make = ReturnType<typeof build>

function whenNeeded(make: Make): Make {
  return (route) => {
    let serialize: ReturnType<Make> | undefined
    return (data) => {
      serialize ??= make(route)
      return serialize(data)
    }
  }
}
