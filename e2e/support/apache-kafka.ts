import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeRequest } from '@fairlead/protocol'
import { type CommandOptions, type CommandResult, attempt, run } from './command.ts'
import { freePort } from './free-port.ts'
import { mavenClassPath } from './maven.ts'
import { waitFor } from './wait-for.ts'

export { javaAbsence as apacheKafkaAbsence } from './maven.ts'

export const APACHE_KAFKA_VERSION = '4.4.0'

const FOLDER = join(import.meta.dirname, 'apache-kafka')
/** Against what hangs; on a machine with other work it takes more than a minute. */
const READY_DEADLINE_MS = 240_000
const STOP_DEADLINE_MS = 30_000
const LOG_LINES_MAX = 1_000
/** Any UUID in Kafka's spelling will do; a fixed one makes answers comparable between runs. */
const CLUSTER_ID = '4L6g3nShT-eMCtK--X86sw'
/**
 * On a machine with other work it is silent for longer than the 9 s after which its controller takes all
 * partitions from it. One that was killed is taken back only after so long.
 */
const SESSION_TIMEOUT_MS = 20_000
/** What `kafka-server-start.sh` gives the JVM. */
const SERVER_JVM_FLAGS = [
  '-Xms1G',
  '-Xmx1G',
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
] as const
/** A heap as small as `kafka-run-class.sh` gives to tools, and no time spent on optimising. */
const TOOL_JVM_FLAGS = ['-Xmx256M', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'] as const

type Config = Readonly<Record<string, string | number>>

/**
 * Apache Kafka itself, from Maven Central: one node, KRaft in combined mode, on free ports of the
 * loopback interface and a temporary folder. The reference of differential runs and benchmarks.
 * It needs Java 17: ask `apacheKafkaAbsence` first.
 */
export class ApacheKafka implements AsyncDisposable {
  readonly port: number
  readonly dataDirectory: string
  readonly #classPath: string
  readonly #logLines: string[] = []
  #child: ChildProcess

  /** `listeners` beside the plain one: ports by name. */
  static async start(
    config: Config = {},
    listeners: Readonly<Record<string, number>> = {},
  ): Promise<ApacheKafka> {
    const classPath = await apacheKafkaClassPath()
    const dataDirectory = await mkdtemp(join(tmpdir(), 'apache-kafka-'))
    const port = await freePort()
    const propertiesFile = join(dataDirectory, 'server.properties')
    const controllerPort = await freePort()
    const properties = serverProperties({ port, controllerPort, dataDirectory, listeners })
    await writeFile(propertiesFile, propertiesText({ ...properties, ...config }))
    const format = ['kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', propertiesFile]
    await run('java', [...javaFlags(classPath, TOOL_JVM_FLAGS), ...format])
    const kafka = new ApacheKafka({ port, dataDirectory, classPath })
    try {
      await kafka.ready()
      return kafka
    } catch (error) {
      await kafka.stop()
      throw error
    }
  }

  private constructor(given: {
    readonly port: number
    readonly dataDirectory: string
    readonly classPath: string
  }) {
    this.port = given.port
    this.dataDirectory = given.dataDirectory
    this.#classPath = given.classPath
    this.#child = this.#launch()
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined) throw new Error('Apache Kafka was not started')
    return pid
  }

  get logLines(): readonly string[] {
    return this.#logLines
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The folder of its partitions. */
  get logDirectory(): string {
    return join(this.dataDirectory, 'log')
  }

  /** Until it answers ApiVersions. */
  async ready(): Promise<void> {
    await waitFor('Apache Kafka to answer', READY_DEADLINE_MS, () => {
      if (this.#child.exitCode === null) return answersApiVersions(this.port)
      throw new Error(`Apache Kafka ended: ${this.#logLines.slice(-10).join('\n')}`)
    })
  }

  /** `kill -9`. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** SIGTERM; the folder stays. */
  terminate(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Starts on the same port and folder; does not wait until it answers. */
  restart(): void {
    this.#child = this.#launch()
  }

  /** Ends it, and removes its folder. */
  async stop(): Promise<void> {
    await this.terminate()
    await rm(this.dataDirectory, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #launch(): ChildProcess {
    const flags = javaFlags(this.#classPath, [...SERVER_JVM_FLAGS, '-Dfairlead.log.level=INFO'])
    const propertiesFile = join(this.dataDirectory, 'server.properties')
    const child = spawn('java', [...flags, 'kafka.Kafka', propertiesFile], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const kill = (): void => void child.kill('SIGKILL')
    process.prependOnceListener('exit', kill)
    child.once('exit', () => process.off('exit', kill))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#logLines.push(...text.trimEnd().split('\n'))
      this.#logLines.splice(0, this.#logLines.length - LOG_LINES_MAX)
    })
    return child
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (!this.isRunning) return
    const exit = once(child, 'exit')
    child.kill(signal)
    // It waits long for requests in flight; nobody waits for it here.
    const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS)
    await exit
    clearTimeout(deadline)
  }
}

/** Runs one of Kafka's command line tools by its class, as `kafka-run-class.sh` does. */
export async function kafkaTool(
  className: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const flags = javaFlags(await apacheKafkaClassPath(), TOOL_JVM_FLAGS)
  return attempt('java', [...flags, className, ...args], options)
}

/** Shell scripts that run tools, by the names that Kafka's distribution gives them. */
export async function apacheKafkaScripts(
  classes: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const flags = javaFlags(await apacheKafkaClassPath(), TOOL_JVM_FLAGS)
  const quoted = ['java', ...flags].map((flag) => `'${flag}'`).join(' ')
  return Object.fromEntries(
    Object.entries(classes).map(([name, className]) => [
      name,
      `#!/bin/sh\nexec ${quoted} ${className} "$@"\n`,
    ]),
  )
}

/** The class path of server and tools, fetched from Maven Central once. */
function apacheKafkaClassPath(): Promise<string> {
  return mavenClassPath('apache-kafka', join(FOLDER, 'pom.xml'))
}

function javaFlags(classPath: string, jvmFlags: readonly string[]): string[] {
  return [...jvmFlags, `-Dlog4j2.configurationFile=${FOLDER}/log4j2.yaml`, '-cp', classPath]
}

function serverProperties(given: {
  readonly port: number
  readonly controllerPort: number
  readonly dataDirectory: string
  readonly listeners: Readonly<Record<string, number>>
}): Config {
  const controller = `127.0.0.1:${given.controllerPort}`
  const clients = Object.entries({ PLAINTEXT: given.port, ...given.listeners })
    .map(([name, port]) => `${name}://127.0.0.1:${port}`)
    .join()
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@${controller}`,
    listeners: `${clients},CONTROLLER://${controller}`,
    'advertised.listeners': clients,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(given.dataDirectory, 'log'),
    'broker.session.timeout.ms': SESSION_TIMEOUT_MS,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
  }
}

function propertiesText(config: Config): string {
  return Object.entries(config)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

/** A node in combined mode listens before it serves: only an answer counts. */
function answersApiVersions(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 1_000 })
    const conclude = (answers: boolean): void => {
      socket.destroy()
      resolve(answers)
    }
    socket.once('error', () => conclude(false))
    socket.once('close', () => conclude(false))
    socket.once('timeout', () => conclude(false))
    socket.once('data', () => conclude(true))
    socket.once('connect', () => {
      const header = {
        name: 'ApiVersions',
        version: 0,
        correlationId: 1,
        clientId: 'probe',
      } as const
      socket.write(Buffer.concat(encodeRequest({ ...header, body: {} })))
    })
  })
}
