import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const PLUGIN = fileURLToPath(new URL('index.ts', import.meta.url))
const OXLINT = fileURLToPath(new URL('../../../node_modules/oxlint/bin/oxlint', import.meta.url))
const RULE = 'fairlead(no-named-select-star)'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fairlead-lint-'))
  const config = { jsPlugins: [PLUGIN], rules: { 'fairlead/no-named-select-star': 'error' } }
  await writeFile(join(directory, '.oxlintrc.json'), JSON.stringify(config))
})

afterAll(() => rm(directory, { recursive: true }))

type Diagnostic = {
  readonly code: string
  readonly labels: readonly { readonly span: { readonly line: number } }[]
}

/** Lines of a module that the rule reports. */
async function reportedIn(source: string): Promise<readonly number[]> {
  await writeFile(join(directory, 'orders.ts'), source)
  const output = await new Promise<string>((resolve) => {
    const options = { cwd: directory }
    execFile(
      process.execPath,
      [OXLINT, '--format', 'json', 'orders.ts'],
      options,
      (_error, stdout) => resolve(stdout),
    )
  })
  const { diagnostics } = JSON.parse(output) as { readonly diagnostics: readonly Diagnostic[] }
  return diagnostics
    .filter(({ code }) => code === RULE)
    .map(({ labels }) => labels[0]?.span.line ?? 0)
    .toSorted((a, b) => a - b)
}

test('oxlint reports named statements that return all columns', async () => {
  const lines = await reportedIn(`
const OPEN = \`select o.* from order_summary o where status = \${'open'}\`
export const reads = (client, id, table) => [
  client.query({ name: 'one', text: 'select * from order_summary where order_id = $1', values: [id] }),
  client.query({ name: 'open', text: OPEN }),
  client.query({ name: id, text: 'select *' + ' from ' + table }),
  client.query({ 'name': 'all', 'text': \`table order_summary\` as string }),
  client.query('prepare one as select * from order_summary'),
]
`)
  expect(lines).toEqual([4, 5, 6, 7, 8])
})

test('oxlint says nothing of statements without a name, or whose columns are named', async () => {
  const lines = await reportedIn(`
const COLUMNS = 'order_id, status'
export const reads = (client, id, text, sql, db) => [
  client.query('select * from order_summary where order_id = $1', [id]),
  client.query({ text: 'select * from order_summary' }),
  client.query({ name: undefined, text: 'select * from order_summary' }),
  client.query({ name: 'one', text: 'select ' + COLUMNS + ' from order_summary' }),
  client.query({ name: 'counted', text: 'select count(*) from order_summary' }),
  client.query({ name: 'elsewhere', text }),
  sql\`select * from order_summary\`.execute(db),
  { name: 'a person', text: 'stars *, and more' },
]
`)
  expect(lines).toEqual([])
})
