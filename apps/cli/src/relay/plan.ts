import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { OperationalError } from '@fairlead/base'
import {
  type Command,
  EXIT,
  type ExitCode,
  UsageError,
  listOption,
  parseAssignments,
  textOption,
} from '../command/command.ts'

/** One thing that a start finds, makes or halts at; see `PlanAction` of the relay. */
type Step = {
  readonly action: string
  readonly kind: string
  readonly name: string
  readonly text: string
}

type Answer =
  | { readonly steps: readonly Step[] }
  | { readonly error: { readonly code: string; readonly message: string } }

const RELAY = join(import.meta.dirname, '../../../relay/src/main.ts')
const CHANGES: readonly string[] = ['create', 'change', 'publish']

export const RELAY_PLAN: Command = {
  name: 'relay plan',
  summary: 'Says what a start of the relay would do, and does none of it.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: {
    config: { value: 'file', doc: 'the configuration of the relay: YAML or properties' },
    set: { value: 'key=value', isRepeatable: true, doc: 'a key of it that goes before the file' },
  },
  notes:
    'Reads the configuration as the relay does, RELAY_… variables included, and looks at database,\n' +
    'brokers and schema registry; the relay need not run.\n' +
    `Exit codes: 0 when a start would change nothing, ${EXIT.changes} when it would, ${EXIT.unhealthy} when it would halt,\n` +
    `${EXIT.usage} for a configuration that is wrong, ${EXIT.unreachable} when the database, or nobody of whom something is to be\n` +
    'known, answers.',
  async run({ options, output }) {
    const config = textOption(options, 'config')
    const settings = parseAssignments(listOption(options, 'set'), '--set')
    const steps = await planOf([
      ...(config === undefined ? [] : ['--config', config]),
      ...Object.entries(settings).map(([key, value]) => `--${key}=${value}`),
    ])
    output.list(steps, [
      { title: 'action', value: ({ action }) => action },
      { title: 'what', value: ({ kind }) => kind },
      { title: 'which', value: ({ name }) => name },
      { title: '', value: (step) => step.text },
    ])
    return exitCodeOf(steps)
  },
}

function exitCodeOf(steps: readonly Step[]): ExitCode {
  const has = (...actions: readonly string[]) =>
    steps.some(({ action }) => actions.includes(action))
  if (has('halt')) return EXIT.unhealthy
  if (has(...CHANGES)) return EXIT.changes
  return has('unknown') ? EXIT.unreachable : EXIT.ok
}

/** What the relay itself makes of its configuration: it is another program. */
async function planOf(argv: readonly string[]): Promise<readonly Step[]> {
  const relay = spawn(process.execPath, [RELAY, 'plan', ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(relay.stdout),
    text(relay.stderr),
    once(relay, 'close') as Promise<[number | null]>,
  ])
  if (exitCode === EXIT.usage) throw new UsageError(stderr.trim().replace(/^relay: /, ''))
  if (stdout === '') {
    throw new OperationalError(stderr.trim(), { code: 'PLAN_FAILED', retryable: false })
  }
  const answer = JSON.parse(stdout) as Answer
  if ('steps' in answer) return answer.steps
  throw new OperationalError(answer.error.message, { code: answer.error.code, retryable: true })
}
