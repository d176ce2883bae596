import { readFileSync } from 'node:fs'
import { Metrics } from '@fairlead/service'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ProjectorMetrics } from './projector-metrics.ts'

type Dashboard = {
  readonly panels: readonly {
    readonly title: string
    readonly targets?: readonly { readonly expr: string }[]
  }[]
  readonly templating: {
    readonly list: readonly { readonly query: string | { readonly query: string } }[]
  }
}

const FILE = new URL('../../../docs/dashboards/projections.json', import.meta.url)
const { panels, templating } = JSON.parse(readFileSync(FILE, 'utf8')) as Dashboard

const metrics = new Metrics({ service: 'projector', version: 'test' })
void new ProjectorMetrics(metrics, {
  rowCacheBytes: () => 0,
  letters: () => Promise.resolve([]),
  parkedKeys: () => Promise.resolve([]),
})

/** Undefined when the projector has no such metric. */
function labelsOf(name: string): readonly string[] | undefined {
  const { registry } = metrics
  const whole = registry.getSingleMetric(name)
  const histogram = registry.getSingleMetric(name.replace(/_(?:bucket|sum|count)$/, ''))
  const metric = (whole ?? histogram) as { readonly labelNames?: readonly string[] } | undefined
  return metric && [...(metric.labelNames ?? []), 'le', 'instance']
}

/** In PromQL, what is neither a label, a range nor a function is the name of a metric. */
function metricsIn(expression: string): readonly string[] {
  const names = expression.replaceAll(/\{[^}]*\}|\[[^\]]*\]| by \([^)]*\) /g, '')
  return [...names.matchAll(/[a-z_:]\w*(?![\w(])/gi)].map(([name]) => name)
}

function labelsIn(expression: string): readonly string[] {
  const matched = [...expression.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)].map(([, label = '']) => label)
  const grouped = [...expression.matchAll(/\bby \(([^)]*)\)/g)]
  return [...matched, ...grouped.flatMap(([, labels = '']) => labels.split(', '))]
}

/** What is matched has its own metrics and labels on either side. */
function expectKnown(expression: string): void {
  for (const side of expression.split(/ and on \([^)]*\) /)) {
    const names = metricsIn(side)
    expect(names).not.toEqual([])
    for (const name of names) {
      const labels = labelsOf(name)
      expect(labels, name).toBeDefined()
      for (const label of labelsIn(side)) expect(labels).toContain(label)
    }
  }
}

type Rule = {
  readonly alert: string
  readonly expr: string
  readonly annotations: { readonly summary: string; readonly runbook_url: string }
}

describe('of docs/alerts/projections.yml', () => {
  const url = new URL('../../../docs/alerts/projections.yml', import.meta.url)
  const { groups } = parse(readFileSync(url, 'utf8')) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[]
  }
  const rules = groups.flatMap((group) => group.rules)

  test.for(rules)('$alert: $expr is what the projector has', ({ expr, annotations }) => {
    expectKnown(expr)
    const { summary, runbook_url: runbook } = annotations
    const labels = labelsIn(expr)
    for (const [, label] of summary.matchAll(/\$labels\.(\w+)/g)) expect(labels).toContain(label)
    const [path = '', anchor] = runbook.split('#')
    const titles = readFileSync(new URL(path, url), 'utf8').match(/^#+ .*/gm) ?? []
    const anchors = titles.map((title) =>
      title
        .toLowerCase()
        .replaceAll(/^#+ |,/g, '')
        .replaceAll(' ', '-'),
    )
    expect([undefined, ...anchors]).toContain(anchor)
  })
})

describe('of docs/dashboards/projections.json', () => {
  const shown = panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => [title, expr] as const),
  )

  test.for(shown)('%s: %s is what the projector has', ([, expression]) => {
    expectKnown(expression)
  })

  test('variables are labels of metrics that there are', () => {
    const queries = templating.list.flatMap(({ query }) =>
      typeof query === 'string' ? [] : [query.query],
    )
    expect(queries).toHaveLength(2)
    for (const query of queries) {
      const [, name = '', label] = /^label_values\((\w+)(?:\{.*\})?, (\w+)\)$/.exec(query) ?? []
      expect(labelsOf(name)).toContain(label)
    }
  })
})

test('a name that the projector does not have is found', () => {
  expect(
    metricsIn('max by (version) (rate(projection_lag{version=~"$v"}[$__rate_interval]))'),
  ).toEqual(['projection_lag'])
  expect(labelsOf('projection_lag')).toBeUndefined()
})
