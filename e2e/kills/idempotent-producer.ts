import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cached } from '../support/cache.ts'
import { run } from '../support/command.ts'

const SOURCE = join(import.meta.dirname, 'idempotent-producer.c')

/** librdkafka's idempotent producer as a process of its own; see the C file. */
export class IdempotentProducer {
  readonly name: string
  /** Records acknowledged so far. */
  acked = 0
  /** Per partition, once it has stopped. */
  readonly totals: number[] = []
  readonly #child: ChildProcess
  #complaints = ''

  static async start(options: {
    readonly name: string
    readonly address: string
    readonly topic: string
    readonly partitions: number
  }): Promise<IdempotentProducer> {
    const { name, address, topic, partitions } = options
    const program = join(await build(), 'idempotent-producer')
    return new IdempotentProducer(name, spawn(program, [address, topic, `${partitions}`, name]))
  }

  private constructor(name: string, child: ChildProcess) {
    this.name = name
    this.#child = child
    const kill = (): void => void child.kill('SIGKILL')
    process.prependOnceListener('exit', kill)
    child.once('exit', () => process.off('exit', kill))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#complaints += text))
    if (child.stdout === null) throw new Error('the producer has a standard output')
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [word, ...numbers] = line.split(' ')
      if (word === 'acked') this.acked = Number(numbers[0])
      else this.totals[Number(numbers[0])] = Number(numbers[1])
    })
  }

  /** Throws when it has ended, which it does by itself only over a broken promise. */
  check(): void {
    if (this.#child.exitCode !== null) throw new Error(`${this.name}: ${this.#complaints}`)
  }

  /** Ends after everything that was sent is acknowledged. */
  async stop(): Promise<void> {
    this.#child.stdin?.end()
    const [code] = (await once(this.#child, 'close')) as [number | null]
    if (code !== 0) throw new Error(`${this.name} ended with ${code}: ${this.#complaints}`)
  }
}

async function build(): Promise<string> {
  return cached('idempotent-producer', await readFile(SOURCE, 'utf8'), async (target) => {
    const output = join(target, 'idempotent-producer')
    await run('gcc', ['-O2', '-Wall', '-Wextra', '-o', output, SOURCE, '-lrdkafka'])
  })
}
