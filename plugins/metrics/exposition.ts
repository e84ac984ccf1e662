import { AggregatorRegistry, Registry, type RegistryContentType } from 'prom-client'
import type { Family } from './instruments.ts'

const OPENMETRICS = 'application/openmetrics-text'

/** Its types do not know the second parameter. */
const aggregate = AggregatorRegistry.aggregate as unknown as (
  families: Family[][],
  contentType: string
) => Registry

/** The metrics of all processes as one text, and its media type: OpenMetrics where that is asked for, else Prometheus' own. */
export async function expose(
  processes: Family[][],
  accept = ''
): Promise<{ contentType: string; text: string }> {
  const isOpenMetrics = prefersOpenMetrics(accept)
  const contentType: RegistryContentType = isOpenMetrics
    ? Registry.OPENMETRICS_CONTENT_TYPE
    : Registry.PROMETHEUS_CONTENT_TYPE
  const families = processes.map((all) => all.map((family) => asNamed(family, isOpenMetrics)))
  const registry = aggregate(families, contentType)
  return { contentType, text: await registry.metrics() }
}

/** In OpenMetrics a counter is named without the ending that its samples have, which prom-client adds. */
function asNamed(family: Family, isOpenMetrics: boolean): Family {
  const { name, type, values } = family
  // JSON, by which processes speak to each other, has null for what is not a number.
  const numbers = values.filter(({ value }) => typeof value === 'number' && !Number.isNaN(value))
  const isRenamed = isOpenMetrics && type === 'counter'
  return { ...family, name: isRenamed ? name.replace(/_total$/, '') : name, values: numbers }
}

function prefersOpenMetrics(accept: string): boolean {
  const qualities = new Map(accept.split(',').map(qualityOf))
  const openMetrics = qualities.get(OPENMETRICS) ?? 0
  return openMetrics > 0 && openMetrics >= (qualities.get('text/plain') ?? 0)
}

/** Of a type that is named several times, as Prometheus does for its versions, the last counts; they differ by less than other types do. */
function qualityOf(range: string): [type: string, quality: number] {
  const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
  const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
  return [type, quality === undefined ? 1 : Number(quality) || 0]
}
