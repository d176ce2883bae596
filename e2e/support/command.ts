import { spawn, spawnSync } from 'node:child_process'

const TIMEOUT_MS = 120_000
const COMPLAINT_LENGTH_MAX = 4_000

export type CommandOptions = {
  /** What its standard input reads. */
  readonly input?: string
  readonly cwd?: string
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
}

export type CommandResult = {
  readonly output: string
  /** What it wrote to standard error. */
  readonly complaints: string
  /** Null when a signal ended it, as the timeout does. */
  readonly exitCode: number | null
}

/** Runs a program to its end; what it prints. Throws with its complaints when it fails. */
export async function run(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { output, complaints, exitCode } = await attempt(program, args, options)
  if (exitCode === 0) return output
  const tail = `${output}\n${complaints}`.slice(-COMPLAINT_LENGTH_MAX)
  throw new Error(`${program} ${args.join(' ')} ended with ${exitCode}: ${tail}`)
}

/** Runs a program to its end, whatever that is. Throws when it cannot be started. */
export function attempt(
  program: string,
  args: readonly string[],
  { input = '', cwd, env = {}, timeoutMs = TIMEOUT_MS }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    const kill = (): void => void child.kill('SIGKILL')
    process.prependOnceListener('exit', kill)
    let output = ''
    let complaints = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
    child.once('error', reject)
    child.once('close', (exitCode) => {
      process.off('exit', kill)
      resolve({ output, complaints, exitCode })
    })
    // A program may end without having read its input.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

/** Whether `program` is in the path. */
export function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}
