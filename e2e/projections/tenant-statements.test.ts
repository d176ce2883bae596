import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fairlead } from '../support/cli.ts'
import { ProjectionStack } from '../support/projection-stack.ts'
import { readLetters } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'
import { FORMS, foldForms } from './form-oracle.ts'

const TENANTS = ['acme', 'globex', 'initech']
const TABLE = 'trail_by_fold'
const TOUCHES_TABLE = new RegExp(
  `\\b(?:from|into|update|join)\\s+(?:"?\\w+"?\\.)?"?${TABLE}\\b`,
  'i',
)
/** In front of every entry of the server's log; session, transaction and application stand behind it. */
const ENTRY = '@@'

type Statement = { readonly text: string; readonly tenant: string | undefined }

test('every statement on rows that tenants share is run as one tenant, and of his keys alone', async () => {
  await using stack = await ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'all-forms.ts'),
    partitions: 2,
    postgres: {
      logging_collector: 'on',
      log_directory: 'statements',
      log_filename: 'all.log',
      log_statement: 'all',
      log_line_prefix: `${ENTRY}%c %v %a `,
    },
  })
  const config = { 'tenant.header': 'tenant', 'batch.records.max': 30 }
  const first = stack.projector(config)
  // One key of each has a poisoned event, among those of the others.
  await publish(stack, (index) => (index >= 20 && index < 23 ? 0 : index + 1))
  await stack.caughtUp(TABLE)
  await first.stop('SIGKILL')
  // Without any row in its memory.
  const second = stack.projector(config)
  await publish(stack, (index) => index + 1)
  await stack.caughtUp(TABLE)
  const { letters, ...expected } = await foldForms(stack)
  expect(letters.size).toBeGreaterThan(3)
  expect(await readLetters(stack, TABLE)).toEqual(letters)
  expect(await FORMS[TABLE](stack)).toEqual(expected[TABLE])

  const projector = ['--projector', second.url, '--yes']
  const rebuilt = await fairlead(['projection', 'rebuild', TABLE, '--key', 'acme/a1', ...projector])
  expect(rebuilt.exitCode, rebuilt.stderr).toBe(0)
  const replayed = await fairlead(['dlq', 'replay', TABLE, '--tenant', 'acme', ...projector])
  // It is nothing that was deposited, still.
  expect(replayed.exitCode, replayed.stderr).toBe(1)

  const statements = (await statementsOf(stack)).filter(({ text }) => TOUCHES_TABLE.test(text))
  for (const word of ['select', 'insert', 'delete']) {
    expect(
      statements.some(({ text }) => text.includes(word)),
      word,
    ).toBe(true)
  }
  const others = statements.filter(({ text, tenant }) => {
    const named = new Set(TENANTS.filter((each) => text.includes(`${each}/`)))
    return tenant === undefined || named.size !== 1 || !named.has(tenant)
  })
  expect(others).toEqual([])
})

/** Deposits of all tenants in turn, under the same keys. */
async function publish(stack: ProjectionStack, amountOf: (index: number) => number): Promise<void> {
  const events = Array.from({ length: 120 }, (_, index) =>
    AccountEvents.Deposited({ accountId: `a${index % 7}`, amount: amountOf(index) }),
  )
  const records = await stack.encode(...events)
  await stack.publishRaw(
    ...records.map((record, index) => {
      const tenant = Buffer.from(TENANTS[index % TENANTS.length] ?? '')
      return { ...record, headers: [...(record.headers ?? []), ['tenant', tenant] as const] }
    }),
  )
}

/** What projectors have asked the server to do, with its parameters, and whose the setting said it was. */
async function statementsOf(stack: ProjectionStack): Promise<readonly Statement[]> {
  const log = await readFile(join(stack.dataDirectory, 'statements', 'all.log'), 'utf8')
  const tenants = new Map<string, string>()
  const statements: Statement[] = []
  for (const entry of log.split(ENTRY)) {
    const parts = /^(\S+) (\S+) fairlead-\S+ (LOG|DETAIL): {2}(.*)/s.exec(entry)
    const [, session = '', transaction = '', kind, text = ''] = parts ?? []
    const last = statements.at(-1)
    if (kind === 'DETAIL' && last !== undefined) {
      const set = /= 'app\.tenant', \$2 = '([^']*)', \$3 = '([tf])'/.exec(text)
      const [, tenant = '', isOfTransaction] = set ?? []
      const place = isOfTransaction === 't' ? `${session} ${transaction}` : session
      if (set !== null) tenants.set(place, tenant)
      statements[statements.length - 1] = { ...last, text: `${last.text}\n${text}` }
    } else if (/^(?:execute \S+|statement): \s*(?:select|insert|update|delete|with)/i.test(text)) {
      const tenant = tenants.get(`${session} ${transaction}`) ?? tenants.get(session)
      statements.push({ text, tenant })
    }
  }
  return statements
}
