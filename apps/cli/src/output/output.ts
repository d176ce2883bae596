import { stringify } from 'yaml'
import { UsageError } from '../command/command.ts'
import type { Failure } from '../command/failure.ts'
import { formatTable } from './table.ts'

const OUTPUT_FORMATS = ['table', 'json', 'jsonl', 'yaml'] as const
export type OutputFormat = (typeof OUTPUT_FORMATS)[number]

/** JSON as it is printed; integers beyond 2^53 are text. */
type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

export type Column<Row> = {
  readonly title: string
  readonly value: (row: Row) => string | number
  /** Numbers stand right. */
  readonly align?: 'left' | 'right'
  /** A longer text is cut, in tables alone: one must not make all lines as long as it is. */
  readonly lengthMax?: number
}

/** A part of what a table format shows of one object. */
export type Section = { readonly title: string; readonly text: string }

type Streams = {
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  readonly isWatched: boolean
}

/** Shows how far something is, over and over, until it ends. */
export type ShownProgress = {
  show(value: JsonObject, line: string): void
  end(): void
}

/** Goes back to the beginning of the line, and clears it (ECMA-48). */
const CLEAR_LINE = '\r\u001B[K'

/**
 * Where commands print. Data goes to stdout and everything else to stderr; `json`, `jsonl` and `yaml`
 * are the same objects, whatever a table leaves out.
 */
export class Output {
  #format: OutputFormat
  /** By the user, and not by default. */
  readonly #isFormatChosen: boolean
  readonly #hasHeaders: boolean
  readonly #streams: Streams

  constructor(options: {
    /** Undefined: a table, or JSON lines behind progress that nobody watches. */
    readonly format: OutputFormat | undefined
    readonly hasHeaders: boolean
    readonly streams: Streams
  }) {
    this.#format = options.format ?? 'table'
    this.#isFormatChosen = options.format !== undefined
    this.#hasHeaders = options.hasHeaders
    this.#streams = options.streams
  }

  get format(): OutputFormat {
    return this.#format
  }

  /** A list of objects: a table, or the objects themselves. */
  list<Row extends JsonObject>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    if (this.format === 'table') this.#print(this.#table(rows, columns))
    else this.#structured(rows)
  }

  /** One object: sections of text for people, or the object itself. */
  object(value: JsonObject, sections: readonly Section[]): void {
    if (this.format !== 'table') this.#structured(value)
    else this.#print(sections.map(({ title, text }) => titled(title, text)).join('\n'))
  }

  /** Text of a section: a table inside it. */
  tableText<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
    return this.#table(rows, columns)
  }

  /** Raw bytes or text of the user's data. */
  raw(text: string): void {
    this.#streams.stdout(text)
  }

  /**
   * A line on a terminal that is written over; elsewhere JSON, a line for each change, as is what comes behind it
   * unless another format was chosen.
   */
  progress(): ShownProgress {
    const { stdout, stderr, isWatched } = this.#streams
    if (isWatched) {
      return {
        show: (_value, line) => stderr(`${CLEAR_LINE}${line}`),
        end: () => stderr(CLEAR_LINE),
      }
    }
    if (!this.#isFormatChosen) this.#format = 'jsonl'
    // What reads one object, or a table, must not get lines of JSON beside it.
    const print = this.#format === 'jsonl' ? stdout : stderr
    let last = ''
    return {
      show: (value) => {
        const line = `${JSON.stringify(value)}\n`
        if (line !== last) print(line)
        last = line
      },
      end: () => undefined,
    }
  }

  /** For people, beside the data. */
  note(text: string): void {
    this.#streams.stderr(`${text}\n`)
  }

  /** Of one item, or of the command. */
  failure({ message, hint }: Failure): void {
    const next = hint === '' ? '' : `\n  ${hint}`
    this.#streams.stderr(`fairlead: ${message}${next}\n`)
  }

  /** Of the whole command, in the place of its data: what reads JSON gets JSON. */
  failureInstead(failure: Failure): void {
    this.failure(failure)
    const { code, message, hint } = failure
    if (this.format === 'json') this.#structured({ error: { code, message, hint } })
  }

  #structured(value: JsonObject | readonly JsonObject[]): void {
    switch (this.format) {
      case 'yaml':
        this.#print(stringify(value, { lineWidth: 0 }))
        return
      case 'jsonl': {
        const items = Array.isArray(value) ? (value as readonly JsonObject[]) : [value]
        this.#print(items.map((item) => `${JSON.stringify(item)}\n`).join(''))
        return
      }
      case 'json':
      case 'table':
        this.#print(`${JSON.stringify(value, null, 2)}\n`)
    }
  }

  #table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
    return formatTable(rows, columns, { hasHeader: this.#hasHeaders })
  }

  #print(text: string): void {
    this.#streams.stdout(text)
  }
}

function titled(title: string, text: string): string {
  return title === '' ? text : `${title}\n${text}`
}

/** @throws {UsageError} */
export function parseOutputFormat(text: string): OutputFormat {
  const format = OUTPUT_FORMATS.find((known) => known === text)
  if (format !== undefined) return format
  throw new UsageError(`--output is one of ${OUTPUT_FORMATS.join(', ')}, not "${text}"`)
}
