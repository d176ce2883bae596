import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Operations } from './operations.ts'

/** Longer than the longest operation of any driver on a machine with other work. */
const ANSWER_DEADLINE_MS = 240_000
const COMPLAINTS_MAX = 20

export type DriverCommand = {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** What a driver can be asked, by name. */
type OperationTable = {
  readonly [name: string]: { readonly asks: object; readonly answers: object }
}

/** A running driver, which carries out one operation after the other. */
export class Driver<Table extends OperationTable = Operations> implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>
  readonly #complaints: string[] = []
  #last: Promise<unknown> = Promise.resolve()

  static start<Table extends OperationTable = Operations>(
    { program, args, env = {} }: DriverCommand,
    address: string,
  ): Driver<Table> {
    return new Driver<Table>(
      spawn(program, [...args, address], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { ...process.env, ...env },
      }),
    )
  }

  private constructor(child: ChildProcess) {
    this.#child = child
    process.prependOnceListener('exit', this.#kill)
    child.once('error', (error) => this.#complaints.push(error.message))
    child.stdin?.on('error', () => {})
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints.push(text.trimEnd())
      this.#complaints.splice(0, this.#complaints.length - COMPLAINTS_MAX)
    })
    if (child.stdout === null) throw new Error('a driver has a standard output')
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  /** Throws with the client's own words when the operation fails. */
  async ask<Name extends keyof Table & string>(
    op: Name,
    fields: Table[Name]['asks'],
  ): Promise<Table[Name]['answers']> {
    const answer = this.#last.then(() => this.#exchange(op, fields))
    this.#last = answer.catch(() => {})
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#kill)
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#kill()
    await exit
  }

  async #exchange<Name extends keyof Table & string>(
    op: Name,
    fields: Table[Name]['asks'],
  ): Promise<Table[Name]['answers']> {
    this.#child.stdin?.write(`${JSON.stringify({ op, ...fields })}\n`)
    const deadline = setTimeout(this.#kill, ANSWER_DEADLINE_MS)
    const { value, done } = await this.#answers.next()
    clearTimeout(deadline)
    if (done === true) throw new Error(`the driver ended at "${op}": ${this.#said()}`)
    type Answer = Table[Name]['answers'] & { readonly ok: boolean; readonly error?: string }
    const answer = JSON.parse(value) as Answer
    if (!answer.ok) throw new Error(`${op}: ${answer.error}`)
    return answer
  }

  #said(): string {
    return this.#complaints.join('\n') || 'no complaint'
  }

  readonly #kill = (): void => {
    this.#child.kill('SIGKILL')
  }
}
