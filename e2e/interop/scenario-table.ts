import { SCENARIOS } from './clients/client.ts'

/** What vitest's JSON reporter writes, as far as the table needs it. */
export type TestReport = {
  readonly testResults: readonly {
    readonly name: string
    readonly assertionResults: readonly Assertion[]
  }[]
}

type Assertion = {
  readonly ancestorTitles: readonly string[]
  readonly title: string
  readonly status: 'passed' | 'failed' | 'skipped' | 'pending' | 'todo' | 'disabled'
}

const SIGNS: Readonly<Record<string, string>> = { passed: '✓', failed: '✗' }
const NOT_APPLICABLE = '–'

/** Client × scenario in Markdown, and a line for each other group of tests. */
export function scenarioTable(report: TestReport): string {
  const groups = new Map<string, Assertion[]>()
  for (const assertion of report.testResults.flatMap((file) => file.assertionResults)) {
    const title = assertion.ancestorTitles.filter((each) => each !== '').join(' › ')
    groups.set(title, [...(groups.get(title) ?? []), assertion])
  }
  const isScenario = ({ title }: Assertion) => SCENARIOS.some((scenario) => scenario === title)
  const all = [...groups]
  const clients = all.filter(([, assertions]) => assertions.some(isScenario))
  const others = all.filter(([, assertions]) => !assertions.some(isScenario))
  return [...clientTable(clients), '', ...others.map(countLine), ''].join('\n')
}

function clientTable(clients: readonly (readonly [string, readonly Assertion[]])[]): string[] {
  if (clients.length === 0) return []
  return [
    `| client | ${SCENARIOS.join(' | ')} |`,
    `|${'---|'.repeat(SCENARIOS.length + 1)}`,
    ...clients.map(([client, assertions]) => {
      const cells = SCENARIOS.map((scenario) => {
        const status = assertions.find(({ title }) => title === scenario)?.status
        return SIGNS[status ?? ''] ?? NOT_APPLICABLE
      })
      return `| ${client} | ${cells.join(' | ')} |`
    }),
  ]
}

function countLine([title, assertions]: readonly [string, readonly Assertion[]]): string {
  const count = (status: string) => assertions.filter((each) => each.status === status).length
  const total = assertions.length
  const failed = count('failed') === 0 ? '' : `, ${count('failed')} failed`
  return `${title}: ${count('passed')} of ${total} passed${failed}`
}
