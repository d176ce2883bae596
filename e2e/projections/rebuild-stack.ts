import { join } from 'node:path'
import { type CliResult, fairlead } from '../support/cli.ts'
import { ProjectionStack, type StackOptions } from '../support/projection-stack.ts'
import type { RunningApp } from '../support/running-app.ts'
import { waitFor } from '../support/wait-for.ts'
import { type AccountRow, foldAccounts } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'

const DEADLINE_MS = 120_000

export function startStack(options: Partial<StackOptions> = {}): Promise<ProjectionStack> {
  return ProjectionStack.start({
    events: AccountEvents,
    projections: join(import.meta.dirname, 'versions.ts'),
    partitions: 4,
    ...options,
  })
}

/** A projector with the code of some versions; see `versions.ts`. */
export function release(
  stack: ProjectionStack,
  projections: string,
  config: Readonly<Record<string, string | number>> = {},
): RunningApp {
  return stack.projector(config, { PROJECTIONS: projections })
}

export function deposits(count: number, from = 0) {
  return Array.from({ length: count }, (_, index) => {
    const number = from + index
    return AccountEvents.Deposited({
      accountId: `account-${number % 997}`,
      amount: (number % 89) + 1,
    })
  })
}

export type Job = { readonly state: string; readonly phase: string; readonly reason: string | null }

/** Of the latest rebuild of a version. */
export async function rebuildOf(stack: ProjectionStack, version: number): Promise<Job | undefined> {
  const { rows } = await stack.pool.query<Job>(
    `select state, phase, reason from evt.projection_job
     where version = $1 and kind = 'rebuild' order by id desc limit 1`,
    [version],
  )
  return rows[0]
}

export async function stateOf(
  stack: ProjectionStack,
  version: number,
  name = 'accounts',
): Promise<string | undefined> {
  const { rows } = await stack.pool.query<{ state: string }>(
    `select v.state from evt.projection_version v join evt.projection p on p.id = v.projection_id
     where p.name = $1 and v.version = $2`,
    [name, version],
  )
  return rows[0]?.state
}

export async function hasState(
  stack: ProjectionStack,
  version: number,
  states: readonly string[],
  name = 'accounts',
): Promise<void> {
  await waitFor(`${name} v${version} to be ${states.join(' or ')}`, DEADLINE_MS, async () =>
    states.includes((await stateOf(stack, version, name)) ?? ''),
  )
}

/** Version 1 is live and has events; version 2, whose columns have another order, is ready. Returns its projector. */
export async function secondReady(stack: ProjectionStack): Promise<RunningApp> {
  await stack.publish(...deposits(500))
  release(stack, 'accounts:1')
  await stack.caughtUp('accounts')
  const second = release(stack, 'accounts:2=reordered')
  await hasState(stack, 2, ['ready'])
  return second
}

/** The command line, with the projector that it speaks to. */
export function cli(projector: RunningApp, ...argv: readonly string[]): Promise<CliResult> {
  return fairlead(['projection', ...argv, '--projector', projector.url, '--yes'])
}

/** Rows of one version, whether readers see them or not. */
export async function rowsOf(
  stack: ProjectionStack,
  version: number,
): Promise<readonly AccountRow[]> {
  return readRows(stack, `rm_accounts_v${version}`)
}

/** What readers see. */
export function liveRows(stack: ProjectionStack): Promise<readonly AccountRow[]> {
  return readRows(stack, 'public')
}

async function readRows(stack: ProjectionStack, schema: string): Promise<readonly AccountRow[]> {
  const { rows } = await stack.pool.query<Omit<AccountRow, 'trail'> & { trail: string }>(
    `select id, events, balance, trail from ${schema}.account order by id collate "C"`,
  )
  return rows.map((row) => ({ ...row, trail: BigInt(row.trail) }))
}

/** A fold of the log without any of our code. */
export async function oracleRows(stack: ProjectionStack): Promise<readonly AccountRow[]> {
  return (await foldAccounts(stack)).rows
}

/** Schemas of read models. */
export async function schemas(stack: ProjectionStack): Promise<readonly string[]> {
  const { rows } = await stack.pool.query<{ name: string }>(
    "select nspname as name from pg_namespace where nspname like 'rm\\_%' order by 1",
  )
  return rows.map(({ name }) => name)
}
