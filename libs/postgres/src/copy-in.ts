import { once } from 'node:events'
import { errorMessage } from '@fairlead/base'
import type pg from 'pg'

/** What `pg` has and its types do not name. */
type CopyConnection = pg.Connection & {
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
  sendCopyFail(message: string): void
}

type CopyChunks = Iterable<string> | AsyncIterable<Uint8Array>

/**
 * Runs a `copy … from stdin` on a client that nothing else uses meanwhile, and resolves with the
 * number of rows. Chunks are sent as they are, and no faster than the server takes them; where they
 * are cut does not matter.
 *
 * @throws what the server says of the rows (SQLSTATE in `code`), what `chunks` throws, and the loss of
 *   the connection.
 */
export function copyIn(
  client: pg.ClientBase,
  statement: string,
  chunks: CopyChunks,
): Promise<number> {
  return new Promise((resolve, reject) => {
    client.query(new CopyIn(statement, chunks, { resolve, reject }))
  })
}

type Settle = {
  readonly resolve: (rowCount: number) => void
  readonly reject: (error: unknown) => void
}

/** A query in the form in which `pg` runs it: it is called with the messages of the server. */
class CopyIn implements pg.Submittable {
  readonly #statement: string
  readonly #chunks: CopyChunks
  readonly #settle: Settle
  /** The first failure: of the server, of the connection, or of `chunks`. */
  #failure: { readonly error: unknown } | undefined
  #rowCount = 0

  constructor(statement: string, chunks: CopyChunks, settle: Settle) {
    this.#statement = statement
    this.#chunks = chunks
    this.#settle = settle
  }

  /** `pg` calls it when the connection is lost, and puts its own timeout around it. */
  callback = (error: Error | null): void => {
    if (error !== null) this.#settle.reject(this.#failure?.error ?? error)
  }

  submit(connection: pg.Connection): void {
    connection.query(this.#statement)
  }

  handleCopyInResponse(connection: CopyConnection): void {
    void this.#send(connection)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#rowCount = Number(/^COPY (\d+)$/.exec(text)?.[1] ?? 0)
  }

  handleError(error: Error): void {
    this.#failure ??= { error }
    this.#settle.reject(this.#failure.error)
  }

  handleReadyForQuery(): void {
    // Without effect when it has failed: the connection is usable again only now.
    if (this.#failure === undefined) this.#settle.resolve(this.#rowCount)
    this.callback(null)
  }

  async #send(connection: CopyConnection): Promise<void> {
    const { stream } = connection
    try {
      for await (const chunk of this.#chunks) {
        if (this.#failure !== undefined || stream.destroyed) return
        connection.sendCopyFromChunk(bufferOf(chunk))
        if (stream.writableNeedDrain) await drained(stream)
      }
      connection.endCopyFrom()
    } catch (error) {
      this.#failure ??= { error }
      connection.sendCopyFail(errorMessage(error).slice(0, 1_000))
    }
  }
}

function bufferOf(chunk: string | Uint8Array): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk)
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

/** Until the socket takes more, or is gone: then `pg` tells. */
async function drained(stream: pg.Connection['stream']): Promise<void> {
  const stop = new AbortController()
  const { signal } = stop
  await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })]).catch(
    () => undefined,
  )
  stop.abort()
}
