import { EXIT } from '../command/command.ts'
import { runDev } from './dev.ts'
import { DEV_USAGE, DevUsageError, parseDevOptions } from './options.ts'

/** `fairlead dev`. Resolves with the exit code. */
export async function dev(argv: readonly string[]): Promise<number> {
  try {
    const options = parseDevOptions(argv)
    if (options.kind === 'run') return await runDev(options)
    process.stdout.write(DEV_USAGE)
    return EXIT.ok
  } catch (error) {
    if (!(error instanceof DevUsageError)) throw error
    process.stderr.write(`fairlead dev: ${error.message}\n\n${DEV_USAGE}`)
    return EXIT.usage
  }
}
