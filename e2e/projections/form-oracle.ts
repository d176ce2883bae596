import { avroDecoder } from '../support/oracle.ts'
import type { ProjectionStack } from '../support/projection-stack.ts'
import { headerOf } from '../support/relay-stack.ts'
import { nextTrail } from './accounts.ts'

/**
 * What the tables of `all-forms.ts` must be, found out without the engine, as in `account-oracle.ts`: the
 * unit of order and of failure is a tenant's account here. Rows are texts, so that all tables compare
 * alike.
 */

export type Form = 'trail_by_fold' | 'trail_by_sql' | 'branches' | 'accounts'

type Rows = readonly string[]

export type ExpectedForms = Readonly<Record<Form, Rows>> & {
  /** `partition@offset` of each letter, the same for all forms. */
  readonly letters: ReadonlyMap<string, 'failed' | 'blocked'>
}

type Account = { readonly events: number; readonly balance: number; readonly trail: bigint }
type Branch = { readonly deposits: number; readonly sum: number; readonly largest: number }

export async function foldForms(stack: ProjectionStack): Promise<ExpectedForms> {
  const decode = avroDecoder({ registry: stack.registry.url })
  const accounts = new Map<string, Account>()
  const branches = new Map<string, Branch>()
  const letters = new Map<string, 'failed' | 'blocked'>()
  const parked = new Set<string>()
  for (const record of await stack.records()) {
    const at = `${record.partition}@${record.offset}`
    const unit = `${headerOf(record, 'tenant')}/${Buffer.from(record.key ?? []).toString()}`
    const data = await decode(Buffer.from(record.value ?? []))
    const amount = Number(data['amount'])
    if (parked.has(unit)) {
      letters.set(at, 'blocked')
    } else if (amount === 0) {
      parked.add(unit)
      letters.set(at, 'failed')
    } else {
      const { events, balance, trail } = accounts.get(unit) ?? { events: 0, balance: 0, trail: 0n }
      accounts.set(unit, {
        events: events + 1,
        balance: balance + amount,
        trail: nextTrail(trail, amount),
      })
      const name = String(data['note'])
      const { deposits, sum, largest } = branches.get(name) ?? { deposits: 0, sum: 0, largest: 0 }
      branches.set(name, {
        deposits: deposits + 1,
        sum: sum + amount,
        largest: Math.max(largest, amount),
      })
    }
  }
  const trails = textsOf(accounts, ({ events, trail }) => `${events} ${trail}`)
  return {
    trail_by_fold: trails,
    trail_by_sql: trails,
    branches: textsOf(branches, ({ deposits, sum, largest }) => `${deposits} ${sum} ${largest}`),
    accounts: textsOf(accounts, ({ events, balance, trail }) => `${events} ${balance} ${trail}`),
    letters,
  }
}

function textsOf<Row>(rows: ReadonlyMap<string, Row>, textOf: (row: Row) => string): Rows {
  return [...rows].map(([id, row]) => `${id} ${textOf(row)}`).toSorted()
}

/** How the rows of each form are read. */
export const FORMS: Readonly<Record<Form, (stack: ProjectionStack) => Promise<Rows>>> = {
  trail_by_fold: (stack) =>
    readTexts(stack, "select concat_ws(' ', id, events, trail) as row from public.trail_by_fold"),
  trail_by_sql: (stack) =>
    readTexts(stack, "select concat_ws(' ', id, events, trail) as row from public.trail_by_sql"),
  branches: (stack) =>
    readTexts(stack, "select concat_ws(' ', id, deposits, sum, largest) as row from public.branch"),
  accounts: async (stack) => {
    const { rows } = await stack.pool.query<{ tenant: string }>(
      'select name as tenant from evt.tenant',
    )
    const ofTenants = await Promise.all(
      rows.map(({ tenant }) =>
        readTexts(
          stack,
          `select concat_ws(' ', '${tenant}/' || id, events, balance, trail) as row
           from tenant_${tenant}.account`,
        ),
      ),
    )
    return ofTenants.flat().toSorted()
  },
}

async function readTexts(stack: ProjectionStack, statement: string): Promise<Rows> {
  const { rows } = await stack.pool.query<{ row: string }>(statement)
  return rows.map(({ row }) => row).toSorted()
}
