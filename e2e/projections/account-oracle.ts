import { avroDecoder } from '../support/oracle.ts'
import type { ProjectionStack } from '../support/projection-stack.ts'
import { nextTrail } from './accounts.ts'

/**
 * What the read model must be, found out without the engine: the topic is read, its payloads are
 * decoded with avsc, and the accounts are folded here, one event after the other.
 */

export type AccountRow = {
  readonly id: string
  readonly events: number
  readonly balance: number
  readonly trail: bigint
}

export type Expected = {
  readonly rows: readonly AccountRow[]
  /** `partition@offset` of each letter: the failed one first of its key, then those behind it. */
  readonly letters: ReadonlyMap<string, 'failed' | 'blocked'>
}

const INTEGER_MAX = 2 ** 31 - 1
const decoder = new TextDecoder('utf-8', { fatal: true })

const NO_EDITS: ReadonlyMap<string, number> = new Map()

/** `edits` are amounts that somebody had applied, by `partition@offset`. */
export async function foldAccounts(
  stack: ProjectionStack,
  edits: ReadonlyMap<string, number> = NO_EDITS,
): Promise<Expected> {
  const decode = avroDecoder({ registry: stack.registry.url })
  const rows = new Map<string, AccountRow>()
  const letters = new Map<string, 'failed' | 'blocked'>()
  const parked = new Set<string>()
  for (const record of await stack.records()) {
    const at = `${record.partition}@${record.offset}`
    const key = decoder.decode(record.key ?? Buffer.from(at))
    if (parked.has(key)) {
      letters.set(at, 'blocked')
      continue
    }
    const data = await decode(record.value === null ? null : Buffer.from(record.value)).catch(
      () => undefined,
    )
    const amount = edits.get(at) ?? Number(data?.['amount'] ?? 0)
    const row = rows.get(key) ?? { id: key, events: 0, balance: 0, trail: 0n }
    const balance = row.balance + amount
    if (amount === 0 || balance > INTEGER_MAX) {
      parked.add(key)
      letters.set(at, 'failed')
    } else {
      const trail = nextTrail(row.trail, amount)
      rows.set(key, { ...row, events: row.events + 1, balance, trail })
    }
  }
  return { rows: sorted([...rows.values()]), letters }
}

/** The rows that the projection `accounts` shows. */
export async function readAccounts(stack: ProjectionStack): Promise<readonly AccountRow[]> {
  const { rows } = await stack.pool.query<Omit<AccountRow, 'trail'> & { trail: string }>(
    'select id, events, balance, trail from public.account',
  )
  return sorted(rows.map((row) => ({ ...row, trail: BigInt(row.trail) })))
}

/** The letters of a projection, by `partition@offset`. */
export async function readLetters(
  stack: ProjectionStack,
  projection = 'accounts',
): Promise<ReadonlyMap<string, 'failed' | 'blocked'>> {
  const { rows } = await stack.pool.query<{ at: string; kind: 'failed' | 'blocked' }>(
    `select l.part || '@' || l.log_offset as at, l.kind from evt.dead_letter l
     join evt.projection p on p.id = l.projection_id where p.name = $1`,
    [projection],
  )
  return new Map(rows.map(({ at, kind }) => [at, kind]))
}

function sorted(rows: readonly AccountRow[]): readonly AccountRow[] {
  return [...rows].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
}
