import { type OnReadOpts, Socket } from 'node:net'
import { invariant } from '@fairlead/base'

/** A connection that a server accepted, as the server's own `Socket` has it. */
type Accepted = { _handle: object | null }

/**
 * Makes the socket of an accepted connection read into our own buffers. Node gives this to sockets that
 * connect (`onread`), while those that a server accepts get a new buffer of 64 KiB for each read: at
 * 200 MB/s the page faults and the garbage collector's work for them cost more than the broker itself.
 *
 * The server must be made with `pauseOnConnect`, so that nothing is read before. `accepted` is used up.
 * It leans on `_handle`, which Node does not document, and on the option `handle`, as `node:cluster` does.
 */
export function readInto(accepted: Socket, onread: OnReadOpts): Socket {
  const source = accepted as unknown as Accepted
  const handle = source._handle
  invariant(handle !== null && handle !== undefined, 'an accepted socket has a handle')
  source._handle = null
  return new Socket({ handle, allowHalfOpen: true, onread } as ConstructorParameters<
    typeof Socket
  >[0])
}
