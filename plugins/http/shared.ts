const shared = new WeakSet<Buffer>()

/** A body that many answers share: it takes its memory once, however many clients have not read it. */
export function share(body: string | Buffer): Buffer {
  const bytes = Buffer.from(body as string)
  shared.add(bytes)
  return bytes
}

export function isShared(body: Buffer): boolean {
  return shared.has(body)
}
