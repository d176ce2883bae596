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
} from '../command/command.ts'
import type { HttpApi } from '../command/http-api.ts'
import type { JsonObject, Output } from '../output/output.ts'
import { PROJECTOR_OPTION, projectorApi } from '../command/projector-api.ts'
import { projectionPath, versionOption } from './projection-path.ts'
import { type Following, PROGRESS_NOTE } from './follow.ts'
import { type Verification, verificationOrderedAt, verificationText } from './verify-projection.ts'

const TIMEOUT_MAX_MS = 25_000
/** Beyond it, the projector ends the attempt that it is in, which takes up to 13 s. */
const SWAP_TIMEOUT_MS = TIMEOUT_MAX_MS + 20_000

/** Tables go one tenant at a time. */
const RETIREMENT_TIMEOUT_MS = 45_000

const ONE_VERSION: Readonly<Record<string, OptionDefinition>> = {
  version: { value: 'n', doc: 'of this version only (default: every one that follows the log)' },
  ...PROJECTOR_OPTION,
}

const ACCEPT_LOST_EFFECTS: Readonly<Record<string, OptionDefinition>> = {
  'accept-lost-effects': {
    doc: 'although side effects are lost that only a version behind has yet to have',
  },
}

const SWAP: Readonly<Record<string, OptionDefinition>> = {
  'lag-records-max': {
    value: 'n',
    doc: 'how many records readers may be taken back by (default: 0)',
  },
  'accept-parked': { doc: 'although events of parked keys are missing in its rows' },
  ...ACCEPT_LOST_EFFECTS,
  'lock-timeout': {
    value: 'ms',
    doc: `how long to try to get the views from their readers, to ${TIMEOUT_MAX_MS} (default: 15000)`,
  },
  ...PROJECTOR_OPTION,
}

export const PAUSE_PROJECTION: Command = {
  name: 'projection pause',
  summary: 'Stops applying events in every process, until it is resumed.',
  positionals: '<projection>',
  positionalCount: { min: 1, max: 1 },
  options: { ...ONE_VERSION, ...ACTOR_OPTION },
  notes: 'Processes keep their partitions: nothing is rebalanced.',
  async run({ options, output, positionals: [name = ''] }) {
    const query = { version: versionOption(options), by: actorName(options) }
    const answer = await projectorApi(options).send<JsonObject & { readonly paused: number[] }>(
      'POST',
      projectionPath(name, 'pause', query),
      {},
    )
    output.object(answer, [{ title: '', text: `${name}: paused v${answer.paused.join(', v')}\n` }])
    return EXIT.ok
  },
}

export const RESUME_PROJECTION: Command = {
  name: 'projection resume',
  summary: 'Goes on with a projection that is paused.',
  positionals: '<projection>',
  positionalCount: { min: 1, max: 1 },
  options: ONE_VERSION,
  async run({ options, output, positionals: [name = ''] }) {
    const answer = await projectorApi(options).send<JsonObject & { readonly resumed: number[] }>(
      'POST',
      projectionPath(name, 'resume', { version: versionOption(options) }),
      {},
    )
    const text = `${name}: goes on with v${answer.resumed.join(', v')}\n`
    output.object(answer, [{ title: '', text }])
    return EXIT.ok
  },
}

export const PROMOTE_PROJECTION: Command = {
  name: 'projection promote',
  summary: 'Shows a version to readers, in the place of the one that is live.',
  positionals: '<projection>',
  positionalCount: { min: 1, max: 1 },
  options: {
    version: { value: 'n', doc: 'the version to show' },
    verify: { doc: 'compare some of its rows with the log first' },
    ...SWAP,
  },
  notes:
    'The version that was live goes on following the log: "fairlead projection rollback" shows it again.\n' +
    'With --verify, Ctrl-C ends the watching, not the promotion; exit code 10 when rows differ from the log.\n' +
    PROGRESS_NOTE,
  async run({ options, output, positionals: [name = ''], signal }) {
    const version = versionOption(options)
    if (version === undefined) throw new UsageError('say which version to show: --version <n>')
    const api = projectorApi(options)
    const verify = isSet(options, 'verify') ? true : undefined
    const path = projectionPath(name, 'promote', { version, verify, ...swapQuery(options) })
    if (verify) return showVerified({ api, output, signal, path })
    await showVersion(api, output, path)
    return EXIT.ok
  },
}

/** Shows a version, by the order at `path`, which compares rows first: unless they differ from the log. */
export async function showVerified({
  path,
  ...of
}: Following & { readonly path: string }): Promise<ExitCode> {
  const result = await verificationOrderedAt<VerifiedPromotion>(of, path)
  if (result === null) return EXIT.interrupted
  const { promoted, ...verification } = result
  const section = { title: '', text: verificationText(verification) }
  if (promoted === null) {
    of.output.object({ verification }, [section])
    return EXIT.unhealthy
  }
  of.output.object({ ...promoted, verification }, [
    section,
    { title: '', text: promotionText(promoted) },
  ])
  return EXIT.ok
}

export const ROLLBACK_PROJECTION: Command = {
  name: 'projection rollback',
  summary: 'Shows the version again that was live before.',
  positionals: '<projection>',
  positionalCount: { min: 1, max: 1 },
  options: SWAP,
  async run({ options, output, positionals: [name = ''] }) {
    const path = projectionPath(name, 'rollback', swapQuery(options))
    await showVersion(projectorApi(options), output, path)
    return EXIT.ok
  },
}

export const ABORT_REBUILD: Command = {
  name: 'projection abort',
  summary: 'Ends the rebuild of a version, which has failed then, and keeps the version.',
  positionals: '<projection>',
  positionalCount: { min: 1, max: 1 },
  options: {
    version: { value: 'n', doc: 'the version that is filled' },
    ...ACTOR_OPTION,
    ...PROJECTOR_OPTION,
  },
  notes: '"fairlead projection rebuild" fills the version from the beginning again.',
  async run({ options, output, positionals: [name = ''], confirm }) {
    const version = versionOption(options)
    if (version === undefined) throw new UsageError('say whose rebuild to end: --version <n>')
    const question = `End the rebuild of ${name} v${version}? What it has filled is lost.`
    if (!(await confirm(question))) return EXIT.failed
    const path = projectionPath(name, 'abort', { version, by: actorName(options) })
    const answer = await projectorApi(options).send<JsonObject>('POST', path, {})
    const text = `the rebuild of ${name} v${version} is aborted\n`
    output.object(answer, [{ title: '', text }])
    return EXIT.ok
  },
}

export const RETIRE_PROJECTION: Command = {
  name: 'projection retire',
  summary: 'Drops the tables of a version that is not live, its checkpoints and dead letters.',
  positionals: '<projection>',
  positionalCount: { min: 1, max: 1 },
  options: {
    version: { value: 'n', doc: 'the version to drop' },
    ...ACCEPT_LOST_EFFECTS,
    ...PROJECTOR_OPTION,
  },
  notes: 'Its number is not used again.',
  async run({ options, output, positionals: [name = ''], confirm }) {
    const version = versionOption(options)
    if (version === undefined) throw new UsageError('say which version to drop: --version <n>')
    const question = `Drop the tables, checkpoints and dead letters of ${name} v${version}?`
    if (!(await confirm(question))) return EXIT.failed
    const answer = await projectorApi(options).send<Retired>(
      'POST',
      projectionPath(name, 'retire', { version, acceptLostEffects: isAccepted(options) }),
      {},
      { timeoutMs: RETIREMENT_TIMEOUT_MS },
    )
    const { tenantsLeft } = answer
    const left =
      tenantsLeft === 0
        ? ''
        : `tables of ${tenantsLeft} tenants are held by others: they go by themselves once they are free\n`
    output.object(answer, [{ title: '', text: `${name} v${version} is retired\n${left}` }])
    return EXIT.ok
  },
}

type Retired = JsonObject & { readonly tenantsLeft: number }

type Promoted = JsonObject & {
  readonly live: number
  readonly previous: number | null
  readonly effectsPending: number
  readonly viewsHeld: number
  readonly durationMs: number
}

/** Null: rows differ. */
type VerifiedPromotion = Verification & { readonly promoted: Promoted | null }

export async function showVersion(api: HttpApi, output: Output, path: string): Promise<void> {
  const promoted = await api.send<Promoted>('POST', path, {}, { timeoutMs: SWAP_TIMEOUT_MS })
  output.object(promoted, [{ title: '', text: promotionText(promoted) }])
}

function promotionText(promoted: Promoted): string {
  const { live, previous, effectsPending, viewsHeld, durationMs } = promoted
  const before = previous === null ? '' : `, after v${previous}`
  const effects =
    effectsPending === 0
      ? ''
      : `the side effects of ${effectsPending} records are still v${previous}'s: keep it running\n`
  const held =
    viewsHeld === 0
      ? ''
      : `${viewsHeld} views of tenants are held by others: they show v${live} with the columns of before; promote it again once they are free\n`
  return `v${live} is live${before} (${durationMs} ms)\n${effects}${held}`
}

function isAccepted(options: OptionValues): true | undefined {
  return isSet(options, 'accept-lost-effects') ? true : undefined
}

function swapQuery(options: OptionValues) {
  const max = { min: 0, max: Number.MAX_SAFE_INTEGER }
  return {
    lagRecordsMax: integerOption(options, 'lag-records-max', max),
    acceptParked: isSet(options, 'accept-parked') ? true : undefined,
    acceptLostEffects: isAccepted(options),
    timeoutMs: integerOption(options, 'lock-timeout', { min: 0, max: TIMEOUT_MAX_MS }),
  }
}
