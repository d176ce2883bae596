import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyHttpOptions, FastifyInstance } from 'fastify'
import { type Logger, pino } from 'pino'
import { describeConfig, printConfig } from './config/describe.ts'
import {
  ConfigError,
  type ConfigSource,
  type UnsupportedNames,
  loadConfig,
} from './config/load-config.ts'
import { type ConfigOf, type ConfigSpec, defineConfig } from './config/spec.ts'
import { Health, SHUTDOWN_CHECK } from './health.ts'
import {
  type CredentialsConfig,
  HTTP_CREDENTIALS_CONFIG,
  credentialsProblems,
  hasCredentials,
  requireCredentials,
} from './http-credentials.ts'
import { createHttpServer } from './http-server.ts'
import { Metrics } from './metrics.ts'
import { refusePages } from './refuse-pages.ts'

/** Kubernetes kills 30 s after SIGTERM, `npm start` after 10: be done before either. */
const SHUTDOWN_DEADLINE_MS = 8_000

const EXIT_FAILURE = 1
const EXIT_USAGE = 2

export type AppDefinition<Spec extends ConfigSpec> = {
  /** Name of the app in logs and metrics, such as `relay`. */
  readonly name: string
  readonly version: string
  /** One line for `--help`. */
  readonly description: string
  /** Prefix of its environment variables, such as `RELAY_`. */
  readonly envPrefix: string
  /** Default of `http.port`. */
  readonly httpPort: number
  readonly spec: Spec
  /** Names that are no keys, and are accepted with a warning or passed over. */
  readonly unsupported?: UnsupportedNames
  /**
   * Rules over several keys, checked once each key is right by itself and before anything is bound;
   * `--print-config` checks them, too. Returns one line per problem: key, rule and next step.
   */
  readonly check?: (config: ConfigOf<Spec>) => readonly string[]
  /**
   * Its API changes things or shows data: it has the keys `http.auth.*`, and does not start on an address
   * that others can reach without them.
   */
  readonly needsCredentials?: boolean
  readonly fastify?: FastifyHttpOptions<Server>
  /**
   * Builds and starts the app. What takes long (recovery, waiting for peers) belongs in the
   * background, behind a health check, after `listen()`.
   */
  start(context: AppContext<Spec>): Promise<RunningApp>
}

/** What of an app its configuration depends on. */
export type AppSettings<Spec extends ConfigSpec> = Pick<
  AppDefinition<Spec>,
  'spec' | 'envPrefix' | 'httpPort' | 'unsupported' | 'check' | 'needsCredentials'
>

export type AppContext<Spec extends ConfigSpec> = {
  readonly config: AppConfig<Spec>
  /** The text of each key that somebody set. */
  readonly configTexts: ReadonlyMap<string, string>
  readonly logger: Logger
  readonly metrics: Metrics
  readonly health: Health
  /** Add routes before `listen()`; health and metrics are there already. */
  readonly http: FastifyInstance
  /**
   * Opens the HTTP port and resolves with it. Called after `start` when `start` did not: call it
   * earlier when health must be visible while the app still starts.
   */
  readonly listen: () => Promise<number>
  /** Ends the process in order, with exit code 1: for a failure that no part can recover from. */
  readonly fail: (error: unknown) => void
}

/** The app's own keys, and those of every app. */
type AppConfig<Spec extends ConfigSpec> = ConfigOf<Spec> & CommonConfig

type CommonConfig = ConfigOf<ReturnType<typeof commonSpec>>

export type RunningApp = {
  /** Finishes what is in flight and releases everything. Must not throw for a peer that is gone. */
  stop(): Promise<void>
}

/**
 * The life of a process: configuration checked before anything is bound, one log line per event as
 * JSON on stdout, health and metrics over HTTP, a clean stop on SIGTERM or SIGINT within 8 s.
 *
 * Exit codes: 0 after a clean stop, 1 after a failure, 2 when the configuration is wrong.
 */
export async function runApp<const Spec extends ConfigSpec>(
  app: AppDefinition<Spec>,
): Promise<void> {
  const loaded = loadOrExit(app)
  const { config } = loaded
  const common: CommonConfig & CredentialsConfig = config
  const logger = createLogger(app, common['log.level'])
  for (const warning of loaded.warnings) logger.warn(warning)

  const health = new Health()
  health.set('startup', 'starting')
  const metrics = new Metrics({ service: app.name, version: app.version })
  const http = createHttpServer({ ...app, health, metrics })
  if (app.needsCredentials === true) {
    if (hasCredentials(common)) requireCredentials(http, common, metrics)
    else logger.warn('the HTTP API has no credentials: everybody on this machine may use it')
    refusePages(http, { hasToken: common['http.auth.bearer.token'] !== undefined })
  }
  const life = new AppLife({ logger, health, http })

  let listening: Promise<number> | undefined
  const listen = (): Promise<number> => {
    listening ??= listenOn(http, common['http.host'], common['http.port'])
    return listening
  }

  try {
    life.running = await app.start({
      config,
      configTexts: loaded.texts,
      logger,
      metrics,
      health,
      http,
      listen,
      fail: (error) => life.fail(error),
    })
    const port = await listen()
    health.set('startup', true)
    logger.info({ httpPort: port }, `${app.name} started`)
  } catch (error) {
    life.fail(error)
  }
}

/** JSON lines on standard output, written at once: the last words of a process are not lost. */
function createLogger(
  app: { readonly name: string; readonly version: string },
  level: string,
): Logger {
  const stdout = pino.destination({ dest: process.stdout.fd, sync: true })
  // Whoever read the log is gone. That is no reason to fail, least of all in the middle of a stop.
  stdout.on('error', () => undefined)
  return pino(
    {
      level,
      base: { service: app.name, version: app.version },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stdout,
  )
}

/** The keys of every app. */
function commonSpec(httpPort: number) {
  return defineConfig({
    'http.host': {
      type: 'string',
      default: '127.0.0.1',
      doc: 'Address of the HTTP server; 0.0.0.0 for all interfaces.',
    },
    'http.port': {
      type: 'int',
      default: httpPort,
      min: 0,
      max: 65_535,
      doc: 'Port of the HTTP server (health, metrics, API); 0 takes a free one.',
    },
    'log.level': {
      type: 'enum',
      default: 'info',
      values: ['fatal', 'error', 'warn', 'info', 'debug', 'trace'],
      doc: 'Least severe level that is logged.',
    },
  })
}

type LoadedApp<Spec extends ConfigSpec> = {
  readonly config: AppConfig<Spec> & CredentialsConfig
  readonly sources: ReadonlyMap<string, ConfigSource>
  readonly texts: ReadonlyMap<string, string>
  readonly warnings: readonly string[]
}

function wholeSpec<Spec extends ConfigSpec>(app: AppSettings<Spec>) {
  const credentials = app.needsCredentials === true ? HTTP_CREDENTIALS_CONFIG : {}
  return { ...app.spec, ...commonSpec(app.httpPort), ...credentials }
}

/**
 * The configuration of an app, checked as its start checks it, for a command that does something else with it.
 *
 * @throws {ConfigError}
 */
export function loadAppConfig<const Spec extends ConfigSpec>(
  app: AppSettings<Spec>,
  argv: readonly string[],
): AppConfig<Spec> {
  return loadApp(app, argv).config
}

function loadApp<Spec extends ConfigSpec>(
  app: AppSettings<Spec>,
  argv: readonly string[],
): LoadedApp<Spec> {
  const loaded: LoadedApp<Spec> = loadConfig(wholeSpec(app), {
    envPrefix: app.envPrefix,
    argv,
    env: process.env,
    ...(app.unsupported === undefined ? {} : { unsupported: app.unsupported }),
  })
  const common: CommonConfig & CredentialsConfig = loaded.config
  const problems = [
    ...(app.check?.(loaded.config) ?? []),
    ...(app.needsCredentials === true ? credentialsProblems(common, common['http.host']) : []),
  ]
  if (problems.length > 0) throw new ConfigError(problems)
  return loaded
}

function loadOrExit<Spec extends ConfigSpec>(app: AppDefinition<Spec>): LoadedApp<Spec> {
  const spec = wholeSpec(app)
  const argv = process.argv.slice(2)
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(describeConfig(spec, app))
    process.exit()
  }
  try {
    const flags = argv.filter((argument) => argument !== '--print-config')
    const loaded = loadApp(app, flags)
    if (flags.length < argv.length) {
      process.stdout.write(printConfig(spec, loaded.config, loaded.sources))
      process.exit()
    }
    return loaded
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${app.name}: ${error.message}\n`)
    process.exit(EXIT_USAGE)
  }
}

async function listenOn(http: FastifyInstance, host: string, port: number): Promise<number> {
  await http.listen({ host, port })
  return (http.server.address() as AddressInfo).port
}

/** Ends the process once: in order when asked to, at once when it is asked twice. */
class AppLife {
  readonly #logger: Logger
  readonly #health: Health
  readonly #http: FastifyInstance
  #isEnding = false
  running: RunningApp | undefined

  constructor(parts: {
    readonly logger: Logger
    readonly health: Health
    readonly http: FastifyInstance
  }) {
    this.#logger = parts.logger
    this.#health = parts.health
    this.#http = parts.http
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => this.#end(signal, 0))
    }
    // A supervisor that started us with a channel and is gone cannot stop us any more.
    process.on('disconnect', () => this.#end('the supervisor is gone', 0))
    process.on('uncaughtException', (error) => this.fail(error))
    process.on('unhandledRejection', (error) => this.fail(error))
  }

  fail(error: unknown): void {
    this.#logger.fatal({ err: error }, 'a failure that nothing handles: the process ends')
    this.#end('failure', EXIT_FAILURE)
  }

  #end(reason: string, exitCode: number): void {
    if (this.#isEnding) process.exit(exitCode === 0 ? EXIT_FAILURE : exitCode)
    this.#isEnding = true
    this.#health.set(SHUTDOWN_CHECK, `stopping: ${reason}`)
    this.#logger.info({ reason }, 'stopping')
    setTimeout(() => {
      this.#logger.error(`not stopped after ${SHUTDOWN_DEADLINE_MS} ms: the process ends now`)
      process.exit(EXIT_FAILURE)
    }, SHUTDOWN_DEADLINE_MS).unref()
    void this.#stop().then(
      () => process.exit(exitCode),
      (error: unknown) => {
        this.#logger.error({ err: error }, 'the stop failed')
        process.exit(EXIT_FAILURE)
      },
    )
  }

  async #stop(): Promise<void> {
    await this.running?.stop()
    await this.#http.close()
    this.#logger.info('stopped')
  }
}
