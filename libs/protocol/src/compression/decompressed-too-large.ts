import { DecodeError } from '@fairlead/base'

/** A batch holds more than its reader is willing to open: not malformed, but too much. */
export class DecompressedTooLarge extends DecodeError {
  constructor(maxBytes: number) {
    super(`decompressed bytes are larger than ${maxBytes}`, 0)
  }
}
