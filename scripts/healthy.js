/** Ends with 0 where the service of this container is ready, as HEALTHCHECK of the Dockerfile asks; the image has no curl. */
const url = `http://127.0.0.1:${process.env.PORT || 3000}/health/ready`
const answer = await fetch(url, { signal: AbortSignal.timeout(4000) }).catch((error) => error)
if (!answer.ok) {
  console.error(answer.status ?? answer.cause ?? answer)
  process.exitCode = 1
}
