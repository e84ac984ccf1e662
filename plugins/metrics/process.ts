/** What prom-client tells of any process of Node, once for each process, whatever services are in it. */
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Aggregator, Family } from './instruments.ts'

/** Gauges that are named as counters are, and of handles that Node has no public name for. */
const LEFT_OUT = new Set([
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total'
])
/** Of several processes the first started and the slowest matter; prom-client leaves the one out, and takes the mean of the others. */
const AGGREGATORS: Record<string, Aggregator> = {
  process_start_time_seconds: 'min',
  nodejs_eventloop_lag_seconds: 'max',
  nodejs_eventloop_lag_mean_seconds: 'max',
  nodejs_eventloop_lag_stddev_seconds: 'max',
  nodejs_eventloop_lag_p50_seconds: 'max',
  nodejs_eventloop_lag_p90_seconds: 'max',
  nodejs_eventloop_lag_p99_seconds: 'max'
}

const registry = new Registry()
collectDefaultMetrics({ register: registry })

export async function processFamilies(): Promise<Family[]> {
  const families = (await registry.getMetricsAsJSON()) as unknown as Family[]
  return families
    .filter(({ name }) => !LEFT_OUT.has(name))
    .map((family) => ({ ...family, aggregator: AGGREGATORS[family.name] ?? family.aggregator }))
}
