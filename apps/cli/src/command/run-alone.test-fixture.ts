import { COMMANDS } from '../commands.ts'
import { runCommand } from './run-command.ts'

/** Carries a command line out that needs no service, as a script does. */
export async function runAlone(...argv: readonly string[]): Promise<{
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}> {
  let [stdout, stderr] = ['', '']
  const exitCode = await runCommand(COMMANDS, argv, {
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
    isWatched: false,
    ask: undefined,
    env: {},
    signal: new AbortController().signal,
  })
  return { exitCode, stdout, stderr }
}
