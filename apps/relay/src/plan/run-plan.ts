import { errorMessage } from '@fairlead/base'
import { createAdmin, createReader } from '@fairlead/kafka'
import { classifyPostgresError, tlsFailure } from '@fairlead/postgres'
import { ConfigError, loadAppConfig } from '@fairlead/service'
import { relayOptions } from '../options.ts'
import { RELAY_APP } from '../relay-app.ts'
import { makePlan } from './make-plan.ts'

/** As those of a start; what the plan says is for whoever reads it: `fairlead relay plan`. */
const EXIT_FAILURE = 1
const EXIT_USAGE = 2

process.exitCode = await runPlan(process.argv.slice(3))

/** Prints the plan as JSON, and resolves with the exit code. */
async function runPlan(argv: readonly string[]): Promise<number> {
  try {
    const options = relayOptions(loadAppConfig(RELAY_APP, argv))
    const { bootstrapServers, clientId, security } = options.sink
    const client = { bootstrapServers, clientId: `${clientId}-plan`, security }
    const [admin, reader] = [createAdmin(client), createReader(client)]
    try {
      print({ steps: await makePlan(options, { admin, reader }) })
      return 0
    } catch (error) {
      const message = tlsFailure(options.databaseUrl, error) ?? errorMessage(error)
      const isAway = classifyPostgresError(error) === 'infra'
      print({ error: { code: isAway ? 'DATABASE_UNREACHABLE' : 'DATABASE', message } })
      return EXIT_FAILURE
    } finally {
      await Promise.all([admin.close(), reader.close()])
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`relay: ${error.message}\n`)
    return EXIT_USAGE
  }
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
}
