import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { errorMessage } from '@fairlead/base'
import type { DataFolderChoice } from './data-folder.ts'

export const DEV_USAGE = `Usage: npm start -- [options]    (or: fairlead dev [options])

Runs the whole platform on this machine, each part as a process of its own, and a shop that places
orders. Ctrl-C stops all of it. A part that dies is started again.

Options:
  --data-dir <path>   Folder for all data, logs and endpoints.json (default: data, or
                      /var/lib/fairlead for root in a checkout that others may not enter)
  --ephemeral         Use a temporary folder, and delete it at the end
  --rate <n>          Orders that the shop places per second, 0 to 5000 (default: 5)
  --projections <file>
                      Module with a const 'projections', to run beside the shop's; repeatable
  --help              Print this text

Environment:
  DATABASE_URL        Use this Postgres (wal_level=logical) instead of the embedded one

Default ports: kafka 9092, registry 8081, relay 8083, projector 8084, shop 8085, postgres 5432,
broker's health and metrics 9644. A port that is taken moves to the next free one.
`

const RATE_MAX = 5_000
const RATE_DEFAULT = 5

export type DevOptions = {
  readonly kind: 'run'
  readonly dataFolder: DataFolderChoice
  readonly ordersPerSecond: number
  /** Absolute paths of modules. */
  readonly projections: readonly string[]
  readonly databaseUrl: string | undefined
}

export class DevUsageError extends Error {
  override readonly name = 'DevUsageError'
}

/** @throws {DevUsageError} that names the option and its rule. */
export function parseDevOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): DevOptions | { readonly kind: 'help' } {
  const values = parseFlags(argv)
  if (values.help === true) return { kind: 'help' }
  if (values.ephemeral === true && values['data-dir'] !== undefined) {
    throw new DevUsageError('--ephemeral and --data-dir exclude each other')
  }
  return {
    kind: 'run',
    dataFolder: chooseDataFolder(values),
    ordersPerSecond: parseRate(values.rate),
    projections: (values.projections ?? []).map((path) => resolve(path)),
    databaseUrl: env['DATABASE_URL'] === '' ? undefined : env['DATABASE_URL'],
  }
}

function chooseDataFolder(values: ReturnType<typeof parseFlags>): DataFolderChoice {
  if (values.ephemeral === true) return { kind: 'ephemeral' }
  const path = values['data-dir']
  return path === undefined ? { kind: 'default' } : { kind: 'given', path }
}

function parseFlags(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      strict: true,
      options: {
        'data-dir': { type: 'string' },
        ephemeral: { type: 'boolean' },
        rate: { type: 'string' },
        projections: { type: 'string', multiple: true },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new DevUsageError(errorMessage(error))
  }
}

function parseRate(text: string | undefined): number {
  if (text === undefined) return RATE_DEFAULT
  const rate = Number(text)
  if (/^\d+$/.test(text) && rate <= RATE_MAX) return rate
  throw new DevUsageError(`--rate is an integer from 0 to ${RATE_MAX}, not "${text}"`)
}
