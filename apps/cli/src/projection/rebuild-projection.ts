import { OperationalError } from '@fairlead/base'
import {
  type Command,
  EXIT,
  type ExitCode,
  type Invocation,
  UsageError,
  isSet,
  listOption,
  textOption,
} from '../command/command.ts'
import type { HttpApi } from '../command/http-api.ts'
import type { JsonObject } from '../output/output.ts'
import { showVerified, showVersion } from './change-projections.ts'
import { PROGRESS_NOTE, follow, followJob, jobFailed } from './follow.ts'
import type { Progress } from './progress-text.ts'
import { PROJECTOR_OPTION, projectorApi } from '../command/projector-api.ts'
import { projectionPath, versionOption } from './projection-path.ts'

type Started = JsonObject & { readonly jobId: string; readonly version: number }

export const REBUILD_PROJECTION: Command = {
  name: 'projection rebuild',
  summary: 'Fills a version beside the live one from the log, and shows how far it is.',
  positionals: '<projection>',
  positionalCount: { min: 1, max: 1 },
  options: {
    version: { value: 'n', doc: 'which one (default: the newest; with --key: the live one)' },
    key: { value: 'key', isRepeatable: true, doc: 'only the row of this key, in its place' },
    tenant: { value: 'name', doc: 'whose row, with --key, where each tenant has rows of its own' },
    until: {
      value: 'moment',
      doc: 'a throw-away version as of 2026-01-31T12:00:00Z, a commit LSN, or a commit token',
    },
    'accept-missing-history': { doc: 'although the log has lost its beginning' },
    promote: { doc: 'compare some of its rows with the log once it has caught up, and show it' },
    'no-verify': { doc: 'with --promote: show it without that' },
    'no-wait': { doc: 'do not wait for it' },
    ...PROJECTOR_OPTION,
  },
  notes:
    'A version that is being filled already is watched. Ctrl-C ends the watching, not the rebuild:\n' +
    '"fairlead projection abort" does. A projector that is away is waited for, for a minute.\n' +
    `${PROGRESS_NOTE}\n` +
    'Exit code 10 with --promote when rows differ from the log: the version is not shown.',
  async run(invocation) {
    const {
      options,
      output,
      positionals: [name = ''],
    } = invocation
    const keys = listOption(options, 'key')
    const until = textOption(options, 'until')
    if (textOption(options, 'tenant') !== undefined && keys.length === 0) {
      throw new UsageError('--tenant says whose rows: give their keys with --key')
    }
    const isPart = keys.length > 0 || until !== undefined
    if (keys.length > 0 && until !== undefined) {
      throw new UsageError('--key and --until are two things: give one of them')
    }
    if (isPart && isSet(options, 'promote')) {
      throw new UsageError('only a whole version can be promoted: leave --promote out')
    }
    if (isSet(options, 'no-wait') && isSet(options, 'promote')) {
      throw new UsageError('--promote waits until the version has caught up: leave --no-wait out')
    }
    if (isSet(options, 'no-verify') && !isSet(options, 'promote')) {
      throw new UsageError('--no-verify is for --promote: a rebuild alone verifies nothing')
    }
    const api = projectorApi(options)
    const started = await start(api, name, invocation)
    if (isSet(options, 'no-wait')) {
      output.object(started, [{ title: '', text: `${name} v${started.version}: requested\n` }])
      return EXIT.ok
    }
    if (isPart) return waitForJob(api, invocation, started)
    return waitForVersion(api, invocation, { name, version: started.version })
  },
}

async function start(
  api: HttpApi,
  name: string,
  { options }: Pick<Invocation, 'options'>,
): Promise<Started> {
  const keys = listOption(options, 'key')
  const version = versionOption(options)
  const query = {
    version,
    until: textOption(options, 'until'),
    acceptMissingHistory: isSet(options, 'accept-missing-history') ? true : undefined,
  }
  try {
    const tenant = textOption(options, 'tenant')
    const body = keys.length === 0 ? {} : { keys, ...(tenant === undefined ? {} : { tenant }) }
    return await api.send<Started>('POST', projectionPath(name, 'rebuild', query), body)
  } catch (error) {
    const isUnderWay = error instanceof OperationalError && error.code === 'BUSY'
    if (!isUnderWay || keys.length > 0) throw error
    const path = projectionPath(name, 'rebuild', { version })
    return { jobId: '', ...(await api.get<JsonObject & { readonly version: number }>(path)) }
  }
}

async function waitForJob(
  api: HttpApi,
  { output, signal }: Invocation,
  { jobId, ...about }: Started,
): Promise<ExitCode> {
  const job = await followJob({ api, output, signal, jobId })
  if (job === null) return EXIT.interrupted
  if (job.state === 'failed') {
    throw jobFailed(job, { code: 'REBUILD_FAILED', message: 'the rebuild did not succeed' })
  }
  const where = about['schemaName']
  const result = job['result'] ?? null
  const text = typeof where === 'string' ? `its tables are in ${where}` : foldedText(result)
  output.object({ ...about, result }, [{ title: '', text: `${text}\n` }])
  return EXIT.ok
}

/** A key that is misspelled has no events, and no row. */
function foldedText(result: JsonObject[string]): string {
  const { keys, rows } = result as { readonly keys: number; readonly rows: number }
  if (rows === keys) return 'the rows are folded anew'
  const without = keys === 1 ? 'the key has no row' : `${keys - rows} of ${keys} keys have no row`
  return `${without}: no event in the log leaves one`
}

async function waitForVersion(
  api: HttpApi,
  { options, output, signal }: Invocation,
  { name, version }: { readonly name: string; readonly version: number },
): Promise<ExitCode> {
  const path = projectionPath(name, 'rebuild', { version })
  const end = await follow({ api, output, signal }, path, isOver)
  if (end === null) return EXIT.interrupted
  if (end.state === 'failed' || end.state === 'retired') {
    const message = `${name} v${version} is ${end.state}`
    throw jobFailed(end, { code: 'REBUILD_FAILED', message })
  }
  if (isSet(options, 'promote')) {
    if (end.state !== 'live' && !isSet(options, 'no-verify')) {
      const acceptMissingHistory = isSet(options, 'accept-missing-history') ? true : undefined
      const query = { version, verify: true, acceptMissingHistory }
      const promotePath = projectionPath(name, 'promote', query)
      return showVerified({ api, output, signal, path: promotePath })
    }
    await showVersion(api, output, projectionPath(name, 'promote', { version }))
    return EXIT.ok
  }
  const parked = end.parked === 0 ? '' : `, ${end.parked} keys are parked`
  const text = `${name} v${version} is ready${parked}: "fairlead projection promote ${name} --version ${version}" shows it\n`
  output.object(end, [{ title: '', text }])
  return EXIT.ok
}

function isOver({ state }: Progress): boolean {
  return ['ready', 'live', 'standby', 'failed', 'retired'].includes(state)
}
