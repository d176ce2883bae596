import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { ROOT } from './platform.ts'

export type CliResult = {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** As `npx` does: the pinned Node comes first. */
export const CLI_ENVIRONMENT = {
  PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}`,
}

/** Runs `fairlead` as a user does, and waits for its end. */
export async function fairlead(
  argv: readonly string[],
  options: { readonly bootstrapServer?: string; readonly input?: string } = {},
): Promise<CliResult> {
  const child = spawn(join(ROOT, 'node_modules/.bin/fairlead'), argv, {
    cwd: ROOT,
    env: {
      ...CLI_ENVIRONMENT,
      ...(options.bootstrapServer === undefined
        ? {}
        : { FAIRLEAD_BOOTSTRAP_SERVER: options.bootstrapServer }),
    },
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  // A command that fails ends without having read its input.
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const [stdout, stderr, exitCode] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended,
  ])
  return { exitCode, stdout, stderr }
}
