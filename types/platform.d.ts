/**
 * The only globals beyond ECMAScript that layers 0 to 2 may use. They are pure functions of their
 * input and exist in every JavaScript runtime. Everything else of a platform (files, sockets,
 * timers, clocks, randomness) reaches a core through a port.
 */
declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>
  encodeInto(text: string, target: Uint8Array): { read: number; written: number }
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean })
  decode(bytes?: Uint8Array): string
}

/** Handed through from who waits to who is waited for, and never looked at: nothing here can wait. */
interface AbortSignal {
  readonly aborted: boolean
}
