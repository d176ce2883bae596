import type { Address, ListenerConfig } from '../listeners.ts'
import type { RequestHandler } from './connection.ts'
import { Listener, type ListenerOptions } from './listener.ts'

/**
 * Opens all listeners, or none. `handlerFor` gets what the clients of a listener are told to connect
 * to; it is called at their first request, when the port is known.
 */
export async function openListeners(
  configs: readonly ListenerConfig[],
  options: Omit<ListenerOptions, 'name' | 'host' | 'port' | 'handle'>,
  handlerFor: (advertised: Address) => RequestHandler,
): Promise<readonly Listener[]> {
  const opened: Listener[] = []
  try {
    for (const { name, bind, advertised } of configs) {
      let handler: RequestHandler | undefined
      const listener: Listener = new Listener({
        ...options,
        ...bind,
        name,
        handle: (frame, peer, turn) => {
          handler ??= handlerFor({ ...advertised, port: advertised.port || listener.port })
          return handler(frame, peer, turn)
        },
      })
      await listener.listen()
      opened.push(listener)
    }
    return opened
  } catch (error) {
    await Promise.all(opened.map((listener) => listener.drain(0)))
    throw error
  }
}
