/** What a proxy that compresses an answer puts behind its tag, as Apache, Caddy, Jetty and others do. */
const CODING = /(?<=[^"])(?:--?|;|:|_|\+)(?:gzip|br|zstd|deflate|df)"$/

/**
 * Whether a list of entity tags, or `*`, names the version with this strong tag (RFC 9110 section 13). Our tags name versions and not
 * bytes: a tag that a compressing proxy has weakened, or to which it has added its coding, still names the version that the client has seen.
 */
export function namesVersion(list: string, etag: string): boolean {
  if (list === etag || list.trim() === '*') return true
  return list.split(',').some((tag) => versionOf(tag.trim()) === etag)
}

function versionOf(tag: string): string {
  return tag.replace(/^W\//, '').replace(CODING, '"')
}

/** The tags of answers that had names of users in them as those of the versions: see `namedTag`. A proxy's coding may stand behind. */
export function withoutNames(list: string): string {
  return list.replace(/~[\w-]{8}(?=["\-;:_+])/g, '')
}

/** Whether it is `*` or a list of entity tags (RFC 9110 section 8.8.3); without quotes it is none. */
export function isTagList(list: string): boolean {
  return list.trim() === '*' || list.split(',').every((tag) => TAG.test(tag.trim()))
}

const TAG = /^(?:W\/)?"[^"]*"$/
