import { runDev } from './dev/dev.ts'
import { DEV_USAGE, DevUsageError, parseDevOptions } from './dev/options.ts'

const USAGE = `fairlead: the event backbone's command line

Usage: fairlead <command> [options]

Commands:
  dev    Run the whole platform on this machine: Postgres, broker, registry, relay, projector, shop.

fairlead <command> --help tells more about a command.
`

const EXIT_USAGE = 2

const [command, ...argv] = process.argv.slice(2)

switch (command) {
  case 'dev':
    await dev(argv)
    break
  case undefined:
  case 'help':
  case '--help':
  case '-h':
    process.stdout.write(USAGE)
    break
  default:
    process.stderr.write(`fairlead: there is no command "${command}"\n\n${USAGE}`)
    process.exitCode = EXIT_USAGE
}

async function dev(args: readonly string[]): Promise<void> {
  try {
    const options = parseDevOptions(args)
    if (options.kind === 'help') process.stdout.write(DEV_USAGE)
    else process.exitCode = await runDev(options)
  } catch (error) {
    if (!(error instanceof DevUsageError)) throw error
    process.stderr.write(`fairlead dev: ${error.message}\n\n${DEV_USAGE}`)
    process.exitCode = EXIT_USAGE
  }
}
