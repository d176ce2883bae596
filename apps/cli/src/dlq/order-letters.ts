import { ACTOR_OPTION, actorName } from '../command/actor.ts'
import {
  type Command,
  EXIT,
  type ExitCode,
  type OptionDefinition,
  type OptionValues,
  UsageError,
  integerOption,
  isSet,
  textOption,
} from '../command/command.ts'
import type { HttpApi } from '../command/http-api.ts'
import type { JsonObject, Output } from '../output/output.ts'
import { PROJECTOR_OPTION, projectorApi } from '../command/projector-api.ts'
import { letterId, versionOption } from './letter-query.ts'
import { type ReplayProgress, followReplay, replayProgress } from './replay-progress.ts'

const RATE_MAX = 1_000_000

/** Ways to say which letters; one of them is given. */
const SELECTORS: Readonly<Record<string, OptionDefinition>> = {
  id: { value: 'id', doc: 'one letter' },
  key: { value: 'key', doc: 'all letters of this key' },
  tenant: { value: 'name', doc: 'all letters of this tenant' },
  fingerprint: { value: 'hex', doc: 'letters that failed for this cause' },
  'error-class': { value: 'name', doc: 'letters that failed with this class of error' },
  all: { doc: 'every letter of the projection' },
}
const COMMON: Readonly<Record<string, OptionDefinition>> = {
  ...SELECTORS,
  version: { value: 'n|live', doc: 'version of the projection (default: the live one)' },
  ...ACTOR_OPTION,
  reason: { value: 'text', doc: 'why, for the log' },
  ...PROJECTOR_OPTION,
}

export const REPLAY_LETTERS: Command = {
  name: 'dlq replay',
  summary:
    'Applies letters again, each key in its order, and releases the keys that have none left.',
  positionals: '<projection>',
  positionalCount: { min: 1, max: 1 },
  options: {
    ...COMMON,
    'dry-run': { doc: 'shows which rows would change, and changes none' },
    rate: { value: 'n', doc: 'at most so many letters a second, per partition' },
    'no-wait': { doc: 'does not wait for the end: "fairlead dlq replays" tells of it' },
  },
  notes:
    'A cause or a class of error stands for the whole keys that it parks. The first letter of a key that fails again ends the replay of that key; exit code 1.',
  async run({ options, output, positionals: [projection = ''], signal }) {
    const api = projectorApi(options)
    const selection = selectionOf(options, projection)
    const rate = integerOption(options, 'rate', { min: 1, max: RATE_MAX })
    if (isSet(options, 'dry-run')) {
      if (rate !== undefined || isSet(options, 'no-wait')) {
        throw new UsageError('a dry run applies nothing: leave --rate and --no-wait out')
      }
      return dryRun(api, output, selection)
    }
    const { request, keys } = await api.send<{ readonly request: string; readonly keys: number }>(
      'POST',
      '/dead-letters/replay',
      {
        ...selection,
        ...actorOf(options, 'replayed with fairlead dlq'),
        ...(rate === undefined ? {} : { lettersPerSecond: rate }),
      },
    )
    const isAwaited = !isSet(options, 'no-wait')
    const progress = isAwaited
      ? await followReplay({ api, output, signal, request })
      : await replayProgress(api, request)
    return reportReplay(output, { keys, ...progress }, isAwaited)
  },
}

function reportReplay(
  output: Output,
  replay: ReplayProgress & { readonly keys: number },
  isAwaited: boolean,
): ExitCode {
  const { request, keys, replayed, failedKeys, pendingKeys, pausedBy } = replay
  const lines = [
    `request: ${request}`,
    ...(pendingKeys === 0 || pausedBy === null ? [] : [`paused by: ${pausedBy}`]),
    `keys: ${keys}`,
    `letters replayed: ${replayed}`,
    `keys that failed again: ${failedKeys}`,
    `keys to go: ${pendingKeys}`,
    '',
  ]
  output.object(replay, [{ title: '', text: lines.join('\n') }])
  if (failedKeys > 0) return EXIT.failed
  return isAwaited && pendingKeys > 0 ? EXIT.interrupted : EXIT.ok
}

type DryRun = {
  readonly appliedCount: number
  readonly isCut: boolean
  readonly failed: readonly {
    readonly id: string
    readonly errorClass: string
    readonly errorMessage: string
  }[]
  readonly changes: readonly {
    readonly table: string
    readonly before: Readonly<Record<string, unknown>> | null
    readonly after: Readonly<Record<string, unknown>> | null
  }[]
}

async function dryRun(
  api: HttpApi,
  output: Output,
  selection: Readonly<Record<string, unknown>>,
): Promise<ExitCode> {
  const run = await api.send<DryRun>('POST', '/dead-letters/dry-run', selection)
  const failures = run.failed.map(
    ({ id, errorClass, errorMessage }) => `letter ${id}: ${errorClass}: ${errorMessage}\n`,
  )
  const sections = [
    {
      title: '',
      text: `letters that would be applied: ${run.appliedCount}${run.isCut ? ' (and more)' : ''}\n`,
    },
    { title: 'would fail again', text: failures.join('') },
    { title: 'rows', text: run.changes.map(changeText).join('') },
  ]
  output.object(
    run as unknown as JsonObject,
    sections.filter(({ text }) => text !== ''),
  )
  return run.failed.length === 0 ? EXIT.ok : EXIT.failed
}

/** As a diff: columns that change, and those that name the row. */
function changeText({ table, before, after }: DryRun['changes'][number]): string {
  const columns = Object.keys(after ?? before ?? {})
  const changed = columns.filter(
    (column) => JSON.stringify(before?.[column]) !== JSON.stringify(after?.[column]),
  )
  const lines = columns.flatMap((column) => {
    const of = (sign: string, row: Readonly<Record<string, unknown>> | null) =>
      row === null ? [] : [`${sign} ${column}: ${JSON.stringify(row[column])}`]
    if (!changed.includes(column)) return of(' ', after)
    return [...of('-', before), ...of('+', after)]
  })
  return `${table}\n${lines.join('\n')}\n`
}

export const DISCARD_LETTERS: Command = {
  name: 'dlq discard',
  summary: 'Gives letters up: they are never applied. Each is kept in the log of what was done.',
  positionals: '<projection>',
  positionalCount: { min: 1, max: 1 },
  options: COMMON,
  notes:
    'Letters behind a discarded one stay parked: replay their key afterwards. A key that has no letters left is released.',
  async run({ options, output, positionals: [projection = ''], confirm }) {
    const selection = selectionOf(options, projection)
    const actor = actorOf(options)
    if (!(await confirm(`Give up ${described(selection)} of ${projection}?`))) return EXIT.failed
    const { discarded } = await projectorApi(options).send<{ readonly discarded: number }>(
      'POST',
      '/dead-letters/discard',
      { ...selection, ...actor },
    )
    output.object({ discarded }, [{ title: '', text: `letters discarded: ${discarded}\n` }])
    return EXIT.ok
  },
}

/** @throws {UsageError} unless the user said which letters, in one way. */
function selectionOf(
  options: OptionValues,
  projection: string,
): Readonly<Record<string, string | number | boolean>> {
  const given = Object.keys(SELECTORS).filter((name) => options[name] !== undefined)
  const [name] = given
  if (name === undefined || given.length > 1) {
    const names = Object.keys(SELECTORS).map((selector) => `--${selector}`)
    throw new UsageError(`say which letters, with one of ${names.join(', ')}`)
  }
  const version = versionOption(options)
  const value = textOption(options, name) ?? true
  return {
    projection,
    ...(version === undefined ? {} : { version }),
    [name === 'error-class' ? 'errorClass' : name]: name === 'id' ? letterId(`${value}`) : value,
  }
}

/** @throws {UsageError} when there is no reason, and no default for it. */
export function actorOf(
  options: OptionValues,
  reasonDefault?: string,
): { readonly actor: string; readonly reason: string } {
  const reason = textOption(options, 'reason') ?? reasonDefault
  if (reason === undefined) throw new UsageError('say why, with --reason: it is kept in the log')
  return { actor: actorName(options), reason }
}

function described(selection: Readonly<Record<string, string | number | boolean>>): string {
  const { id, key, tenant, fingerprint, errorClass } = selection
  if (id !== undefined) return `letter ${id}`
  if (key !== undefined) return `the letters of key "${key}"`
  if (tenant !== undefined) return `the letters of tenant "${tenant}"`
  if (fingerprint !== undefined) return `the letters with the fingerprint ${fingerprint}`
  return errorClass === undefined ? 'every letter' : `the letters that failed with ${errorClass}`
}
