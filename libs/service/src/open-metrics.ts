import { Registry } from 'prom-client'

export const OPEN_METRICS_CONTENT_TYPE = Registry.OPENMETRICS_CONTENT_TYPE

const OPEN_METRICS = 'application/openmetrics-text'
const OPEN_METRICS_VERSION = '1.0.0'
const TEXT_RANGES = ['text/plain', 'text/*', '*/*']
const TOTAL = '_total'

/**
 * Whether a scraper asks for OpenMetrics, and not rather for the text form of Prometheus: by the weights in its
 * `Accept` header (RFC 9110, 12.4.2). Who names neither gets text, as do people.
 */
export function prefersOpenMetrics(accept: string | undefined): boolean {
  let openMetrics = 0
  let text = 0
  for (const range of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const parameter = (name: string): string | undefined =>
      parameters.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1)
    const weight = Number(parameter('q') ?? 1)
    if (
      type === OPEN_METRICS &&
      (parameter('version') ?? OPEN_METRICS_VERSION) === OPEN_METRICS_VERSION
    )
      openMetrics = Math.max(openMetrics, weight)
    else if (TEXT_RANGES.includes(type)) text = Math.max(text, weight)
  }
  return openMetrics > 0 && openMetrics >= text
}

/** A metric with its series, as `prom-client` has them. */
type Family = {
  readonly name: string
  readonly help: string
  readonly type: unknown
  readonly values: readonly Sample[]
}

type Sample = {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number | undefined>>
  readonly value: number
  /** Of a bucket: the last value in it that somebody can look up. */
  readonly exemplar?: {
    readonly labelSet: Readonly<Record<string, string | number>>
    readonly value: number
    /** Seconds since the Unix epoch. */
    readonly timestamp: number
  } | null
}

/**
 * What a registry has, in the text form of OpenMetrics 1.0: the series that the form of Prometheus has, under the same
 * names, and exemplars. `prom-client` writes it, too, but takes `_total` from the names of its counters for good,
 * which that form then lacks.
 *
 * A counter whose name does not end in `_total` would have to be called otherwise: it is of type `unknown`.
 */
export async function openMetricsText(registry: Registry): Promise<string> {
  const families: readonly Family[] = await registry.getMetricsAsJSON()
  return `${families.map(familyText).join('')}# EOF\n`
}

function familyText({ name, help, type, values }: Family): string {
  const isTotal = name.endsWith(TOTAL)
  const isCounter = type === 'counter'
  const family = isCounter && isTotal ? name.slice(0, -TOTAL.length) : name
  const shownType = isCounter && !isTotal ? 'unknown' : String(type)
  const samples = values.map((sample) => `${sampleText(name, sample)}\n`).join('')
  return `# TYPE ${family} ${shownType}\n# HELP ${family} ${escaped(help)}\n${samples}`
}

function sampleText(name: string, { metricName = name, labels, value, exemplar }: Sample): string {
  const sample = `${metricName}${labelsText(labels, '')} ${numberText(value)}`
  if (exemplar === null || exemplar === undefined) return sample
  const { labelSet, value: seen, timestamp } = exemplar
  return `${sample} # ${labelsText(labelSet, '{}')} ${numberText(seen)} ${timestamp}`
}

function labelsText(labels: Sample['labels'], none: string): string {
  const pairs = Object.entries(labels).map(
    ([label, value]) => `${label}="${escaped(String(value ?? ''))}"`,
  )
  return pairs.length === 0 ? none : `{${pairs.join()}}`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value)
}
