/** `request.accepts()`: which of several media types a client would rather have (RFC 9110 section 12.5.1). */
export { default } from '@fastify/accepts'
