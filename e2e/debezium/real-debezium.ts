import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { run } from '../support/command.ts'
import { mavenClassPath } from '../support/maven.ts'
import { waitFor } from '../support/wait-for.ts'

export { javaAbsence as debeziumAbsence } from '../support/maven.ts'

export const DEBEZIUM_VERSION = '3.6.1.Final'

const FOLDER = join(import.meta.dirname, '../support/debezium')
const START_DEADLINE_MS = 60_000
const LOG_LINES_MAX = 200

/** A record as Debezium and its converters make it; bytes in base64. */
export type CapturedRecord = {
  readonly topic: string
  readonly partition?: number | null
  readonly timestamp?: number | null
  readonly key?: string | null
  readonly value?: string | null
  readonly headers?: readonly (readonly [name: string, value: string | null])[]
  /** The converter refused it; in Kafka Connect the task fails. */
  readonly failed?: string
}

/** Debezium's embedded engine, from Maven Central, behind a small program that prints records. */
export class RealDebezium implements AsyncDisposable {
  readonly records: CapturedRecord[] = []
  readonly #child: ChildProcess
  readonly #logLines: string[] = []
  readonly #directory: string
  #isStarted = false

  static async start(properties: Readonly<Record<string, string>>): Promise<RealDebezium> {
    const classPath = await mavenClassPath('debezium', join(FOLDER, 'pom.xml'))
    const directory = await mkdtemp(join(tmpdir(), 'debezium-'))
    const propertiesFile = join(directory, 'debezium.properties')
    const lines = Object.entries(properties).map(([key, value]) => `${key}=${escaped(value)}\n`)
    await writeFile(propertiesFile, lines.join(''))
    const classes = join(directory, 'classes')
    await mkdir(classes)
    const source = join(FOLDER, 'CaptureRecords.java')
    await run('javac', ['-nowarn', '-cp', classPath, '-d', classes, source])
    const debezium = new RealDebezium(directory, `${classes}:${classPath}`, propertiesFile)
    await debezium.#started()
    return debezium
  }

  private constructor(directory: string, classPath: string, propertiesFile: string) {
    this.#directory = directory
    const flags = ['-Xmx256M', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
    this.#child = spawn('java', [...flags, '-cp', classPath, 'CaptureRecords', propertiesFile], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface(stream).on('line', (line) => this.#onLine(line))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end()
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
    await rm(this.#directory, { recursive: true, force: true })
  }

  #onLine(line: string): void {
    if (!line.startsWith('{')) {
      this.#logLines.push(line)
      this.#logLines.splice(0, this.#logLines.length - LOG_LINES_MAX)
    } else if (line.startsWith('{"started"')) {
      this.#isStarted = true
    } else if (line.startsWith('{"topic"')) {
      this.records.push(JSON.parse(line) as CapturedRecord)
    } else {
      this.#logLines.push(line)
    }
  }

  async #started(): Promise<void> {
    await waitFor('Debezium to read its slot', START_DEADLINE_MS, () => {
      if (this.#child.exitCode === null) return this.#isStarted
      throw new Error(`Debezium ended: ${this.#logLines.join('\n')}`)
    })
  }
}

/** Java reads a backslash in a property as an escape. */
function escaped(value: string): string {
  return value.replaceAll('\\', String.raw`\\`)
}
